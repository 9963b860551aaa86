"""template.yaml with its references filled in, and the policies of each role in it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = template()
RESOURCES: dict[str, dict[str, Any]] = TEMPLATE["Resources"]
STACK, REGION, ACCOUNT = "slipcast", "us-east-1", "123456789012"
PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1",
}
# Where a resource's own name stands among its properties.
NAMES = ("FunctionName", "BucketName", "TableName", "QueueName", "TopicName", "LogGroupName", "LayerName", "Name")
ARNS = {
    "AWS::S3::Bucket": "arn:aws:s3:::{name}",
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:{region}:{account}:table/{name}",
    "AWS::SQS::Queue": "arn:aws:sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "arn:aws:sns:{region}:{account}:{name}",
    "AWS::Serverless::Function": "arn:aws:lambda:{region}:{account}:function:{name}",
    "AWS::Serverless::StateMachine": "arn:aws:states:{region}:{account}:stateMachine:{name}",
    "AWS::Logs::LogGroup": "arn:aws:logs:{region}:{account}:log-group:{name}:*",
}
# Whose Ref is the ARN.
ARN_BY_REF = {"AWS::SNS::Topic", "AWS::Serverless::StateMachine"}
NO_VALUE = object()
WEBHOOK = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:webhook-AbCdEf"
# With these the stack has every resource and every policy of the template.
COMPLETE = {"Streaming": "true", "CompositeAlarm": "true", "RegistryWebhookSecretArn": WEBHOOK}


def of_type(*kinds: str) -> dict[str, dict[str, Any]]:
    """Return the resources of some types, by logical id."""
    return {name: resource for name, resource in RESOURCES.items() if resource["Type"] in kinds}


FUNCTIONS = of_type("AWS::Serverless::Function")
MACHINES = of_type("AWS::Serverless::StateMachine")


def folder(function: str) -> Path:
    """Return the folder that holds a function's code."""
    return ROOT / FUNCTIONS[function]["Properties"]["CodeUri"]


def entry(function: str) -> tuple[str, str]:
    """Return module and name of a function's handler."""
    module, _, name = FUNCTIONS[function]["Properties"]["Handler"].rpartition(".")
    return module, name


def function_in(name: str) -> str:
    """Return the logical id of the first function whose code is in ``functions/<name>``."""
    return next(function for function in FUNCTIONS if folder(function).name == name)


