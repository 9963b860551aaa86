"""MLflow's webhook for its model registry: whether a delivery is genuine, and what it says.

https://mlflow.org/docs/latest/ml/webhooks: an HMAC over delivery id, time and body, as Standard Webhooks have it.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import NamedTuple

ALIAS = "champion"
# Deliveries are signed when they are sent, and repeated within seconds.
MAX_AGE_SECONDS = 300
_DELIVERY, _VERSION = re.compile(r"[A-Za-z0-9-]{8,64}"), re.compile(r"[0-9]{1,9}")


class WebhookError(ValueError):
    """Delivery that is not accepted.

    Attributes
    ----------
    status
        HTTP status of the answer; the message may be shown to the sender
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Envelope(NamedTuple):
    """Headers of a delivery.

    Attributes
    ----------
    delivery
        its id, which a repetition has too
    timestamp
        seconds since 1970, as text
    signature
        ``v1,`` and the HMAC in base 64
    """

    delivery: str
    timestamp: str
    signature: str


def envelope(headers: Mapping[str, str], now: float) -> Envelope:
    """Return the headers of a delivery, whose names are in lower case.

    Raises
    ------
    WebhookError
        If one is missing, or the delivery is not of the last minutes.
    """
    found = Envelope(*(headers.get(f"x-mlflow-{name}", "") for name in ("delivery-id", "timestamp", "signature")))
    if not (_DELIVERY.fullmatch(found.delivery) and found.timestamp.isascii() and found.timestamp.isdigit()):
        raise WebhookError(401, "this is no signed delivery of MLflow: give the webhook a secret")
    if abs(now - int(found.timestamp[:12])) > MAX_AGE_SECONDS:
        raise WebhookError(401, "the delivery is too old, or a clock is wrong")
    return found


def moved(sent: Envelope, body: bytes, secret: str, model: str) -> str | None:
    """Return the version of the registered model `model` that the alias was given to; None for any other event.

    Raises
    ------
    WebhookError
        If the signature is not that of `secret`, or the body is none of MLflow's.
    """
    signed = f"{sent.delivery}.{sent.timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    if not hmac.compare_digest(f"v1,{base64.b64encode(digest).decode()}".encode(), sent.signature.encode()):
        raise WebhookError(401, "the signature is wrong: compare the secret of the webhook with that of the stack")
    try:
        document = json.loads(body)
        event, data = (document["entity"], document["action"]), document["data"]
        if event != ("model_version_alias", "created") or (data["name"], data["alias"]) != (model, ALIAS):
            return None
        version = str(data["version"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise WebhookError(400, "the body is no event of MLflow's registry") from None
    if not _VERSION.fullmatch(version):
        raise WebhookError(400, "the version is no number")
    return version
