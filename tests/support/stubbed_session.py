"""A boto3 session whose clients answer what a test says, checked against botocore's models on the way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.credentials import Credentials
from botocore.stub import ANY, Stubber

REGION, ACCOUNT = "eu-central-1", "123456789012"

__all__ = ["ACCOUNT", "ANY", "REGION", "StubbedSession", "stubbed"]


class StubbedSession:
    """A session with clients that never reach a network: what is not stubbed is an error."""

    def __init__(self, region: str | None = REGION) -> None:
        self.region_name = region
        self._real = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name=region or REGION)
        self._clients: dict[str, tuple[Any, Stubber]] = {}

    def client(self, service: str, **_: Any) -> Any:
        return self._of(service)[0]

    def get_credentials(self) -> Credentials:
        return self._real.get_credentials()

    def get_available_regions(self, service: str, **options: Any) -> list[str]:
        return self._real.get_available_regions(service, **options)

    def get_partition_for_region(self, region: str) -> str:
        return self._real.get_partition_for_region(region)

    def answers(self, service: str, operation: str, response: dict[str, Any], **expected: Any) -> "StubbedSession":
        """Let the next call of an operation answer; `expected` are its parameters if they matter."""
        self._of(service)[1].add_response(operation, response, expected or None)
        return self

    def refuses(
        self, service: str, operation: str, code: str, message: str = "no", status: int = 400
    ) -> "StubbedSession":
        """Let the next call of an operation fail as the service fails."""
        self._of(service)[1].add_client_error(operation, code, message, status)
        return self

    def _of(self, service: str) -> tuple[Any, Stubber]:
        if service not in self._clients:
            client = self._real.client(service)
            stubber = Stubber(client)
            stubber.activate()
            self._clients[service] = client, stubber
        return self._clients[service]

    def all_asked(self) -> None:
        """Raise if an answer was not asked for."""
        for _, stubber in self._clients.values():
            stubber.assert_no_pending_responses()


@contextmanager
def stubbed(**options: Any) -> Iterator[StubbedSession]:
    """A session whose answers must all be asked for."""
    session = StubbedSession(**options)
    yield session
    session.all_asked()
