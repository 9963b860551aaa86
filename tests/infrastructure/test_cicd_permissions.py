"""The roles that deploy the stack may do what a deployment needs, on this stack and on nothing else.

Which actions that are is said by CloudFormation itself: the schema of each type of resource lists what its handlers
call (https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html, handlers). cfn-lint
brings the schemas along.
"""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore import xform_name
from samcli.lib.deploy import deployer
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from permissions.actions import PREFIXES
from permissions.evaluation import ALLOWED, decide
from permissions.reasons import broad
from permissions.template import ACCOUNT, REGION
from slipcast_cli import settings
from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
STACK = "slipcast-staging"
ROLES = ROOT / "cicd" / "deploy-roles.yaml"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/developers"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

# What handlers call for properties that the template does not use. With a reason for each; a test holds them to be
# asked for by a schema.
NOT_USED = {
    "no metadata tables, inventory, analytics, replication, website, CORS, tiering, locks or acceleration of buckets": (
        r"s3tables:.*|s3:.*(MetadataTable|MetadataJournal|MetadataInventory|MetadataAnnotation).*|s3:PutAnalyticsConfiguration"
        r"|s3:PutInventoryConfiguration|s3:PutMetricsConfiguration|s3:Put(Bucket)?Replication(Configuration)?|s3:PutBucketCORS"
        r"|s3:(Put|Delete)BucketWebsite|s3:PutAccelerateConfiguration|s3:PutIntelligentTieringConfiguration|s3:PutBucketAbac"
        r"|s3:Put(Bucket)?ObjectLockConfiguration|s3:DeleteBucket(Analytics|Cors|Metrics).*"
        r"|s3:DeleteBucket(Encryption|Lifecycle|Replication)"
    ),
    "a deployment touches no object": r"s3:(DeleteObject|PutObjectAcl|GetObjectMetadata|REST\.PUT\.OBJECT)",
    "no import, stream, replica or item of a table by CloudFormation": (
        r"dynamodb:(DescribeImport|ImportTable|(Enable|Disable|Update)KinesisStreamingDestination|(Put|Delete)ResourcePolicy"
        r"|CreateTableReplica|AssociateTableReplica|Scan|Query|(Update|Put|Get|Delete)Item|BatchWriteItem)|kinesis:.*"
        r"|iam:CreateServiceLinkedRole"
    ),
    "no network, file system, code signing or capacity of one's own for functions": (
        r"ec2:.*|elasticfilesystem:.*|s3files:.*|lambda:.*(CodeSigningConfig|ScalingConfig|CapacityProvider)|codedeploy:.*"
    ),
    "no data protection, index, delivery or token of log groups": (
        r"logs:(Put|Delete)(DataProtectionPolicy|IndexPolicy|ResourcePolicy)|logs:(CreateLogDelivery|DescribeResourcePolicies)"
        r"|logs:(PutBearerTokenAuthentication|PutLogGroupDeletionProtection)|firehose:.*|logs:(CreateLogStream|DescribeLogStreams"
        r"|PutLogEvents)|sns:PutDataProtectionPolicy"
    ),
    "no attributes, domain or key of one's own for users": (
        r"cognito-idp:AddCustomAttributes|cloudfront:updateDistribution|kms:(ReEncrypt.*|GenerateDataKeyWithoutPlaintext)"
    ),
    "policies of users and groups are no part of the stack": r"iam:.*(User|Group).*",
    "a boundary is never taken away": r"iam:DeleteRolePermissionsBoundary",
    "the key is named by its ARN": r"kms:ListAliases",
    "no service takes a role of the stack through a topic or a log": r"iam:GetRole",
}
OTHER = "arn:aws:s3:::somebody-elses"


class Cicd(settings.Template):
    """A template of cicd/ with references filled in as permissions.template does for the stack's own."""

    def __init__(self, file: Path, **given: str) -> None:
        super().__init__(settings.Place("slipcast-cicd", REGION, ACCOUNT), given, file)

    def resolve(self, node):
        if isinstance(node, list):
            return [item for item in map(self.resolve, node) if item is not None]
        if not isinstance(node, dict):
            return node
        if node == {"Ref": "AWS::NoValue"}:
            return None
        if len(node) == 1 and next(iter(node)) in ("Ref", "Fn::Sub", "Fn::If", "Fn::GetAtt"):
            if "Fn::If" in node:
                return self.resolve(node["Fn::If"][1 if self.holds(node["Fn::If"][0]) else 2])
            return self.value(node)
        return {name: value for name, each in node.items() if (value := self.resolve(each)) is not None}

    def statements(self, *names: str) -> list[dict]:
        found = []
        for name in names:
            found += self.resolve(self.document["Resources"][name]["Properties"]["PolicyDocument"])["Statement"]
        return found


