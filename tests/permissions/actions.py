"""From a call of the AWS SDK to what IAM is asked: action, resource and condition keys.

Actions are those of the Service Authorization Reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name

from permissions.template import ACCOUNT, REGION

# Services whose actions have another prefix than boto3's name of the service.
PREFIXES = {"stepfunctions": "states", "sfn": "states", "eventbridge": "events"}
BOTO = {"sfn": "stepfunctions", "eventbridge": "events"}
# Operations that are asked under other names. An operation that is not here is asked under its own.
ASKED = {
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:ListObjects": ("s3:ListBucket",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:CopyObject": ("s3:GetObject", "s3:PutObject"),
    "s3:UploadPartCopy": ("s3:GetObject", "s3:PutObject"),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:UploadPart": ("s3:PutObject",),
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    # Whoever began an upload may end it; the bucket's lifecycle removes what was left.
    "s3:AbortMultipartUpload": (),
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "sns:PublishBatch": ("sns:Publish",),
    "dynamodb:TransactWriteItems": ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
}
# What boto3 itself makes of several calls.
SDK_METHODS = {
    ("s3", "upload_file"): ("PutObject",),
    ("s3", "upload_fileobj"): ("PutObject",),
    ("s3", "download_file"): ("HeadObject", "GetObject"),
    ("s3", "download_fileobj"): ("HeadObject", "GetObject"),
    ("s3", "copy"): ("HeadObject", "CopyObject"),
}
# A parameter whose name the code does not say.
UNKNOWN = "**"
# No call of AWS.
FREE = {"close", "can_paginate", "get_paginator", "get_waiter", "generate_presigned_url"}


@dataclass(frozen=True)
class Need:
    """What a call needs."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict, hash=False)


@cache
def _model(service: str) -> dict[str, str]:
    """Return the operations of a service by the names of boto3's methods."""
    names = botocore.session.get_session().get_service_model(BOTO.get(service, service)).operation_names
    return {xform_name(name): name for name in names}


@cache
def _waiter(service: str, name: str) -> str:
    session = botocore.session.get_session()
    document = session.get_component("data_loader").load_service_model(BOTO.get(service, service), "waiters-2")
    return next(item["operation"] for waiter, item in document["waiters"].items() if xform_name(waiter) == name)


def operations(service: str, method: str, first: str | None = None) -> tuple[str, ...]:
    """Return the operations behind a method of a boto3 client.

    Parameters
    ----------
    first : the method's first argument where it is text: the name of a paginator, of a waiter, of what is signed
    """
    if method in ("get_paginator", "generate_presigned_url"):
        return (_model(service)[str(first)],)
    if method == "get_waiter":
        return (_waiter(service, str(first)),)
    if method == "generate_presigned_post":
        return ("PutObject",)
    if (service, method) in SDK_METHODS:
        return SDK_METHODS[service, method]
    return (_model(service)[method],)


def actions(service: str, operation: str, given: Mapping[str, Any] | set[str] = frozenset()) -> set[str]:
    """Return the actions that an operation is asked for; `given` are its parameters."""
    prefix = PREFIXES.get(service, service)
    operation = operation[0].upper() + operation[1:]
    found = set(ASKED.get(f"{prefix}:{operation}", (f"{prefix}:{operation}",)))
    if "VersionId" in given:
        found = {f"{action}Version" if action in ("s3:GetObject", "s3:DeleteObject") else action for action in found}
    if operation == "UpdateFunctionConfiguration" and {"Layers", UNKNOWN} & set(given):
        found.add("lambda:GetLayerVersion")
    if operation == "PublishLayerVersion" and "S3Key" in str(given):
        found.add("s3:GetObject")
    return found


