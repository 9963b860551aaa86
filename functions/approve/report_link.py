"""The report of an execution: where it is, and a link for somebody without an account."""

from functools import cache

import boto3
from botocore.config import Config

from slipcast_aws import storage
from slipcast_aws.settings import setting

SECONDS = 900


@cache
def client():
    """Return an S3 client whose links are signed with the version 4 that every region takes."""
    return boto3.client("s3", config=Config(signature_version="s3v4"))


def location(execution: str) -> str | None:
    """Return the URI of the execution's report; None if there is none."""
    uri = f"s3://{setting('DATA_BUCKET')}/reports/{execution}/report.html"
    return uri if storage.exists(uri) else None


def link(execution: str) -> str | None:
    """Return a URL that shows the report for a quarter of an hour; None if there is no report."""
    uri = location(execution)
    if uri is None:
        return None
    bucket, key = storage.split_uri(uri)
    return client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=SECONDS)