class Stack:
    """The template as a stack with some parameters has it.

    Parameters
    ----------
    names : physical names of resources by logical id, where they are not made up
    parameters : of the stack, where they are not those of a complete one
    """

    def __init__(self, names: Mapping[str, str] | None = None, **parameters: str) -> None:
        self.names = dict(names or {})
        self.parameters = {name: str(item.get("Default", "")) for name, item in TEMPLATE["Parameters"].items()}
        self.parameters |= COMPLETE | parameters

    def condition(self, name: str) -> bool:
        """Return whether a condition of the template holds."""
        return self._holds(TEMPLATE["Conditions"][name])

    def exists(self, resource: str) -> bool:
        """Return whether the stack has a resource of the template."""
        return "Condition" not in RESOURCES[resource] or self.condition(RESOURCES[resource]["Condition"])

    def _holds(self, node: Any) -> bool:
        ((kind, value),) = node.items()
        if kind == "Condition":
            return self.condition(value)
        if kind == "Fn::Equals":
            left, right = (self.resolve(item) for item in value)
            return left == right
        if kind == "Fn::Not":
            return not self._holds(value[0])
        together = {"Fn::And": all, "Fn::Or": any}[kind]
        return together(self._holds(item) for item in value)

    def resolve(self, node: Any) -> Any:
        """Return a part of the template with its intrinsic functions carried out."""
        if isinstance(node, list):
            return [item for item in map(self.resolve, node) if item is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((kind, value),) = node.items()
            if kind == "Ref":
                return NO_VALUE if value == "AWS::NoValue" else self.reference(value)
            if kind == "Fn::GetAtt":
                resource, attribute = value.split(".", 1) if isinstance(value, str) else value
                return self.attribute(resource, attribute)
            if kind == "Fn::Sub":
                return self._substituted(value)
            if kind == "Fn::If":
                return self.resolve(value[1] if self.condition(value[0]) else value[2])
            if kind == "Fn::Split":
                return self.resolve(value[1]).split(value[0])
            if kind == "Fn::Select":
                return self.resolve(value[1])[int(value[0])]
            if kind == "Fn::Join":
                return value[0].join(self.resolve(value[1]))
        resolved = {name: self.resolve(value) for name, value in node.items()}
        return {name: value for name, value in resolved.items() if value is not NO_VALUE}

    def _substituted(self, value: Any) -> str:
        text, given = (value, {}) if isinstance(value, str) else value

        def fill(found: re.Match[str]) -> str:
            name = found[1]
            if name in given:
                return self.resolve(given[name])
            return self.attribute(*name.split(".", 1)) if "." in name else self.reference(name)

        return re.sub(r"\$\{([\w:.]+)\}", fill, text)

    def name(self, resource: str) -> str:
        """Return the physical name of a resource."""
        if resource in self.names:
            return self.names[resource]
        properties = RESOURCES[resource].get("Properties", {})
        given = next((properties[key] for key in NAMES if key in properties), None)
        if given is not None:
            return self.resolve(given)
        return f"{STACK}-{resource.lower()}" + (".fifo" if properties.get("FifoQueue") else "")

    def reference(self, name: str) -> str:
        """Return what ``!Ref`` gives."""
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        if RESOURCES.get(name, {}).get("Type") in ARN_BY_REF:
            return self.attribute(name, "Arn")
        return self.name(name) if name in RESOURCES else name

    def attribute(self, resource: str, attribute: str) -> str:
        """Return what ``!GetAtt`` gives."""
        kind = RESOURCES.get(resource, {}).get("Type", "")
        if attribute.endswith("Arn") and kind in ARNS:
            return ARNS[kind].format(name=self.name(resource), region=REGION, account=ACCOUNT)
        if attribute.endswith("Arn"):
            return f"arn:aws:{kind.split('::')[1].lower()}:{REGION}:{ACCOUNT}:{self.name(resource)}"
        if attribute == "QueueName":
            return self.name(resource)
        return f"{self.name(resource)}.{attribute}"

    def statements(self, resource: str) -> list[dict[str, Any]]:
        """Return the statements of a function, state machine or role of its own, with references filled in.

        Raises
        ------
        ValueError
            If a policy is no document: what an AWS managed policy or a SAM policy template grants cannot be judged.
        """
        properties = RESOURCES[resource]["Properties"]
        if "Role" in properties:
            role = properties["Role"]["Fn::GetAtt"]
            role = role.split(".")[0] if isinstance(role, str) else role[0]
            return self.statements(role)
        found = []
        policies = [policy for policy in map(self.resolve, properties.get("Policies", [])) if policy is not NO_VALUE]
        for policy in policies:
            document = policy.get("PolicyDocument", policy) if isinstance(policy, dict) else {}
            if "Statement" not in document:
                raise ValueError(f"{resource}: write the statements of {policy} out, they cannot be judged otherwise")
            found += listed(document["Statement"])
        # SAM's name for the role that it makes of a function's policies.
        role = resource if RESOURCES[resource]["Type"] == "AWS::IAM::Role" else f"{resource}Role"
        for name, item in of_type("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy").items():
            if self.exists(name) and self.reference(role) in self.resolve(item["Properties"].get("Roles", [])):
                found += self.resolve(item["Properties"]["PolicyDocument"])["Statement"]
        return found

    def variables(self, function: str) -> dict[str, str]:
        """Return the environment variables of a function."""
        return self.resolve(FUNCTIONS[function]["Properties"].get("Environment", {}).get("Variables", {}))

    def resource_policies(self, resource: str) -> list[dict[str, Any]]:
        """Return the statements of the policies that stand at a bucket, queue or topic."""
        found = []
        for item in of_type("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy").values():
            properties = item["Properties"]
            at = listed(properties.get("Bucket") or properties.get("Queues") or properties.get("Topics"))
            if {"Ref": resource} in at:
                found += self.resolve(properties["PolicyDocument"])["Statement"]
        return found


@cache
def named_by(variable: str, function: str) -> str | None:
    """Return the logical id of the bucket, table, topic, … that an environment variable of a function names."""
    value = FUNCTIONS[function]["Properties"].get("Environment", {}).get("Variables", {}).get(variable)
    if isinstance(value, dict):
        for key in ("Ref", "Fn::GetAtt"):
            name = value.get(key, "")
            name = name.split(".")[0] if isinstance(name, str) else name[0]
            if name in RESOURCES:
                return name
    return None


def listed(value: Any) -> list:
    """Return a list as it is, anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def pairs(statements: list[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield action, resource and condition of what is allowed."""
    for statement in statements:
        if statement["Effect"] == "Allow":
            for action in listed(statement["Action"]):
                for resource in listed(statement["Resource"]):
                    yield action, resource, statement.get("Condition", {})