def roles(**given: str) -> Cicd:
    return Cicd(ROLES, StackName=STACK, **given)


@cache
def transformed() -> dict:
    """template.yaml as CloudFormation gets it, with placeholders for what sam package uploads."""
    document = template()
    for item in document["Resources"].values():
        properties = item.get("Properties", {})
        for key in ("CodeUri", "ContentUri", "DefinitionUri"):
            if key in properties:
                properties[key] = {"Bucket": "packages", "Key": "x"} if key == "DefinitionUri" else "s3://packages/x"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGION))
    return translator.translate(document, {})


@cache
def handlers() -> dict[str, dict]:
    """The handlers of every type of resource, from the schemas in cfn-lint."""
    folder = Path(importlib.util.find_spec("cfnlint").origin).parent / "data" / "schemas" / "resources"
    schemas = (json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*.json"))
    return {schema["typeName"]: schema.get("handlers", {}) for schema in schemas}


TYPES = sorted({item["Type"] for item in transformed()["Resources"].values()})
# An ARN of each type as this stack would have it.
ARNS = {
    "AWS::S3::Bucket": f"arn:aws:s3:::{STACK}-databucket-1abc",
    "AWS::S3::BucketPolicy": f"arn:aws:s3:::{STACK}-databucket-1abc",
    "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{STACK}-ControlTable-1ABC",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-DeadLetterQueue-1ABC",
    "AWS::SQS::QueuePolicy": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-DeadLetterQueue-1ABC",
    "AWS::SNS::Topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-Topic-1ABC",
    "AWS::SNS::TopicPolicy": f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-Topic-1ABC",
    "AWS::SNS::Subscription": f"arn:aws:sns:{REGION}:{ACCOUNT}:{STACK}-Topic-1ABC",
    "AWS::Lambda::Function": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-predict",
    "AWS::Lambda::Alias": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-predict",
    "AWS::Lambda::Version": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-predict",
    "AWS::Lambda::Permission": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-predict:live",
    "AWS::Lambda::EventInvokeConfig": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-trigger",
    "AWS::Lambda::Url": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-track",
    "AWS::Lambda::EventSourceMapping": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:1234",
    "AWS::Lambda::LayerVersion": f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{STACK}-domain",
    "AWS::Logs::LogGroup": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{STACK}-TriggerLogGroup-1ABC:*",
    "AWS::Logs::SubscriptionFilter": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{STACK}-PredictLogGroup-1ABC:*",
    "AWS::CloudWatch::Alarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{STACK}-drift",
    "AWS::CloudWatch::CompositeAlarm": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{STACK}-model-unhealthy",
    "AWS::CloudWatch::Dashboard": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STACK}",
    "AWS::Events::Rule": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{STACK}-TriggerFunctionPeriodic-1ABC",
    "AWS::StepFunctions::StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{STACK}-pipeline",
    "AWS::SageMaker::MlflowApp": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:mlflow-app/app-1ABC",
    "AWS::Cognito::UserPool": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_1ABC",
    "AWS::Cognito::UserPoolClient": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_1ABC",
    "AWS::Cognito::UserPoolDomain": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_1ABC",
    "AWS::Cognito::UserPoolGroup": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{REGION}_1ABC",
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{STACK}-TriggerFunctionRole-1ABC",
    "AWS::IAM::ManagedPolicy": f"arn:aws:iam::{ACCOUNT}:policy/{STACK}-MayDecrypt-1ABC",
    "AWS::IAM::Policy": f"arn:aws:iam::{ACCOUNT}:role/{STACK}-TriggerFunctionRole-1ABC",
    "AWS::ApiGateway::RestApi": f"arn:aws:apigateway:{REGION}::/restapis",
    "AWS::ApiGateway::Deployment": f"arn:aws:apigateway:{REGION}::/restapis/abc/deployments",
    "AWS::ApiGateway::Stage": f"arn:aws:apigateway:{REGION}::/restapis/abc/stages/v1",
    "AWS::ApiGateway::ApiKey": f"arn:aws:apigateway:{REGION}::/apikeys",
    "AWS::ApiGateway::UsagePlan": f"arn:aws:apigateway:{REGION}::/usageplans",
    "AWS::ApiGateway::UsagePlanKey": f"arn:aws:apigateway:{REGION}::/usageplans/abc/keys",
}
# Their ARNs have an id of the service, not the name of the stack.
WITHOUT_A_NAME = ("AWS::ApiGateway", "AWS::Cognito", "AWS::SageMaker")
PACKAGES = f"arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1abc/{STACK}/abc"
ROLE = ARNS["AWS::IAM::Role"]


