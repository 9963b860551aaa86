"""Body of a request as text, and what it is announced as."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from predict.refusal import Refusal

JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
# As API Gateway knows them: `x-amazon-apigateway-binary-media-types` of api/openapi.yaml.
BINARY = (ARROW, PARQUET)
# No route takes forms, but curl declares one by default, whatever the body is.
FORM = "application/x-www-form-urlencoded"
# Stands for bytes that are no UTF-8 where something on the way decoded the body.
REPLACED = "\ufffd"


def media_type(headers: Mapping[str, str], taken: Sequence[str] = (JSON,)) -> str:
    """Return the media type of a request's body, the first of `taken` if none is announced.

    Parameters
    ----------
    headers
        as `envelope.headers` returns them
    taken
        media types that are read

    Raises
    ------
    Refusal
        If it is none of `taken`, in another character set than UTF-8, or encoded.
    """
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        detail = f"send the body as it is: Content-Encoding: {encoding[:40]} is not read"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Encoding": "identity"})
    announced = headers.get("content-type", "")
    if announced in taken:
        return announced
    kind, _, rest = announced.partition(";")
    kind = kind.strip().lower()
    if kind in ("", FORM):
        return taken[0]
    parameters = dict(item.strip().lower().partition("=")[::2] for item in rest.split(";"))
    if kind not in taken or parameters.get("charset", "utf-8").strip('"') not in ("utf-8", "utf8", "us-ascii"):
        detail = f"send the body with Content-Type: {' or '.join(taken)}, in UTF-8 where a charset is given"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Post": ", ".join(taken)})
    return kind


def first_accepted(headers: Mapping[str, str]) -> str:
    """Return the first media type of Accept, by which API Gateway decides whether it decodes an answer."""
    return headers.get("accept", "").partition(",")[0].partition(";")[0].strip().lower()


def is_binary(headers: Mapping[str, str]) -> bool:
    """Return whether a request comes or wants to be answered as one of `BINARY`."""
    sent = headers.get("content-type", "")
    if "vnd.apache" not in sent.lower() and "vnd.apache" not in headers.get("accept", "").lower():
        return False
    return sent.partition(";")[0].strip().lower() in BINARY or first_accepted(headers) in BINARY


def raw(event: Mapping[str, Any]) -> bytes:
    """Return the bytes of a body that is one of `BINARY`.

    Raises
    ------
    Refusal
        If it came as text, in which bytes are lost, or is no base64.
    """
    # Imported here: most bodies are text.
    import base64

    if not event.get("isBase64Encoded"):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body came as text: send the bytes of the table")
    try:
        return base64.b64decode(event.get("body") or "", validate=True)
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not base64") from error


def text(event: Mapping[str, Any]) -> str:
    """Return the body of a request, without a byte order mark.

    Raises
    ------
    Refusal
        If it is not UTF-8.
    """
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        # Imported here: API Gateway sends text.
        import base64

        try:
            body = base64.b64decode(body, validate=True).decode()
        except ValueError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not UTF-8: send it as UTF-8") from error
    if REPLACED in body:
        detail = "the body is not UTF-8, or has the character U+FFFD that stands for lost ones: send it as UTF-8"
        raise Refusal(HTTPStatus.BAD_REQUEST, detail)
    return str(body).removeprefix("\ufeff")
