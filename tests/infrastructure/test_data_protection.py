"""Data at rest: whose key, who may use it, and that no data goes with its stack."""

import re

import pytest

from permissions.evaluation import ALLOWED, decide
from permissions.template import FUNCTIONS, MACHINES, REGION, RESOURCES, ROOT, TEMPLATE, Stack, listed, of_type, pairs

KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
PLAIN, OWN = Stack(), Stack(KmsKeyArn=KEY)
# Where a key of one's own is named, by type of resource.
KEYED = {
    "AWS::S3::Bucket": r"BucketEncryption\..*\.KMSMasterKeyID",
    "AWS::DynamoDB::Table": r"SSESpecification\.KMSMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::Kinesis::Stream": r"StreamEncryption\.KeyId",
}
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html: S3's own key or none.
KEYLESS = {"AccessLogBucket"}
STATEFUL = {
    *("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SageMaker::MlflowApp"),
    *("AWS::Kinesis::Stream", "AWS::Cognito::UserPool", "AWS::SecretsManager::Secret", "AWS::SSM::Parameter"),
    *("AWS::KMS::Key", "AWS::EFS::FileSystem", "AWS::Timestream::Table", "AWS::RDS::DBInstance"),
}
# What writes to a service encrypts with a new data key; what reads decrypts.
ENCRYPTING = {"s3:PutObject", "sns:Publish", "sqs:SendMessage", "kinesis:PutRecord", "kinesis:PutRecords"}
PROTECTED = {"s3", "dynamodb", "sns", "sqs", "kinesis"}


def flat(node, path=""):
    """Yield path and value of every leaf."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from flat(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for value in node:
            yield from flat(value, path)
    else:
        yield path, node


@pytest.mark.parametrize("name", [name for name in of_type(*KEYED) if name not in KEYLESS])
def test_ones_own_key_is_used_where_it_is_given(name):
    kind, properties = RESOURCES[name]["Type"], RESOURCES[name]["Properties"]
    keys = {value for path, value in flat(OWN.resolve(properties)) if re.fullmatch(KEYED[kind], path)}

    assert keys == {KEY}
    assert not [path for path, _ in flat(PLAIN.resolve(properties)) if re.fullmatch(KEYED[kind], path)]


@pytest.mark.parametrize("name", of_type("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::SQS::Queue"))
def test_without_a_key_that_of_aws_is_used(name):
    properties = dict(flat(PLAIN.resolve(RESOURCES[name]["Properties"])))
    encrypted = [value for path, value in properties.items() if re.search(r"SSEAlgorithm|SSEEnabled|SqsManaged", path)]

    assert encrypted in (["AES256"], [True])


def uses_of_the_key(role: str) -> set[str]:
    """Return what a role needs of the key: for what it may do, and for its dead-letter queue."""
    actions = {action for action, _, _ in pairs(PLAIN.statements(role))}
    if "DeadLetterQueue" in RESOURCES[role]["Properties"]:
        actions.add("sqs:SendMessage")
    needed = {"kms:GenerateDataKey"} if actions & ENCRYPTING else set()
    return needed | ({"kms:Decrypt"} if {action.split(":")[0] for action in actions} & PROTECTED else set())


ROLES = [*FUNCTIONS, *MACHINES, *(name for name in of_type("AWS::IAM::Role") if PLAIN.exists(name))]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_use_the_key_for_what_it_does_through_the_services_alone(role):
    """Roles are listed under MayEncrypt and MayDecrypt in template.yaml."""
    statements = OWN.statements(role)
    services = [f"{service}.{REGION}.amazonaws.com" for service in ("s3", "dynamodb", "sns", "sqs")]
    allowed = {
        action
        for action in ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:CreateGrant", "kms:PutKeyPolicy")
        for service in services
        if decide(statements, action, KEY, {"kms:ViaService": service}) == ALLOWED
    }

    assert allowed == uses_of_the_key(role)
    assert not any(decide(statements, action, KEY) == ALLOWED for action in allowed)
    assert not [action for action, _, _ in pairs(PLAIN.statements(role)) if action.startswith("kms:")]


def test_a_key_is_given_by_its_arn():
    pattern = TEMPLATE["Parameters"]["KmsKeyArn"]["AllowedPattern"]
    assert re.fullmatch(pattern, KEY)
    for wrong in ("alias/mine", "12345678-1234-1234-1234-123456789012", KEY.replace("key/", "alias/"), "*"):
        assert not re.fullmatch(pattern, wrong)


@pytest.mark.parametrize("name", of_type(*STATEFUL))
def test_no_data_goes_with_its_stack_without_a_reason(name):
    policies = {RESOURCES[name].get("DeletionPolicy"), RESOURCES[name].get("UpdateReplacePolicy")}

    assert None not in policies, "say what becomes of the data: DeletionPolicy and UpdateReplacePolicy"
    # "Retain" would keep what a create that fails has just made, and the next one could find its name taken.
    assert policies != {"Retain"}, "DeletionPolicy: RetainExceptOnCreate"
    if not policies <= {"Retain", "RetainExceptOnCreate", "Snapshot"}:
        text = (ROOT / "template.yaml").read_text(encoding="utf-8")
        assert re.search(rf"\n  {name}:\n    Type: .*\n(    # .+\n)+    DeletionPolicy: Delete\n", text), "say why"


@pytest.mark.parametrize("name", of_type("AWS::S3::Bucket"))
def test_objects_belong_to_the_buckets_owner_whoever_writes_them(name):
    rules = RESOURCES[name]["Properties"]["OwnershipControls"]["Rules"]

    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize("name", of_type("AWS::DynamoDB::Table"))
def test_a_table_can_be_restored_to_any_second(name):
    properties = RESOURCES[name]["Properties"]

    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize("name", of_type("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"))
def test_only_a_service_for_this_account_or_the_account_itself_is_let_in(name):
    for statement in PLAIN.resolve(RESOURCES[name]["Properties"]["PolicyDocument"])["Statement"]:
        if statement["Effect"] == "Deny":
            continue
        principals = statement["Principal"]
        assert isinstance(principals, dict)
        for account in listed(principals.get("AWS", [])):
            assert account.startswith("arn:aws:iam::123456789012:")
        if "Service" in principals:
            condition = statement["Condition"]
            arn = condition.get("ArnEquals", {}).get("aws:SourceArn", "::::")
            account = condition.get("StringEquals", {}).get("aws:SourceAccount") or arn.split(":")[4]
            assert account == "123456789012"
