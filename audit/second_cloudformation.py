"""The stack of template.yaml by moto's CloudFormation, an emulator that shares no code with the local cloud's.

    python audit/second_cloudformation.py

Creates the stack, changes a parameter, deletes it and creates it again under the same name; after each step the
services themselves are asked what is there. Ends with 1 and one line for each thing that is not as it should be.

moto knows half of the types (`UNKNOWN` has the others, checked against moto at each run): these are left out, and what
refers to them gets a made-up value. It does not know `RetainExceptOnCreate`, so what is retained is taken out of its
hands before it deletes. What it does not do of the language (a condition in a list) is settled here first.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import yaml
from moto import mock_aws
from moto.awslambda.models import LayerVersion
from moto.cloudformation.models import cloudformation_backends
from moto.cloudformation.parsing import get_model_map, parse_condition
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[1]
STACK, REGION, ACCOUNT, ARTIFACTS = "slipcast", "us-east-1", "123456789012", "artifacts"
# Complete but for MLflow, which moto cannot make.
GIVEN = {"MlflowTrackingUri": "http://127.0.0.1:5000", "Streaming": "true"}
UNKNOWN = frozenset(
    {
        *(f"AWS::ApiGateway::{kind}" for kind in ("ApiKey", "Stage", "UsagePlan", "UsagePlanKey")),
        *("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"),
        *("AWS::Lambda::Alias", "AWS::Lambda::EventInvokeConfig", "AWS::Logs::SubscriptionFilter"),
        *("AWS::S3::BucketPolicy", "AWS::SNS::Subscription", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"),
    }
)
# moto reads no Body of a REST API, and finds nothing to deploy.
NOT_MADE = frozenset({"AWS::ApiGateway::Deployment"})
# moto notes no physical id of them.
NAMELESS = frozenset({"AWS::Lambda::Permission", "AWS::Lambda::Version"})
NOTHING = object()
UNRESOLVED = re.compile(r"\$\{(?!\!)[\w:.]+\}|Fn::|<moto|None\b")


def transformed(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return the template after the SAM transform, code in a bucket and the definition inlined."""
    template = yaml_parse(path.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = f"s3://{ARTIFACTS}/code.zip"
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            properties["ContentUri"] = f"s3://{ARTIFACTS}/code.zip"
        elif resource["Type"] == "AWS::Serverless::StateMachine":
            definition = path.parent / properties.pop("DefinitionUri")
            properties["Definition"] = yaml.safe_load(definition.read_text(encoding="utf-8"))
    defaults = {name: str(item.get("Default", "")) for name, item in template["Parameters"].items()}
    return Translator({}, Parser()).translate(template, defaults | GIVEN)


class Found(dict):
    """Values that a function finds, by key."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        self.find = find

    def __missing__(self, key: str) -> Any:
        return self.find(key)


class Settled:
    """A template as moto can read it, for given parameters."""

    def __init__(self, template: dict[str, Any], parameters: dict[str, str]) -> None:
        self.parameters = {name: str(item.get("Default", "")) for name, item in template["Parameters"].items()}
        self.parameters |= parameters
        self.conditions = {name: self._plain(item) for name, item in template.get("Conditions", {}).items()}
        there = {name: item for name, item in template["Resources"].items() if self._holds(item)}
        can_be_made = get_model_map().keys() - NOT_MADE
        self.left_out = {name: item["Type"] for name, item in there.items() if item["Type"] not in can_be_made}
        self.resources = {
            name: self._settle(item) for name, item in there.items() if item["Type"] not in self.left_out.values()
        }
        for name, item in self.resources.items():
            properties = item.get("Properties", {})
            if item["Type"] == "AWS::SQS::Queue" and properties.get("FifoQueue"):
                # CloudFormation's own names of FIFO queues end so, moto's do not.
                properties.setdefault("QueueName", f"{STACK}-{name}.fifo")
        outputs = {name: item for name, item in template["Outputs"].items() if self._holds(item)}
        self.template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Parameters": template["Parameters"],
            "Resources": self.resources,
            "Outputs": {name: self._settle(item) for name, item in outputs.items()},
        }

    def _holds(self, item: dict[str, Any]) -> bool:
        return "Condition" not in item or self._condition(item["Condition"])

    def _plain(self, node: Any) -> Any:
        """Return a condition without the functions and pseudo parameters that moto does not know there."""
        if isinstance(node, list):
            return [self._plain(item) for item in node]
        if not isinstance(node, dict):
            return node
        ((kind, value),) = node.items()
        if kind == "Ref":
            return {"AWS::Region": REGION}.get(value, self.parameters.get(value, value))
        given = self._plain(value)
        if kind == "Fn::Join":
            return given[0].join(given[1])
        if kind == "Fn::Split":
            return given[1].split(given[0])
        if kind == "Fn::Select":
            return given[1][int(given[0])]
        return {kind: given}

    def _condition(self, name: str) -> bool:
        return bool(parse_condition(self.conditions[name], self.parameters, Found(self._condition)))

    def _settle(self, node: Any) -> Any:
        if isinstance(node, list):
            return [item for item in map(self._settle, node) if item is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((kind, value),) = node.items()
            if value == "AWS::NoValue":
                return NOTHING
            if kind == "Fn::If":
                return self._settle(value[1] if self._condition(value[0]) else value[2])
            if kind == "Ref" and value in self.left_out:
                return self._made_up(value, "")
            if kind == "Fn::GetAtt":
                name, attribute = value if isinstance(value, list) else value.split(".", 1)
                return self._made_up(name, attribute) if name in self.left_out else node
            if kind == "Fn::Sub":
                return {kind: self._substituted(value)}
        # Of a resource or an output, which is there; that of a policy is no name.
        kept = {name: item for name, item in node.items() if name != "Condition" or not isinstance(item, str)}
        settled = {name: self._settle(item) for name, item in kept.items()}
        if "DependsOn" in settled:
            listed = settled["DependsOn"] if isinstance(settled["DependsOn"], list) else [settled["DependsOn"]]
            settled["DependsOn"] = [name for name in listed if name not in self.left_out]
        return {name: item for name, item in settled.items() if item is not NOTHING}

    def _substituted(self, value: Any) -> Any:
        text, given = (value, None) if isinstance(value, str) else value

        def fill(found: re.Match[str]) -> str:
            name, _, attribute = found[1].partition(".")
            return self._made_up(name, attribute) if name in self.left_out else found[0]

        text = re.sub(r"\$\{(\w+(?:\.\w+)?)\}", fill, text)
        return text if given is None else [text, {name: self._settle(item) for name, item in given.items()}]

    def _made_up(self, name: str, attribute: str = "") -> str:
        kind = self.left_out[name]
        if kind == "AWS::ApiGateway::Stage":
            return "v1"
        if kind == "AWS::Lambda::Alias":
            # The function itself, which is made by the time that this is asked for.
            return f"{STACK}-predict"
        return f"arn:aws:made-up:{REGION}:{ACCOUNT}:{name}" if attribute.endswith("Arn") else f"{STACK}-{name}".lower()


class Life:
    """A stack in moto, from creation to the second creation; `wrong` collects what is not as it should be."""

    def __init__(self, template: dict[str, Any]) -> None:
        self.transformed, self.wrong = template, []
        self.cloudformation = boto3.client("cloudformation", REGION)
        self.s3 = boto3.client("s3", REGION)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as opened:
            opened.writestr("app.py", "def handler(event, context): ...\n")
        self.s3.create_bucket(Bucket=ARTIFACTS)
        self.s3.put_object(Bucket=ARTIFACTS, Key="code.zip", Body=archive.getvalue())

    def expect(self, holds: Any, what: str) -> None:
        """Note what is wrong."""
        if not holds:
            self.wrong.append(what)

    def send(self, operation: str, **changed: str) -> Settled:
        """Create or update the stack with parameters."""
        given = GIVEN | changed
        settled = Settled(self.transformed, given)
        self.s3.put_object(Bucket=ARTIFACTS, Key="template.json", Body=json.dumps(settled.template).encode())
        getattr(self.cloudformation, operation)(
            StackName=STACK,
            TemplateURL=f"https://s3.amazonaws.com/{ARTIFACTS}/template.json",
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        return settled

    def check(self, settled: Settled, step: str) -> dict[str, str]:
        """Compare what the services have with the template; return the physical ids."""
        (stack,) = self.cloudformation.describe_stacks(StackName=STACK)["Stacks"]
        wanted = "UPDATE_COMPLETE" if step == "update" else "CREATE_COMPLETE"
        self.expect(stack["StackStatus"] == wanted, f"{step}: the stack is {stack['StackStatus']}")
        found = self.cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
        ids = {item["LogicalResourceId"]: item.get("PhysicalResourceId") or "" for item in found}
        for name, item in settled.resources.items():
            made = name in ids and (ids[name] or item["Type"] in NAMELESS)
            self.expect(made, f"{step}: {name} was not made")
        outputs = {item["OutputKey"]: str(item["OutputValue"]) for item in stack.get("Outputs", [])}
        self.expect(outputs.keys() == settled.template["Outputs"].keys(), f"{step}: outputs are {sorted(outputs)}")
        for name, value in outputs.items():
            self.expect(bool(value) and not UNRESOLVED.search(value), f"{step}: output {name} is {value!r}")
        for where, text in self.texts():
            for unresolved in UNRESOLVED.findall(text):
                self.expect(False, f"{step}: {unresolved} is left in {where}")
        return ids

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield what the services were given: settings of functions, policies of roles, the definition, targets."""
        lambda_, iam = boto3.client("lambda", REGION), boto3.client("iam", REGION)
        for function in lambda_.list_functions()["Functions"]:
            told = [function.get(key) for key in ("Environment", "Role", "Layers", "DeadLetterConfig")]
            yield f"function {function['FunctionName']}", json.dumps(told)
        for role in iam.list_roles()["Roles"]:
            for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
                document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
                yield f"policy {policy} of {role['RoleName']}", json.dumps(document)
        states = boto3.client("stepfunctions", REGION)
        for machine in states.list_state_machines()["stateMachines"]:
            described = states.describe_state_machine(stateMachineArn=machine["stateMachineArn"])
            yield "the state machine's role", described["roleArn"]
        events = boto3.client("events", REGION)
        for rule in events.list_rules()["Rules"]:
            yield f"rule {rule['Name']}", json.dumps(events.list_targets_by_rule(Rule=rule["Name"])["Targets"])

    def names(self) -> dict[str, set[str]]:
        """Return the names of what there is, by type."""
        return {
            "AWS::S3::Bucket": {item["Name"] for item in self.s3.list_buckets()["Buckets"]} - {ARTIFACTS},
            "AWS::DynamoDB::Table": set(boto3.client("dynamodb", REGION).list_tables()["TableNames"]),
            "AWS::SQS::Queue": set(boto3.client("sqs", REGION).list_queues().get("QueueUrls", [])),
            "AWS::Lambda::Function": {
                item["FunctionName"] for item in boto3.client("lambda", REGION).list_functions()["Functions"]
            },
            "AWS::IAM::Role": {item["RoleName"] for item in boto3.client("iam", REGION).list_roles()["Roles"]},
            "AWS::Logs::LogGroup": {
                item["logGroupName"] for item in boto3.client("logs", REGION).describe_log_groups()["logGroups"]
            },
        }

    def delete(self, settled: Settled) -> set[str]:
        """Delete the stack, but for what its policies retain; return the logical ids of that."""
        kept = {name for name, item in settled.resources.items() if item.get("DeletionPolicy", "").startswith("Retain")}
        backend = cloudformation_backends[ACCOUNT][REGION]
        (stack,) = (item for item in backend.stacks.values() if item.name == STACK)
        for name in kept:
            stack.resource_map._parsed_resources.pop(name, None)
            stack.resource_map._resource_json_map.pop(name, None)
        self.cloudformation.delete_stack(StackName=STACK)
        return kept

    def run(self) -> None:
        """Go through the life of the stack."""
        settled = self.send("create_stack")
        unknown = set(settled.left_out.values()) - NOT_MADE
        self.expect(unknown <= UNKNOWN, f"moto does not know {sorted(unknown - UNKNOWN)}: say so in UNKNOWN")
        self.expect(unknown >= UNKNOWN, f"moto knows {sorted(UNKNOWN - unknown)} by now, or the template has none")
        self.check(settled, "create")
        settled = self.send("update_stack", MaxFileMegabytes="17")
        second = self.check(settled, "update")
        prepare = boto3.client("lambda", REGION).get_function_configuration(FunctionName=f"{STACK}-prepare")
        found = str(prepare["Environment"]["Variables"]["MAX_FILE_MEGABYTES"])
        self.expect(found == "17", f"update: MAX_FILE_MEGABYTES is {found}, not 17")
        kept = self.delete(settled)
        for kind, names in self.names().items():
            expected = {second[name] for name in kept if settled.resources[name]["Type"] == kind}
            self.expect(names == expected, f"delete: of {kind} there remain {sorted(names)}, not {sorted(expected)}")

        settled = self.send("create_stack")
        self.check(settled, "second creation")


def main() -> int:
    """Go through the life of the stack and say what is wrong."""
    warnings.filterwarnings("ignore", message="Tried to parse .* not supported by moto")
    logging.disable(logging.WARNING)
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    # moto puts the object where the ARN of a layer belongs.
    LayerVersion.physical_resource_id = property(lambda layer: layer.arn)
    template = transformed(*map(Path, sys.argv[1:]))
    with mock_aws():
        life = Life(template)
        try:
            life.run()
        except Exception as error:  # moto raises what comes up, not what CloudFormation says.
            life.wrong.append(f"{type(error).__name__}: {error}"[:1000])
    for line in life.wrong:
        print(f"moto's CloudFormation: {line}", file=sys.stderr)
    if not life.wrong:
        print("created, updated, deleted and created again by moto's CloudFormation")
    return 1 if life.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
