"""Answers as HTML pages and as JSON."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from approve.decide import LIMITS
from slipcast.release import approval as wording
from slipcast.reports.approval import render, style
from slipcast_aws.release.approvals import Approval

_STYLE_HASH = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
    "Vary": "Accept",
}
_CONSEQUENCES = {
    "approved": "The pipeline continues: it checks that the compared model is still live, then it releases.",
    "rejected": "The live model stays.",
}


@dataclass(frozen=True)
class Content:
    """Content of an answer: what the page shows (`slipcast.reports.approval.render`), JSON for programs, headers."""

    title: str
    document: Mapping[str, Any]
    paragraphs: Sequence[str] = ()
    rows: Sequence[tuple[str, str]] = ()
    form: Mapping[str, Any] | None = None
    link: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, status: HTTPStatus, *, as_page: bool) -> dict[str, Any]:
        """Return the answer in the form that API Gateway expects."""
        if as_page:
            media = "text/html; charset=utf-8"
            text = render(self.title, self.paragraphs, self.rows, self.form, self.link)
        else:
            media = "application/json" if status < HTTPStatus.BAD_REQUEST else "application/problem+json"
            text = json.dumps({"title": self.title, "status": int(status), **self.document})
        return {"statusCode": int(status), "headers": {**HEADERS, **self.headers, "Content-Type": media}, "body": text}


def problem(status: HTTPStatus, detail: str) -> Content:
    """Return the answer to a request that cannot be served."""
    return Content(status.phrase, {"detail": detail}, [detail])


def moved(url: str) -> Content:
    """Return a redirect to `url`."""
    return Content("Found", {"location": url}, link=url, headers={"Location": url})


def request(approval: Approval, evaluation: Mapping[str, Any], key: str, report: str | None) -> Content:
    """Return the page of a request: the model to release and two buttons; `report` is the URL of its report."""
    facts, figures = wording.facts(evaluation), wording.figures(evaluation)
    paragraphs = [f"Decide until {wording.moment(approval.expires_at)}. Without a decision nothing is released."]
    if approval.status != "pending":
        paragraphs.insert(
            0, f"It was {approval.status}, but the pipeline could not be notified: send the same decision again."
        )
    form = {"figures": figures, "report": _here(report) if report else None, "key": key, "limits": LIMITS}
    document = {**_document(approval), "facts": dict(facts), "figures": figures, "report": report}
    return Content("Release this model?", document, paragraphs, facts, form)


def expired(approval: Approval) -> Content:
    """Return the page of an expired request."""
    until = wording.moment(approval.expires_at)
    detail = f"Nobody decided until {until}: the live model stays. A new training asks again."
    document = {"detail": detail, **_document(approval), "status_of_approval": "expired"}
    return Content("This approval has expired", document, [detail], [("Execution", approval.execution)])


def decided(approval: Approval, title: str) -> Content:
    """Return the page of a recorded decision."""
    detail = _CONSEQUENCES[approval.status]
    if approval.outcome in ("superseded", "undelivered"):
        detail = f"The outcome is {approval.outcome}: nothing was released. The mail of the execution gives the reason."
    elif approval.delivery == "too_late":
        detail = "The pipeline had stopped waiting when the decision reached it: nothing was released."
    facts = [
        ("Decision", approval.status),
        ("By", approval.by or "a person with the link"),
        ("At", wording.moment(approval.decided_at)),
        ("Comment", approval.comment or "-"),
        ("Execution", approval.execution),
        ("Model", approval.model_id),
        ("SHA-256", approval.model_sha256),
    ]
    return Content(title, {"detail": detail, **_document(approval)}, [detail], facts)


def _here(url: str) -> str:
    """Return a relative address of this page: a query alone, so that domain and path stay as they are."""
    return f"?{url.partition('?')[2]}"


def _document(approval: Approval) -> dict[str, Any]:
    return {
        "execution": approval.execution,
        "status_of_approval": approval.status,
        **{name: getattr(approval, name) for name in ("model_id", "model_sha256", "asked_at", "expires_at")},
        **{name: getattr(approval, name) or None for name in ("decided_at", "by", "comment", "delivery", "outcome")},
    }
