"""Idempotency-Key: a repeated request gets the first answer, byte for byte, even if the live model has changed.

As in the IETF draft (draft-ietf-httpapi-idempotency-key-header): the same key with another request is answered with
422, with a request that is still in progress with 409. Powertools keeps the answers in DynamoDB. Only a request that
sends the header pays for the AWS SDK, which takes 0.3 s to import.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from predict.contract import RETRY_AFTER_SECONDS
from predict.refusal import Refusal
from predict.settings import settings
from predict.transport import envelope

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
KEPT_SECONDS = 24 * 3600
# An item of DynamoDB has at most 400 KB: the compressed response to a body of this size always fits.
MAX_BODY_BYTES = 256 * 2**10
MAX_ITEM_BYTES = 390_000
# The draft's form is a string of RFC 8941, in quotes; many clients send the key without.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])+)"')
_BARE = re.compile(r"[!-~]+")
_LONGEST = 255


class _NotKept(Exception):
    """Answer that must not be stored, because the next attempt may give another one."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found


def key_of(event: dict[str, Any]) -> str:
    """Return the key of a request that has the header.

    Raises
    ------
    Refusal
        If the header is not one key of 1 to 255 characters.
    """
    several = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    found = [value.strip() for name, values in several.items() if name.lower() == HEADER for value in values]
    if len(found) == 1 and len(found[0]) <= _LONGEST:
        if quoted := _QUOTED.fullmatch(found[0]):
            return re.sub(r"\\(.)", r"\1", quoted[1])
        if _BARE.fullmatch(found[0]) and not found[0].startswith('"'):
            return str(found[0])
    message = f'send one Idempotency-Key of at most {_LONGEST} printable ASCII characters, such as "8e03978e-40d5-43dd"'
    raise Refusal(HTTPStatus.BAD_REQUEST, message)


def answer(event: dict[str, Any], context: Any, key: str, respond: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the answer that was given to `key` before, or the answer of `respond`, which is then stored for 24 hours.

    Refusals of the request are stored like predictions; server errors are not, so that a later attempt can succeed.

    Raises
    ------
    Refusal
        If the key was used for another request, its request is still in progress, the request is too large to be
        stored, or the store does not answer. Without the store nothing is predicted: a repeat could predict again.
    """
    body = event.get("body") or ""
    if len(body.encode("utf-8", "replace")) > MAX_BODY_BYTES:
        message = f"with an Idempotency-Key the body may have {MAX_BODY_BYTES:,} bytes: send fewer activities at once"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
    # Imported here, not in the init phase: most requests have no key.
    from aws_lambda_powertools.utilities.idempotency import IdempotencyConfig, exceptions, idempotent_function

    fresh: list[bool] = []

    def once(*, request: dict[str, str]) -> dict[str, str]:
        found = respond()
        fresh.append(True)
        if found["statusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _NotKept(found)
        return _pack(found)

    config = IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="fingerprint",
        expires_after_seconds=KEPT_SECONDS,
        hash_function="sha256",
        lambda_context=context,
    )
    kept = idempotent_function(
        once,
        data_keyword_argument="request",
        persistence_store=_store(settings().idempotency_table),
        config=config,
        key_prefix="request",
    )
    try:
        found = _unpack(kept(request={"key": f"{envelope.caller(event)} {key}", "fingerprint": _fingerprint(event)}))
    except _NotKept as error:
        return error.found
    except exceptions.IdempotencyValidationError as error:
        message = "this Idempotency-Key was sent with another request before: use a new key for a new request"
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, message) from error
    except exceptions.IdempotencyAlreadyInProgressError as error:
        message = "the request with this Idempotency-Key is still in progress: try again"
        raise Refusal(HTTPStatus.CONFLICT, message, headers={"Retry-After": "1"}) from error
    except exceptions.IdempotencyPersistenceLayerError as error:
        message = "the store of Idempotency-Keys does not answer: try again with the same key"
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, headers={"Retry-After": RETRY_AFTER_SECONDS}) from error
    return found if fresh else found | {"multiValueHeaders": found["multiValueHeaders"] | {REPLAYED: ["true"]}}


@cache
def _store(table: str) -> "DynamoDBPersistenceLayer":
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer
    from botocore.config import Config

    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 3})
    return DynamoDBPersistenceLayer(table, boto_config=config)


def _fingerprint(event: dict[str, Any]) -> str:
    media = [value for name, value in (event.get("headers") or {}).items() if name.lower() == "content-type"]
    query = event.get("multiValueQueryStringParameters") or event.get("queryStringParameters") or {}
    parts = [event.get("path"), query, media, event.get("body")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _pack(found: dict[str, Any]) -> dict[str, str]:
    packed = base64.b64encode(zlib.compress(json.dumps(found).encode(), 9)).decode()
    if len(packed) > MAX_ITEM_BYTES:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the answer is too large to be kept: send fewer activities at once"
        )
    return {"answer": packed}


def _unpack(kept: dict[str, str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(kept["answer"])))
    return document