def needs(service: str, operation: str, given: Mapping[str, Any]) -> list[Need]:
    """Return what a call with these parameters needs.

    Raises
    ------
    NotImplementedError
        If it is not known here on what the service decides.
    """
    prefix = PREFIXES.get(service, service)
    operation = operation[0].upper() + operation[1:]
    found = sorted(actions(service, operation, given))
    if operation in ("CopyObject", "UploadPartCopy"):
        source = given["CopySource"]
        origin = f"arn:aws:s3:::{source['Bucket']}/{source['Key']}"
        read = "s3:GetObjectVersion" if source.get("VersionId") else "s3:GetObject"
        return [Need(read, origin), Need("s3:PutObject", f"arn:aws:s3:::{given['Bucket']}/{given['Key']}")]
    if prefix == "dynamodb" and "RequestItems" in given:
        return [
            Need(
                found[0], _arn("dynamodb", f"table/{table.rpartition('/')[2]}"), {"dynamodb:LeadingKeys": _keys(asked)}
            )
            for table, asked in given["RequestItems"].items()
        ]
    if operation == "UpdateFunctionConfiguration" and "Layers" in given:
        layers = [Need("lambda:GetLayerVersion", layer) for layer in given["Layers"]]
        return [Need(f"lambda:{operation}", _function(given)), *layers]
    if operation == "PublishLayerVersion":
        content = given["Content"]
        layer = Need("lambda:PublishLayerVersion", _arn("lambda", f"layer:{given['LayerName']}"))
        return [layer, Need("s3:GetObject", f"arn:aws:s3:::{content['S3Bucket']}/{content['S3Key']}")]
    resource, context = RESOURCE_OF[prefix](given) if prefix in RESOURCE_OF else (None, {})
    if resource is None:
        raise NotImplementedError(f"say in tests/permissions/actions.py what {prefix}:{operation} is about")
    return [Need(action, resource, context) for action in found]


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}"


def _s3(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    if "Key" in given:
        return f"arn:aws:s3:::{given['Bucket']}/{given['Key']}", {}
    return f"arn:aws:s3:::{given['Bucket']}", {"s3:prefix": given["Prefix"]} if "Prefix" in given else {}


def _keys(asked: Any) -> list[str]:
    """Return the partition keys of a request, in whatever form they come."""
    if isinstance(asked, list):
        return sorted({key for item in asked for key in _keys(item)})
    if "Keys" in asked:
        return _keys(asked["Keys"])
    for name in ("Key", "Item", "PutRequest", "DeleteRequest"):
        if name in asked:
            return _keys(asked[name])
    value = asked.get("pk") or next(iter(asked.get("ExpressionAttributeValues", {}).values()), None)
    return [] if value is None else [str(next(iter(value.values())) if isinstance(value, dict) else value)]


def _dynamodb(given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return _arn("dynamodb", f"table/{given['TableName']}"), {"dynamodb:LeadingKeys": _keys(given)}


def _function(given: Mapping[str, Any]) -> str:
    name = given["FunctionName"]
    arn = name if name.startswith("arn:") else _arn("lambda", f"function:{name}")
    return f"{arn}:{given['Qualifier']}" if given.get("Qualifier") else arn


def _lambda(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    if "FunctionName" in given:
        return _function(given), {}
    if "LayerName" not in given:
        return None, {}
    version = f":{given['VersionNumber']}" if "VersionNumber" in given else ""
    return _arn("lambda", f"layer:{given['LayerName']}{version}"), {}


def _states(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    # A task token has no resource of its own: IAM decides on the state machine that it came from.
    own = _arn("states", "stateMachine:slipcast-pipeline") if "taskToken" in given else None
    return given.get("executionArn") or given.get("stateMachineArn") or given.get("StateMachineArn") or own, {}


def _topic(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    return given.get("TopicArn"), {}


def _queue(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    return _arn("sqs", given.get("QueueName") or str(given["QueueUrl"]).rpartition("/")[2]), {}


def _unnamed(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    return "*", {}


def _logs(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    return _arn("logs", f"log-group:{given['logGroupName']}:*"), {}


def _secret(given: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    return given["SecretId"], {}


RESOURCE_OF = {
    **{"s3": _s3, "dynamodb": _dynamodb, "lambda": _lambda, "states": _states, "sns": _topic, "sqs": _queue},
    **{"cloudwatch": _unnamed, "logs": _logs, "secretsmanager": _secret},
}
