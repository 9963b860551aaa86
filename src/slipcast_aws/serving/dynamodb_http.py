"""DynamoDB's BatchGetItem by the standard library alone.

Importing the AWS SDK and creating its client takes 0.3 s of a cold start, most of it for other services. The
environment of a function has everything that this call needs: region and credentials of its role. Other cases are left
to the SDK: see `Reader.from_environment`.
"""

import base64
import hashlib
import hmac
import http.client
import json
import os
import random
import ssl
import time
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

TARGET = "DynamoDB_20120810.BatchGetItem"
MEDIA_TYPE = "application/x-amz-json-1.0"
ATTEMPTS = 4
TIMEOUT_SECONDS = 3
# Error codes with status 400 that can be retried (Developer Guide, "Error handling with DynamoDB").
_BUSY = ("ProvisionedThroughputExceeded", "RequestLimitExceeded", "Throttling")
# Settings of the SDK that change the connection.
_CONNECTION = ("AWS_CA_BUNDLE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "HTTPS_PROXY", "https_proxy")
# Regions of the partition `aws`; other partitions have other host names, which the SDK knows.
_COMMERCIAL = ("us-east-", "us-west-", "eu-", "ap-", "ca-", "sa-", "me-", "af-", "il-", "mx-")


class DirectReadError(RuntimeError):
    """DynamoDB refused, or did not answer."""


class Credentials(NamedTuple):
    """Credentials of a role."""

    access_key: str
    secret_key: str
    token: str


class Reader:
    """Reader of items, for one thread; its connection stays open between requests."""

    def __init__(self, endpoint: str, region: str, credentials: Credentials) -> None:
        parts = urlsplit(endpoint)
        self._host, self._region, self._credentials = parts.netloc, region, credentials
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(parts.netloc, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Reader | None":
        """Return a reader if the environment has a role's credentials; None if the SDK is needed.

        With SnapStart the credentials are elsewhere and are renewed; those of a person have no token.
        """
        region = environment.get("AWS_REGION", "")
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        endpoint = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get("AWS_ENDPOINT_URL")
        if not all(environment.get(name) for name in names) or any(environment.get(name) for name in _CONNECTION):
            return None
        if not endpoint and not region.startswith(_COMMERCIAL):
            return None
        endpoint = endpoint or f"https://dynamodb.{region}.amazonaws.com"
        return cls(endpoint, region, Credentials(*(environment[name] for name in names)))

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same as the SDK's method of this name; attributes of type B are bytes.

        Raises
        ------
        DirectReadError
            If DynamoDB refuses the request, or does not answer in `ATTEMPTS` attempts.
        """
        body = json.dumps({"RequestItems": RequestItems}).encode()
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311 - so that callers do not come together
            try:
                return _bytes(self._ask(body))
            except (OSError, http.client.HTTPException, _Busy) as error:
                self._connection.close()
                failure = error
        raise DirectReadError(f"no answer in {ATTEMPTS} attempts: {type(failure).__name__} {failure}") from failure

    def _ask(self, body: bytes) -> dict[str, Any]:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self._connection.request("POST", "/", body, headers(self._host, self._region, self._credentials, body, moment))
        response = self._connection.getresponse()
        raw = response.read()
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and int(checksum) != zlib.crc32(raw):
            raise _Busy("the answer does not have its checksum")
        if response.status == 200:
            document: dict[str, Any] = json.loads(raw)
            return document
        try:
            code = str(json.loads(raw)["__type"]).rpartition("#")[2]
        except (ValueError, KeyError, TypeError):
            code = ""
        refusal = f"{response.status} {code or response.reason}"
        if response.status >= 500 or code.startswith(_BUSY):
            raise _Busy(refusal)
        raise DirectReadError(f"{refusal}: {raw[:300].decode(errors='replace')}")


class _Busy(Exception):
    """Error that can be retried."""


def headers(host: str, region: str, credentials: Credentials, body: bytes, moment: str) -> dict[str, str]:
    """Return the headers of a request for `body`, signed by Signature Version 4.

    Parameters
    ----------
    moment
        now, as ``20260131T120000Z``

    Notes
    -----
    IAM User Guide, "Create a signed AWS API request". A test compares with the SDK's own signature.
    """
    signed = {
        "content-type": MEDIA_TYPE,
        "host": host,
        "x-amz-date": moment,
        "x-amz-security-token": credentials.token,
        "x-amz-target": TARGET,
    }
    names = ";".join(signed)
    lines = "".join(f"{name}:{value}\n" for name, value in signed.items())
    request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{moment[:8]}/{region}/dynamodb/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {**signed, "authorization": authorization}


def _bytes(answer: dict[str, Any]) -> dict[str, Any]:
    for items in answer.get("Responses", {}).values():
        for item in items:
            for value in item.values():
                if "B" in value:
                    value["B"] = base64.b64decode(value["B"])
    return answer
