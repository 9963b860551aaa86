"""Idempotent start of the state machine: the same request starts it once."""

import json
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from slipcast_aws import waiting
from trigger.events import Request

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


@cache
def client() -> "SFNClient":
    """Return the Step Functions client of this execution environment."""
    return boto3.client("stepfunctions", config=waiting.QUICK)


def known(state_machine_arn: str, name: str) -> bool:
    """Return whether there is or was an execution `name`."""
    try:
        client().describe_execution(executionArn=_execution_arn(state_machine_arn, name))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return False
    return True


def start(state_machine_arn: str, name: str, request: Request) -> str:
    """Start execution `name`; answer ``duplicate`` if there is or was one of that name, else ``started``."""
    if known(state_machine_arn, name):
        return "duplicate"
    document = {"reason": request.reason, "detail": request.detail, "source": request.source}
    try:
        client().start_execution(stateMachineArn=state_machine_arn, name=name, input=json.dumps(document))
    except ClientError as error:
        # Two deliveries at once: the name decides.
        if error.response["Error"]["Code"] == "ExecutionAlreadyExists":
            return "duplicate"
        raise
    return "started"


def _execution_arn(state_machine_arn: str, name: str) -> str:
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
