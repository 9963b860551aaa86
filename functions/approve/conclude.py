"""Step ``conclude``: outcome of the release after the wait for approval, and its record."""

from datetime import UTC, datetime

from slipcast.contracts import ApprovalConcluded, ApprovalConclusion
from slipcast.release import approval as wording
from slipcast_aws import storage
from slipcast_aws.control import audit
from slipcast_aws.release import approvals
from slipcast_aws.release import versions as releases
from slipcast_aws.settings import setting
from slipcast_aws.tracking import outbox

RECORDED = ("asked_at", "expires_at", "decided_at", "by", "comment", "via", "source_ip", "delivery", "evaluation_uri")


def conclude(event: ApprovalConclusion) -> ApprovalConcluded:
    """Close the request, check that the champion is still the one of the evaluation, and write a record.

    The control table decides: a callback without a recorded approval releases nothing.

    Returns
    -------
    dict[str, Any]
        ``release`` (bool), ``outcome`` and ``why``, which starts with ``event["why"]`` if the model is released
    """
    execution, table, bucket = event["execution"], setting("CONTROL_TABLE"), setting("DATA_BUCKET")
    closed = approvals.close(table, execution)
    champion = storage.read_json(closed.evaluation_uri)["champion"]
    live = releases.live_model(setting("PREDICT_FUNCTION"))
    versions = {"champion": champion and champion["version"], "live": live and live.version}
    outcome = wording.outcome(closed.status, in_time=event["in_time"], **versions)
    approvals.conclude(table, execution, outcome=outcome, in_time=event["in_time"])
    closed = approvals.existing(table, execution)
    uri = f"s3://{bucket}/reports/{execution}/approval.json"
    record = {
        **{"execution": execution, "outcome": outcome, "status": closed.status, **versions},
        **{"model_id": closed.model_id, "model_sha256": closed.model_sha256},
        **{name: getattr(closed, name) for name in RECORDED},
    }
    record["why"] = wording.sentence(record)
    storage.write_json(uri, record)
    outbox.put(bucket, f"{execution}-3-approval", {**record, "kind": "approval", "approval_uri": uri})
    # Dated by the decision, so that a repeat of this step writes the same entry.
    at = datetime.fromisoformat(closed.decided_at or closed.expires_at).astimezone(UTC)
    entry = {"what": "approval", "execution": execution, "outcome": outcome, "detail": record["why"]}
    audit.audit(table, identity=f"{execution}-approval", record=entry, now=at)
    why = f"{event['why']}; {record['why']}" if outcome == "approved" else record["why"]
    return {"release": outcome == "approved", "outcome": outcome, "why": why}
