"""Signed links to objects in S3, for readers without an AWS account."""

import os
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from slipcast_aws import storage

if TYPE_CHECKING:
    from botocore.config import _S3Dict
    from mypy_boto3_s3 import S3Client

# Without these settings, S3's links name the global endpoint. For regions other than us-east-1 it answers with a
# redirect or with SignatureDoesNotMatch: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
_REGIONAL: "_S3Dict" = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}


def config() -> Config:
    """Return the configuration of a client whose links name bucket and region in the host: every region accepts it.

    A custom endpoint, such as that of the local cloud, has no host for each bucket: there the bucket is in the path.
    """
    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    addressing: _S3Dict = {"addressing_style": "path"} if own else _REGIONAL
    return Config(signature_version="s3v4", s3=addressing)


@cache
def client() -> "S3Client":
    """Return the client of this execution environment that signs."""
    return boto3.client("s3", config=config())


def signed(uri: str, seconds: int) -> str:
    """Return a URL that shows an object for `seconds` from now, at most as long as the credentials that sign it.

    Nothing is asked of S3: the object may be absent.
    """
    bucket, key = storage.split_uri(uri)
    return client().generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)
