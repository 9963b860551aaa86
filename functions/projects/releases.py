"""Releases that wait for the approval of a person, and the decision on one.

The function `approve` records a decision and hands it on to the waiting pipeline, as it does for the link of its mail.
"""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from projects.access import APPROVER, PLANNER, VIEWER, Caller
from projects.invoking import invoke
from projects.offering import Offer
from projects.settings import Settings
from projects.web import Refusal, Request, answer, invalid
from slipcast.release import approval as wording
from slipcast_aws import storage
from slipcast_aws.release import approvals

# Decided requests that are listed.
DECIDED = 10
LONGEST_COMMENT = 1_000
NO_PERSON = (
    "an API key does not say which person decides: decide on the page that the link of the approval mail opens, or set "
    "ApiAuth=jwt or iam"
)
# Class of an error of approve → status of the answer.
_REFUSED: dict[str, HTTPStatus] = {
    "ClosedError": HTTPStatus.CONFLICT,
    "LookupError": HTTPStatus.NOT_FOUND,
    "ValueError": HTTPStatus.UNPROCESSABLE_ENTITY,
    "HandOnError": HTTPStatus.SERVICE_UNAVAILABLE,
    "NotReadyError": HTTPStatus.SERVICE_UNAVAILABLE,
}


def waiting_releases(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the releases that wait for a decision, the earliest first, and the last ones that were decided."""
    caller.require(VIEWER, PLANNER, APPROVER)
    request.known()
    settings, now = Settings.from_environment(), datetime.now(UTC)
    known = approvals.every(settings.control_table)
    pending = sorted((item for item in known if item.decidable(now)), key=lambda item: item.expires_at)
    closed = sorted((item for item in known if not item.decidable(now)), key=lambda item: item.asked_at, reverse=True)
    offer = Offer(request)
    found = {
        "may_decide": APPROVER in caller.roles and settings.api_auth != "api_key",
        "waiting": [_asked(bucket, item, caller, offer) for item in pending],
        "decided": [_closed(item, now) for item in closed[:DECIDED]],
    }
    offer.record()
    return answer(found)


def _asked(bucket: str, item: approvals.Approval, caller: Caller, offer: Offer) -> dict[str, Any]:
    evaluation = storage.read_json(item.evaluation_uri)
    champion = evaluation.get("champion")
    report = f"s3://{bucket}/reports/{item.execution}/report.html"
    return {
        **{name: getattr(item, name) for name in ("execution", "asked_at", "expires_at", "model_id", "model_sha256")},
        "family": evaluation["challenger"],
        "replaces": champion and {name: champion[name] for name in ("version", "model_id")},
        "gate": evaluation["decision"]["reasons"],
        "dataset_id": evaluation["dataset"]["dataset_id"],
        "data_date": evaluation["dataset"].get("data_date"),
        "reason": evaluation["reason"],
        "figures": wording.measured(evaluation),
        # It names activities and projects of every source.
        "report_url": offer.link(report, allowed=caller.sees_all),
    }


def _closed(item: approvals.Approval, now: datetime) -> dict[str, Any]:
    return {
        "execution": item.execution,
        "status": "expired" if item.expired(now) else item.status,
        **{name: getattr(item, name) or None for name in ("decided_at", "by", "comment", "outcome", "model_id")},
    }


def decide(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Approve or reject a release in the name of the caller."""
    caller.require(APPROVER)
    request.known()
    settings, document = Settings.from_environment(), request.body()
    if settings.api_auth == "api_key":
        raise Refusal(HTTPStatus.FORBIDDEN, NO_PERSON)
    for field in document:
        if field not in ("decision", "comment"):
            raise invalid(field[:40], "there is no such field; there are decision, comment")
    decision, comment = document.get("decision"), document.get("comment", "")
    if not isinstance(decision, str) or decision not in approvals.STATUSES:
        raise invalid("decision", f"send one of {', '.join(approvals.STATUSES)}")
    if not isinstance(comment, str) or len(comment) > LONGEST_COMMENT:
        raise invalid("comment", f"send text of at most {LONGEST_COMMENT} characters")
    sent = {
        **{"step": "decide", "execution": request.parameters.get("id", ""), "decision": decision, "comment": comment},
        **{"name": request.person, "source_ip": request.source_ip},
    }
    result = invoke(settings.approve_function, sent, _REFUSED)
    return answer({"execution": sent["execution"], **result})