def asked(kind: str) -> set[str]:
    """Return the actions that CloudFormation calls to make, change and delete a resource of a type."""
    return {
        action
        for handler in ("create", "update", "delete")
        for action in handlers()[kind].get(handler, {}).get("permissions", [])
    }


def resource_of(action: str, kind: str) -> str:
    service, _, name = action.partition(":")
    if action in ("logs:DescribeLogGroups", "logs:DescribeIndexPolicies", "cloudwatch:DescribeAlarms"):
        return "*"
    if action in ("s3:GetObject", "s3:GetObjectVersion"):
        return PACKAGES
    if service == "kms":
        return KEY
    if service == "iam" and "Policy" in name and not re.search(r"Role|Attach|Detach", name):
        return ARNS["AWS::IAM::ManagedPolicy"]
    return ROLE if service == "iam" else ARNS[kind]


def context_of(action: str) -> dict[str, str]:
    return {
        "iam:PassRole": {"iam:PassedToService": "lambda.amazonaws.com"},
        "iam:AttachRolePolicy": {"iam:PolicyARN": ARNS["AWS::IAM::ManagedPolicy"]},
        "iam:DetachRolePolicy": {"iam:PolicyARN": ARNS["AWS::IAM::ManagedPolicy"]},
    }.get(action, {}) | (
        {"lambda:FunctionArn": ARNS["AWS::Lambda::Function"]} if "EventSourceMapping" in action else {}
    )


def used(action: str, kind: str) -> bool:
    # Of a table, what is read and logged while it is imported from a bucket.
    if kind == "AWS::DynamoDB::Table" and action.startswith(("logs:", "s3:")):
        return False
    return not any(re.fullmatch(pattern, action) for pattern in NOT_USED.values())


def executing(**given: str) -> list[dict]:
    return roles(**given).statements("ServicesPolicy", "DataPolicy", "RolesPolicy")


def test_every_type_of_the_template_is_known_here():
    assert [kind for kind in TYPES if kind not in ARNS] == []


@pytest.mark.parametrize("kind", TYPES)
def test_cloudformation_may_make_change_and_delete_every_resource(kind):
    statements = executing(KmsKeyArn=KEY)
    needed = {action for action in asked(kind) if used(action, kind)}

    assert needed
    denied = {
        action
        for action in needed
        if decide(statements, action, resource_of(action, kind), context_of(action)) != ALLOWED
    }
    assert denied == set()


def test_what_is_left_out_is_asked_for_by_a_schema():
    every = {action for kind in TYPES for action in asked(kind)}

    assert [
        why for why, pattern in NOT_USED.items() if not any(re.fullmatch(pattern, action) for action in every)
    ] == []


def test_nothing_is_allowed_that_no_handler_asks_for():
    every = {action.lower() for kind in TYPES for item in handlers()[kind].values() for action in item["permissions"]}
    # The transform, tags of policies (tags of a stack reach all its resources), and what Lambda::Version reads.
    more = {
        "cloudformation:createchangeset",
        "iam:tagpolicy",
        "iam:untagpolicy",
        "iam:getpolicyversion",
        "s3:untagresource",
    }
    allowed = {action.lower() for item in executing(KmsKeyArn=KEY) for action in listed(item["Action"])}

    assert allowed - every - more == set()


@pytest.mark.parametrize("kind", [kind for kind in TYPES if not kind.startswith(WITHOUT_A_NAME)])
def test_another_stack_is_out_of_reach(kind):
    statements = executing(KmsKeyArn=KEY)
    other = ARNS[kind].replace(STACK, "slipcast-production")
    if kind == "AWS::Lambda::EventSourceMapping":
        context = {"lambda:FunctionArn": ARNS["AWS::Lambda::Function"].replace(STACK, "slipcast-production")}
        assert decide(statements, "lambda:DeleteEventSourceMapping", other, context) != ALLOWED
        return
    reached = {
        action
        for action in asked(kind)
        if resource_of(action, kind) == ARNS[kind] and decide(statements, action, other, context_of(action)) == ALLOWED
    }
    assert reached == set()


