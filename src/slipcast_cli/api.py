"""Client of a deployed stack's API, in the way that its parameter ApiAuth asks for."""

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError

from slipcast_cli.stack import DeployedStack, StackError

TOKEN = "SLIPCAST_TOKEN"  # noqa: S105
# API Gateway gives up after 29 seconds.
TIMEOUT_SECONDS = 35


@dataclass(frozen=True)
class Answer:
    """Answer of the API.

    Attributes
    ----------
    status
        HTTP status; 0 if there was no answer.
    body
        Parsed JSON, else text.
    """

    status: int
    body: Any


class Api:
    """Client of one stack's API.

    Parameters
    ----------
    stack
        The stack.
    session
        Its credentials read the API key (``api_key``) or sign the requests (``iam``).

    Raises
    ------
    StackError
        If ApiAuth is ``jwt`` and the variable SLIPCAST_TOKEN is not set.
    """

    def __init__(self, stack: DeployedStack, session: boto3.Session | None = None) -> None:
        self.url = stack.api_url()
        self._session = session or boto3.Session()
        self._auth = stack.parameters.get("ApiAuth", "api_key")
        self._headers: dict[str, str] = {}
        if self._auth == "jwt":
            if not os.environ.get(TOKEN):
                raise StackError(
                    f"ApiAuth is jwt and {TOKEN} is not set",
                    f"export {TOKEN}=<a token of the stack's Cognito user pool>",
                )
            self._headers["Authorization"] = os.environ[TOKEN]
        elif self._auth == "api_key":
            client = self._session.client("apigateway")
            self._headers["x-api-key"] = client.get_api_key(apiKey=stack.output("ApiKeyId"), includeValue=True)["value"]

    def post(self, path: str, document: Any) -> Answer:
        """Send a document as JSON and return the answer, whatever its status."""
        return self.ask("POST", path, document)

    def ask(self, method: str, path: str, document: Any = None) -> Answer:
        """Send a request, with a document as JSON or without, and return the answer, whatever its status."""
        body, url = None if document is None else json.dumps(document).encode(), f"{self.url}{path}"
        headers = {"Content-Type": "application/json", **self._headers}
        if self._auth == "iam":
            request = AWSRequest(method=method, url=url, data=body, headers=headers)
            credentials = self._session.get_credentials()
            if credentials is None:
                raise NoCredentialsError()
            SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self._session.region_name).add_auth(request)
            headers = dict(request.headers.items())
        try:
            # The address is the stack's own output.
            with urllib.request.urlopen(  # noqa: S310
                urllib.request.Request(url, body, headers, method=method),  # noqa: S310
                timeout=TIMEOUT_SECONDS,
            ) as answer:
                return Answer(answer.status, _parsed(answer.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _parsed(error.read()))
        except (OSError, ValueError) as error:
            return Answer(0, str(error))


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
