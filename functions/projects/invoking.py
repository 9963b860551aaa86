"""Calls of other functions of the stack, for what their permissions and layers are for."""

import json
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from projects.web import Refusal

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# Within the 29 s of a synchronous answer; sent once, because what is called may have done its work already.
_ONCE = Config(connect_timeout=2, read_timeout=26, retries={"total_max_attempts": 1})


@cache
def client() -> "LambdaClient":
    """Return the Lambda client of this execution environment."""
    return boto3.client("lambda", config=_ONCE)


def invoke(function: str, event: Mapping[str, Any], refused: Mapping[str, HTTPStatus]) -> dict[str, Any]:
    """Return what a function answers.

    Parameters
    ----------
    refused
        name of the class of an exception → status of the refusal that it is

    Raises
    ------
    Refusal
        If the function ends with one of these exceptions.
    RuntimeError
        If it ends with another one.
    """
    found = client().invoke(FunctionName=function, Payload=json.dumps(event).encode())
    result: dict[str, Any] = json.loads(found["Payload"].read())
    if found.get("FunctionError"):
        kind = result.get("errorType", "")
        if kind not in refused:
            raise RuntimeError(f"{function} failed: {kind}")
        raise Refusal(refused[kind], str(result.get("errorMessage", "")))
    return result
