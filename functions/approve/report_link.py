"""Location of an execution's report, and a signed link for readers without an AWS account."""

import os
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

import boto3
from botocore.config import Config

from slipcast_aws import storage
from slipcast_aws.settings import setting

if TYPE_CHECKING:
    from botocore.config import _S3Dict
    from mypy_boto3_s3 import S3Client

SECONDS = 900
# Without these settings, S3's links name the global endpoint. For regions other than us-east-1 it answers with a
# redirect or with SignatureDoesNotMatch: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
_REGIONAL: "_S3Dict" = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}


@cache
def client() -> "S3Client":
    """Return an S3 client whose links name bucket and region in the host, which every region accepts.

    A custom endpoint, such as that of the local cloud, has no host for each bucket: there the bucket is in the path.
    """
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    addressing: _S3Dict = {"addressing_style": "path"} if own else _REGIONAL
    return boto3.client("s3", config=Config(signature_version="s3v4", s3=addressing))


def location(execution: str) -> str | None:
    """Return the URI of the execution's report; None if there is none."""
    uri = f"s3://{setting('DATA_BUCKET')}/reports/{execution}/report.html"
    return uri if storage.exists(uri) else None


def page_address(execution: str, key: str) -> str:
    """Return the address of the approval page, whose holder may decide."""
    return f"{setting('PUBLIC_BASE_URL').rstrip('/')}/approvals/{quote(execution, safe='')}?key={key}"


def signed(execution: str) -> str | None:
    """Return a URL of S3 that shows the report for `SECONDS` from now; None if there is no report.

    It expires with the credentials that sign it, those of this execution environment. So it is made when somebody opens
    the report, and is never stored.
    """
    uri = location(execution)
    if uri is None:
        return None
    bucket, key = storage.split_uri(uri)
    return client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=SECONDS)
