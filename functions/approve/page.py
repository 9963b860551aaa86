"""Answers as HTML pages and as JSON. All values from outside are escaped; the pages have no script."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from http import HTTPStatus
from typing import Any

from approve.decide import LIMITS
from slipcast.release import approval as wording
from slipcast_aws.release.approvals import Approval

STYLE = """
*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:0 auto;padding:1.5rem 1rem 3rem;
color:#1b1f24;background:#fff}h1{font-size:1.4rem;line-height:1.25;margin:0 0 .6rem}h2{font-size:1.05rem;margin:1.8rem 0
.4rem}p{margin:.4rem 0}table{border-collapse:collapse;width:100%}td,th{padding:.35rem .7rem .35rem 0;text-align:left;
vertical-align:top;border-bottom:1px solid #e3e6ea;overflow-wrap:anywhere}th{font-weight:600;color:#57606a}
.facts th{width:9.5rem}.muted{color:#57606a;font-size:.9rem}label{display:block;margin:.9rem 0 0;font-weight:600}
input,textarea{display:block;width:100%;font:inherit;padding:.5rem;margin-top:.2rem;border:1px solid #6e7781;
border-radius:.3rem;background:#fff;color:inherit}.buttons{display:flex;gap:.8rem;flex-wrap:wrap;margin:1.2rem 0}
button{font:inherit;font-weight:600;padding:.6rem 1.4rem;border-radius:.3rem;border:1px solid #b42318;background:#fff;
color:#b42318;cursor:pointer;flex:1 1 9rem}button.yes{background:#1a7f37;border-color:#1a7f37;color:#fff}
a{color:#0550ae}:focus-visible{outline:3px solid #0550ae;outline-offset:2px}
@media(max-width:30rem){.facts th,.facts td{display:block;width:auto;border:0;padding:.2rem 0 0}.facts td{padding:0 0
.3rem;border-bottom:1px solid #e3e6ea}}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
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
    """Content of an answer: title and HTML body for people, a JSON document for programs, further headers."""

    title: str
    body: str
    document: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, status: HTTPStatus, *, as_page: bool) -> dict[str, Any]:
        """Return the answer in the form that API Gateway expects."""
        media = "text/html; charset=utf-8"
        text = (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(self.title)} - Slipcast</title>"
            f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>'
            f"<body><main><h1>{escape(self.title)}</h1>{self.body}</main></body></html>\n"
        )
        if not as_page:
            media = "application/json" if status < HTTPStatus.BAD_REQUEST else "application/problem+json"
            text = json.dumps({"title": self.title, "status": int(status), **self.document})
        return {"statusCode": int(status), "headers": {**HEADERS, **self.headers, "Content-Type": media}, "body": text}


def problem(status: HTTPStatus, detail: str) -> Content:
    """Return the answer to a request that cannot be served."""
    return Content(status.phrase, f"<p>{escape(detail)}</p>", {"detail": detail})


def moved(url: str) -> Content:
    """Return a redirect to `url`."""
    return Content("Found", f'<p><a href="{escape(url)}">Continue</a></p>', {"location": url}, {"Location": url})


def request(approval: Approval, evaluation: Mapping[str, Any], key: str, report: str | None) -> Content:
    """Return the page of a request: the model to release and two buttons; `report` is the URL of its report."""
    facts, figures = wording.facts(evaluation), wording.figures(evaluation)
    rows = "".join(
        f"<tr><td>{escape(row['measure'])}</td><td>{escape(row['challenger'])}</td><td>{escape(row['champion'])}</td></tr>"
        for row in figures
    )
    again = f"<p>It was {approval.status}, but the pipeline could not be notified: send the same decision again.</p>"
    parts = [
        again if approval.status != "pending" else "",
        f"<p>Decide until {escape(wording.moment(approval.expires_at))}. Without a decision nothing is released.</p>",
        _facts(facts),
        "<h2>On the holdout (95 % confidence interval)</h2>",
        f"<table><tr><th>Measure</th><th>This model</th><th>Live model</th></tr>{rows}</table>",
        f'<p><a href="{escape(_here(report))}" rel="noreferrer">Report on this training</a></p>' if report else "",
        "<h2>Your decision</h2>",
        # The address of the answer does not contain the key. Only the query is given: domain, base path and slashes
        # stay.
        '<form method="post" action="?decide" autocomplete="off">'
        # Enter in a field presses the first button of a form: a hidden disabled button keeps it from submitting a
        # decision.
        "<button disabled hidden></button>"
        f'<input type="hidden" name="key" value="{escape(key)}">'
        f'<label>Your name (optional)<input name="name" maxlength="{LIMITS["name"]}" autocomplete="name"></label>'
        f'<label>Comment (optional)<textarea name="comment" rows="3" maxlength="{LIMITS["comment"]}"></textarea>'
        "</label>"
        '<div class="buttons"><button class="yes" name="decision" value="approve">Approve and release</button>'
        '<button name="decision" value="reject">Reject</button></div></form>'
        '<p class="muted">Name, comment, time and network address of the decision are stored with the model.</p>',
    ]
    document = {**_document(approval), "facts": dict(facts), "figures": figures, "report": report}
    return Content("Release this model?", "".join(parts), document)


def expired(approval: Approval) -> Content:
    """Return the page of an expired request."""
    until = wording.moment(approval.expires_at)
    detail = f"Nobody decided until {until}: the live model stays. A new training asks again."
    return Content(
        "This approval has expired",
        f"<p>{escape(detail)}</p>{_facts([('Execution', approval.execution)])}",
        {"detail": detail, **_document(approval), "status_of_approval": "expired"},
    )


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
    return Content(title, f"<p>{escape(detail)}</p>{_facts(facts)}", {"detail": detail, **_document(approval)})


def _here(url: str) -> str:
    """Return a relative address of this page: a query alone, so that domain and path stay as they are."""
    return f"?{url.partition('?')[2]}"


def _facts(facts: list[tuple[str, str]]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in facts)
    return f'<table class="facts">{rows}</table>'


def _document(approval: Approval) -> dict[str, Any]:
    return {
        "execution": approval.execution,
        "status_of_approval": approval.status,
        **{name: getattr(approval, name) for name in ("model_id", "model_sha256", "asked_at", "expires_at")},
        **{name: getattr(approval, name) or None for name in ("decided_at", "by", "comment", "delivery", "outcome")},
    }