def test_a_role_is_handed_to_the_services_that_the_stack_has_roles_for_only():
    statements = executing()
    services = {
        principal
        for item in transformed()["Resources"].values()
        if item["Type"] == "AWS::IAM::Role"
        for statement in item["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        for principal in listed(statement["Principal"]["Service"])
    }

    assert services
    for service in (*services, "ec2.amazonaws.com", "cloudformation.amazonaws.com"):
        decision = decide(statements, "iam:PassRole", ROLE, {"iam:PassedToService": service})
        assert (decision == ALLOWED) == (service in services), service
    assert (
        decide(
            statements,
            "iam:PassRole",
            f"arn:aws:iam::{ACCOUNT}:role/admin",
            {"iam:PassedToService": "lambda.amazonaws.com"},
        )
        != ALLOWED
    )


def test_policies_that_the_stack_attaches_may_be_attached_and_no_other():
    statements = executing()
    attached = {
        arn.replace("aws-us-gov", "aws") if isinstance(arn, str) else arn["Fn::Sub"].replace("${AWS::Partition}", "aws")
        for item in transformed()["Resources"].values()
        if item["Type"] == "AWS::IAM::Role"
        for arn in item["Properties"].get("ManagedPolicyArns", [])
    }

    assert attached
    for arn in (*attached, "arn:aws:iam::aws:policy/AdministratorAccess"):
        decision = decide(statements, "iam:AttachRolePolicy", ROLE, {"iam:PolicyARN": arn})
        assert (decision == ALLOWED) == (arn in attached), arn


def test_with_a_boundary_no_role_is_made_without_it():
    bounded = executing(PermissionsBoundaryArn=BOUNDARY)

    for action in ("iam:CreateRole", "iam:PutRolePolicy"):
        assert decide(bounded, action, ROLE, {}) != ALLOWED
        assert decide(bounded, action, ROLE, {"iam:PermissionsBoundary": BOUNDARY}) == ALLOWED
        assert decide(executing(), action, ROLE, {}) == ALLOWED
    assert decide(bounded, "iam:DeleteRolePermissionsBoundary", ROLE, {}) != ALLOWED
    role = roles(PermissionsBoundaryArn=BOUNDARY).resolve(ROLE_RESOURCE)
    assert role["Properties"]["PermissionsBoundary"] == BOUNDARY


def test_every_role_of_the_stack_takes_the_boundary():
    boundary = {"Fn::If": ["Bounded", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    made = {
        name: item["Properties"]
        for name, item in transformed()["Resources"].items()
        if item["Type"] == "AWS::IAM::Role"
    }

    assert made
    assert [name for name, properties in made.items() if properties.get("PermissionsBoundary") != boundary] == []


ROLE_RESOURCE = yaml_parse(ROLES.read_text(encoding="utf-8"))["Resources"]["CloudFormationRole"]


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


# Whoever starts a deployment


def called() -> set[tuple[str, str]]:
    """Return service and method of every call of the AWS SDK in the operators' checks."""
    session, found = botocore.session.get_session(), set()
    for name in ("preflight", "smoke", "stack"):
        text = (ROOT / "src" / "slipcast_cli" / f"{name}.py").read_text(encoding="utf-8")
        methods = set(re.findall(r"\.(\w+)\(", text)) | set(re.findall(r'get_paginator\("(\w+)"\)', text))
        for service in set(re.findall(r'\.client\("([\w-]+)"\)', text)):
            operations = {xform_name(operation) for operation in session.get_service_model(service).operation_names}
            found |= {(service, method) for method in methods & operations}
    return found


MAPPED = {
    "get_api_key": "apigateway:GET",
    "get_account": "apigateway:GET",
    "list_objects_v2": "s3:ListBucket",
}
# sts:GetCallerIdentity needs no permission; an alarm is switched on by hand only.
FREE = {"get_caller_identity", "set_alarm_state", "filter_log_events"}


def test_the_calls_of_the_checks_are_found():
    assert {("stepfunctions", "validate_state_machine_definition"), ("s3", "put_object")} <= called()
    assert len(called()) > 20


@pytest.mark.parametrize(("service", "method"), sorted(called()))
def test_whoever_deploys_may_run_the_checks(service, method):
    if method in FREE:
        return
    name = "".join(part.capitalize() for part in method.split("_"))
    action = MAPPED.get(method, f"{PREFIXES.get(service, service)}:{name}")
    allowed = {action for item in roles().statements("DeployPolicy") for action in listed(item["Action"])}

    assert action in allowed


# sam deploy with other options than ours: sam sync, --on-failure DELETE.
@pytest.mark.parametrize("policy", ["RolesPolicy", "DeployPolicy"])
def test_a_change_set_may_carry_out_the_transforms_of_the_template_and_no_other(policy):
    used = {"Serverless-2016-10-31", "Include"}
    transforms = {name: f"arn:aws:cloudformation:{REGION}:aws:transform/{name}" for name in (*used, "Other")}
    statements = roles().statements(policy)

    assert {
        name for name, arn in transforms.items() if decide(statements, "cloudformation:CreateChangeSet", arn) == ALLOWED
    } == used


OTHER_WAYS = {"create_stack", "update_stack", "delete_stack", "rollback_stack"}


def test_whoever_deploys_may_do_what_sam_deploy_calls():
    text = Path(deployer.__file__).read_text(encoding="utf-8")
    called = set(re.findall(r"\b_client\.([a-z_]+)\(", text)) - {"get_waiter", "get_paginator"} - OTHER_WAYS
    called |= set(re.findall(r'get_paginator\("(\w+)"\)', text))
    actions = {"cloudformation:" + "".join(part.capitalize() for part in name.split("_")) for name in called}
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1234"

    assert "cloudformation:CreateChangeSet" in actions
    denied = {action for action in actions if decide(roles().statements("DeployPolicy"), action, stack) != ALLOWED}
    assert denied == set()


@pytest.mark.parametrize("stage", ["default", "staging", "production"])
def test_packages_lie_where_the_roles_of_the_stage_may_read_them(stage):
    options = settings.options(stage)
    package = f"arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1abc/{options['s3_prefix']}/abc.template"
    made = Cicd(ROLES, StackName=options["stack_name"])

    assert decide(made.statements("DataPolicy"), "s3:GetObject", package) == ALLOWED
    assert decide(made.statements("DeployPolicy"), "s3:PutObject", package) == ALLOWED


def test_whoever_deploys_hands_the_stack_to_cloudformation_and_touches_nothing():
    statements = roles().statements("DeployPolicy")
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1234"
    given = roles().value({"Fn::GetAtt": "CloudFormationRole.Arn"})

    assert decide(statements, "cloudformation:ExecuteChangeSet", stack) == ALLOWED
    assert decide(statements, "cloudformation:ExecuteChangeSet", stack.replace(STACK, "slipcast-production")) != ALLOWED
    assert decide(statements, "iam:PassRole", given, {"iam:PassedToService": "cloudformation.amazonaws.com"}) == ALLOWED
    assert decide(statements, "iam:PassRole", given, {"iam:PassedToService": "lambda.amazonaws.com"}) != ALLOWED
    for action, arn in (
        ("lambda:UpdateFunctionCode", ARNS["AWS::Lambda::Function"]),
        ("lambda:UpdateAlias", ARNS["AWS::Lambda::Alias"]),
        ("iam:CreateRole", ROLE),
        ("s3:DeleteBucket", ARNS["AWS::S3::Bucket"]),
        ("s3:GetObject", f"{ARNS['AWS::S3::Bucket']}/models/x"),
        ("s3:PutObject", f"{ARNS['AWS::S3::Bucket']}/incoming/tower.csv"),
        ("cloudformation:DeleteStack", stack),
    ):
        assert decide(statements, action, arn) != ALLOWED, action
    assert decide(statements, "s3:PutObject", f"{ARNS['AWS::S3::Bucket']}/incoming/slipcast-smoke_nyc.csv") == ALLOWED


@pytest.mark.parametrize("name", ["ServicesPolicy", "DataPolicy", "RolesPolicy", "DeployPolicy"])
def test_a_policy_is_no_longer_than_iam_takes(name):
    longest = Cicd(ROLES, StackName="s" * 50, KmsKeyArn=KEY, PermissionsBoundaryArn=BOUNDARY)
    document = {"Version": "2012-10-17", "Statement": longest.statements(name)}

    # IAM counts without white space.
    assert len(json.dumps(document, separators=(",", ":"))) <= 6144


@pytest.mark.parametrize("file", sorted((ROOT / "cicd").glob("*.yaml")), ids=lambda file: file.stem)
def test_no_statement_is_broad_without_a_reason_beside_it(file):
    text = file.read_text(encoding="utf-8")
    if "Effect: Allow" in text:
        assert [item for item in broad(text) if len(item.reason) < 20] == []
