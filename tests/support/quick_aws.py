"""What moto and the SDK would work out again for each test: functions of names, settings and descriptions alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import boto3.s3.transfer
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.core.base_backend import BaseBackend
from moto.sns.models import Subscription

# The addresses of a service: several hundred patterns, made again for each request.
_urls = BaseBackend.urls.fget
_known_urls: dict[type, dict[str, Any]] = {}


def _urls_once(backend: BaseBackend) -> dict[str, Any]:
    kind = type(backend)
    if kind not in _known_urls:
        _known_urls[kind] = _urls(backend)
    return _known_urls[kind]


BaseBackend.urls = property(_urls_once)

# The key that signs notifications: 40 ms of processor time for each subscription.
_key: list[rsa.RSAPrivateKey] = []


def _one_key(_: Subscription) -> rsa.RSAPrivateKey:
    if not _key:
        _key.append(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    return _key[0]


Subscription.private_key = _one_key


class WithoutThreads(boto3.s3.transfer.TransferConfig):
    """Settings of a transfer that is not told any: a dozen threads for each file of some kilobytes are not started."""

    def __init__(self) -> None:
        super().__init__(use_threads=False)


# S3Transfer makes the settings if it is given none.
boto3.s3.transfer.TransferConfig = WithoutThreads


@contextmanager
def clients_once() -> Iterator[None]:
    """Let `boto3.client` answer the same question in the same environment with the same client, while a test runs."""
    clients: dict[Any, Any] = {}
    make = boto3.client

    def client(*arguments: str, **named: Any) -> Any:
        known = (sorted(named.items()), sorted(item for item in os.environ.items() if item[0].startswith("AWS_")))
        key = repr((arguments, known))
        if "config" in named or key not in clients:
            clients[key] = make(*arguments, **named)
        return clients[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boto3, "client", client)
        yield
