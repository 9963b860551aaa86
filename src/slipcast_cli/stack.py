"""Deployed stack: its outputs, parameters and resources, read from CloudFormation."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import boto3
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient


class Clients(Protocol):
    """Maker of clients: a session of boto3, or the local cloud."""

    def client(self, service_name: Literal["cloudformation"], /) -> "CloudFormationClient":
        """Return a client of CloudFormation."""
        ...


class StackError(Exception):
    """The stack is missing or cannot be used.

    Parameters
    ----------
    remedy
        what to do
    """

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


@dataclass(frozen=True)
class DeployedStack:
    """Description of a stack by CloudFormation."""

    name: str
    status: str
    outputs: dict[str, str]
    parameters: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    def output(self, key: str) -> str:
        """Return an output.

        Raises
        ------
        StackError
            If the stack has no such output: it is not a stack of Slipcast, or older than this command.
        """
        if key not in self.outputs:
            raise StackError(
                f"stack {self.name} has no output {key}",
                "name a stack that was deployed from this template, and bring it up to date with make deploy",
            )
        return self.outputs[key]

    def api_url(self) -> str:
        """Return the URL of the API: the output ApiUrl, or the emulator of AWS_ENDPOINT_URL."""
        if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
            return f"{endpoint}/restapis/{self.output('ApiId')}/{self.output('ApiStage')}/_user_request_"
        return self.output("ApiUrl")


def describe(name: str, session: Clients | None = None) -> DeployedStack | None:
    """Return a stack in any state; None if there is none of that name."""
    try:
        stacks = (session or boto3).client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no specific error code for a missing stack.
        if error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return _read(stacks[0]) if stacks else None


def find(name: str, session: Clients | None = None) -> DeployedStack:
    """Return a stack that is in use.

    Raises
    ------
    StackError
        If it does not exist, or was never created or is being deleted.
    """
    stack = describe(name, session)
    if stack is None:
        raise StackError(
            f"there is no stack {name} in this account and region", "name it with STACK=<name>, or make deploy"
        )
    if stack.status.startswith(("DELETE_", "ROLLBACK_", "CREATE_FAILED", "REVIEW_")):
        raise StackError(
            f"stack {name} is in state {stack.status} {stack.reason}".rstrip(),
            f"look at aws cloudformation describe-stack-events --stack-name {name}, then make deploy",
        )
    return stack


def resources(name: str, session: boto3.Session | None = None) -> list[Mapping[str, Any]]:
    """Return the resources of a stack, with ``LogicalResourceId``, ``PhysicalResourceId`` and ``ResourceType``."""
    pages = (session or boto3).client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=name)
    return [item for page in pages for item in page["StackResourceSummaries"]]


def _read(item: Mapping[str, Any]) -> DeployedStack:
    return DeployedStack(
        name=item["StackName"],
        status=item["StackStatus"],
        reason=item.get("StackStatusReason", ""),
        outputs={each["OutputKey"]: each["OutputValue"] for each in item.get("Outputs", [])},
        parameters={each["ParameterKey"]: each.get("ParameterValue", "") for each in item.get("Parameters", [])},
    )
