"""The topic that people subscribe to."""

from functools import cache
from typing import TYPE_CHECKING

import boto3

from slipcast_aws import waiting

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


@cache
def client() -> "SNSClient":
    """Return the SNS client of this execution environment."""
    return boto3.client("sns", config=waiting.QUICK)


def publish(topic: str, subject: str, text: str, *, outcome: str) -> None:
    """Publish a message; subscriptions filter by its attribute ``outcome``."""
    client().publish(
        TopicArn=topic,
        Subject=subject,
        Message=text,
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": outcome}},
    )
