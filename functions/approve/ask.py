"""Step ``ask``: store the request, then send the link."""

from datetime import UTC, datetime, timedelta

from approve import mail, report_link
from slipcast.contracts import ApprovalAsked, ApprovalRequest, EvaluationRecord
from slipcast_aws import storage, topic
from slipcast_aws.control import table as control
from slipcast_aws.release import approvals
from slipcast_aws.settings import number, setting


def ask(event: ApprovalRequest) -> ApprovalAsked:
    """Ask for the approval of an execution's model; the state machine waits with ``event["task_token"]``.

    A repeated request replaces key and token: only the latest link is valid.

    Raises
    ------
    slipcast_aws.release.approvals.ClosedError
        If the request was decided in the meantime.
    ValueError
        If the evaluation describes another model.
    """
    now, key, execution = datetime.now(UTC), approvals.new_key(), event["execution"]
    evaluation: EvaluationRecord = storage.read_json(event["evaluation_uri"])
    if evaluation["model"]["sha256"] != event["model"]["sha256"]:
        raise ValueError(f"{event['evaluation_uri']} is about another model than the one to be released: train again")
    approval = approvals.Approval(
        execution=execution,
        status="pending",
        asked_at=control.timestamp(now),
        expires_at=control.timestamp(now + timedelta(hours=number("APPROVAL_HOURS"))),
        evaluation_uri=event["evaluation_uri"],
        model_id=event["model"]["model_id"],
        model_sha256=event["model"]["sha256"],
        task_token=event["task_token"],
        key_sha256=approvals.digest(key),
    )
    approvals.ask(setting("CONTROL_TABLE"), approval)
    address = report_link.page_address(execution, key)
    subject, text = mail.compose(approval, evaluation, address, report_link.location(execution))
    topic.publish(setting("TOPIC_ARN"), subject, text, outcome="approval")
    return {"expires_at": approval.expires_at}
