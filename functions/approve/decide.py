"""Decision of a person: recorded first, then sent to the waiting execution."""

import re
from datetime import UTC, datetime
from typing import Any

from slipcast_aws.release import approvals
from slipcast_aws.settings import setting

LIMITS = {"name": 100, "comment": 1000}
# Control characters and characters that change the text direction could make a record read as something else.
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


def decide(
    approval: approvals.Approval, fields: dict[str, Any], *, via: str, source_ip: str = ""
) -> approvals.Approval:
    """Record ``fields["decision"]`` with ``name`` and ``comment`` and notify the execution; return the record.

    Raises
    ------
    ValueError
        If a field is not valid.
    slipcast_aws.release.approvals.ClosedError
        If the request is already closed.
    slipcast_aws.release.approvals.HandOnError
        If the decision is recorded, but the execution may not have received it.
    """
    decision = fields.get("decision")
    if not isinstance(decision, str) or decision not in approvals.STATUSES:
        raise ValueError(f"decision is to be one of {', '.join(approvals.STATUSES)}")
    text = {name: _text(fields.get(name) or "", name) for name in LIMITS}
    person = {"by": text["name"], "comment": text["comment"], "via": via, "source_ip": source_ip}
    table = setting("CONTROL_TABLE")
    decided = approvals.decide(table, approval, decision, now=datetime.now(UTC), **person)
    return approvals.hand_on(table, decided)


def invoked(event: dict[str, Any]) -> dict[str, Any]:
    """Step ``decide``: a decision by a caller that may invoke this function; IAM replaces the key.

    The function `projects` is one: it knows the person by a token or a signature.

    Raises
    ------
    LookupError
        If the execution did not ask for an approval.
    ValueError
        If ``name`` is missing: a role alone does not say which person decided.
    """
    approval = approvals.read(setting("CONTROL_TABLE"), event["execution"])
    if approval is None:
        raise LookupError(f"execution {event['execution']} asked for no approval")
    if not event.get("name"):
        raise ValueError("name is missing: say who decides")
    decided = decide(approval, event, via="invoke", source_ip=event.get("source_ip") or "")
    return {"status": decided.status, "delivery": decided.delivery, "decided_at": decided.decided_at}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is to be text")
    cleaned = UNSEEN.sub(" ", value).strip()
    if len(cleaned) > LIMITS[name]:
        raise ValueError(f"{name} has {len(cleaned)} characters, {LIMITS[name]} are allowed: shorten it")
    return cleaned
