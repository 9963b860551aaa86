"""HTTP interface: GET shows a request, POST decides it; pages for people, JSON for programs."""

import base64
import json
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from aws_lambda_powertools import Logger

from approve import decide, page, report_link
from slipcast_aws import storage
from slipcast_aws.control import audit
from slipcast_aws.release import approvals
from slipcast_aws.settings import setting

logger = Logger()
MAX_BODY = 16_384
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,80}")
NOT_FOUND = (
    "There is nothing to approve at this address. A link that is cut off or was replaced by a later mail ends here."
)


class Refusal(Exception):
    """Refused request: answered with a status and one sentence only."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def answer(event: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answer to a request and the fields that may be logged: no key, no token, no user input."""
    headers = {name.lower(): value or "" for name, value in (event.get("headers") or {}).items()}
    accepted = headers.get("accept", "")
    as_page = "text/html" in accepted or not ("application/json" in accepted or _is_json(headers))
    # Use the path parameter extracted by API Gateway, not the path itself.
    execution = (event.get("pathParameters") or {}).get("id") or ""
    try:
        status, content = _respond(event, headers, execution)
    except Refusal as refusal:
        status, content = refusal.status, page.problem(refusal.status, refusal.detail)
    except Exception:
        logger.exception("unexpected error")
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        content = page.problem(
            status, "Unexpected error. In half a minute the link shows whether a decision is needed still."
        )
    note = {"method": event.get("httpMethod"), "status": int(status)}
    if IDENTIFIER.fullmatch(execution) and status != HTTPStatus.NOT_FOUND:
        note["execution"] = execution
    return content.response(status, as_page=as_page), note


def _respond(event: dict[str, Any], headers: dict[str, str], execution: str) -> tuple[HTTPStatus, page.Content]:
    query = event.get("queryStringParameters") or {}
    posted = event.get("httpMethod") == "POST"
    fields = _fields(event, headers) if posted else {}
    key = fields.get("key") or query.get("key")
    if not IDENTIFIER.fullmatch(execution) or not isinstance(key, str):
        raise Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND)
    approval = approvals.find(setting("CONTROL_TABLE"), execution, key)
    if approval is None:
        raise Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND)
    if posted:
        return _decide(approval, fields, event)
    if approval.expired(datetime.now(UTC)):
        return HTTPStatus.GONE, page.expired(approval)
    if not approval.decidable(datetime.now(UTC)):
        return HTTPStatus.OK, page.decided(approval, "This release has been decided")
    if query.get("show") == "report":
        # Signed now, not when the page was made: a page may stay open longer than a signature is valid.
        url = report_link.signed(execution)
        if url is None:
            raise Refusal(HTTPStatus.NOT_FOUND, "This training has no report.")
        _record_download(event, execution)
        return HTTPStatus.FOUND, page.moved(url)
    evaluation = storage.read_json(approval.evaluation_uri)
    there = report_link.location(execution) is not None
    report = f"{report_link.page_address(execution, key)}&show=report" if there else None
    return HTTPStatus.OK, page.request(approval, evaluation, key, report)


def _record_download(event: dict[str, Any], execution: str) -> None:
    context = event.get("requestContext") or {}
    record = {"what": "download", "outcome": "offered", "detail": report_link.location(execution)}
    # The link says of nobody who opens it.
    record |= {"identity": f"link of the approval {execution}"}
    record |= {"source_ip": (context.get("identity") or {}).get("sourceIp")}
    audit.audit(setting("CONTROL_TABLE"), identity=context.get("requestId") or execution, record=record)


def _decide(
    approval: approvals.Approval, fields: dict[str, Any], event: dict[str, Any]
) -> tuple[HTTPStatus, page.Content]:
    identity = (event.get("requestContext") or {}).get("identity") or {}
    try:
        decided = decide.decide(approval, fields, via="link", source_ip=identity.get("sourceIp") or "")
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"Nothing was decided: {error}.") from error
    except approvals.ClosedError as closed:
        found = closed.approval
        if found.expired(datetime.now(UTC)):
            return HTTPStatus.GONE, page.expired(found)
        if found.status == "pending":
            raise Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND) from closed
        return HTTPStatus.CONFLICT, page.decided(found, "This release had been decided before")
    except approvals.HandOnError as error:
        logger.warning("the decision could not be handed on", detail=str(error))
        raise Refusal(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Your decision is recorded, but the pipeline could not be notified. Open the link again and send the "
            "same decision once more.",
        ) from None
    if decided.delivery == "too_late":
        return HTTPStatus.GONE, page.decided(decided, "Your decision came too late")
    return HTTPStatus.OK, page.decided(decided, "Your decision is recorded")


def _is_json(headers: dict[str, str]) -> bool:
    return headers.get("content-type", "").split(";")[0].strip().lower() == "application/json"


def _fields(event: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    raw = (event.get("body") or "").encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {MAX_BODY} bytes.")
    try:
        text = (base64.b64decode(raw, validate=True) if event.get("isBase64Encoded") else raw).decode("utf-8")
        if _is_json(headers):
            fields = json.loads(text)
            if not isinstance(fields, dict):
                raise ValueError
            return fields
        return {name: values[0] for name, values in parse_qs(text, max_num_fields=20).items()}
    except (ValueError, RecursionError):
        raise Refusal(
            HTTPStatus.BAD_REQUEST, "The body is neither the form of the page nor a JSON object in UTF-8."
        ) from None
