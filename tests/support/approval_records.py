"""What approvals are asked for: an evaluation record in the bucket and the event that the state machine sends."""

from typing import Any

from slipcast_aws import storage

EXECUTION = "new-data-1"
MODEL = {"model_id": "abc123", "sha256": "9" * 64}
EVALUATION_URI = f"s3://data/reports/{EXECUTION}/evaluation.json"
TOKEN = "AQB8-the-token-of-the-task"
METRICS = {"n": 200, "auc": 0.7421, "auc_ci": [0.6501, 0.7912], "brier": 0.1822, "brier_ci": [0.1604, 0.2031]}
CHAMPION_METRICS = {"auc": 0.6, "auc_ci": [0.5, 0.7], "brier": 0.21, "brier_ci": None}


def evaluation(**changes: Any) -> dict[str, Any]:
    """Return the parts of an evaluation record that an approval reads."""
    return {
        **{"execution": EXECUTION, "reason": "new_data", "challenger": "hist_gradient_boosting", "model": MODEL},
        "dataset": {"dataset_id": "d1", "data_date": "2022-12-31"},
        "metrics": METRICS,
        "champion": {"version": "3", "model_id": "old"},
        "champion_metrics": CHAMPION_METRICS,
        "decision": {"release": True, "reasons": ["better than the champion", "all limits are kept"]},
        **changes,
    }


def leave_evaluation(**changes: Any) -> None:
    """Store the evaluation record, as the evaluate function does."""
    storage.write_json(EVALUATION_URI, evaluation(**changes))


def ask_event() -> dict[str, Any]:
    """Return what the state AskApproval sends."""
    head = {"step": "ask", "execution": EXECUTION, "model": MODEL, "evaluation_uri": EVALUATION_URI}
    return {**head, "task_token": TOKEN}


def conclude_event(*, in_time: bool) -> dict[str, Any]:
    """Return what the state ConcludeApproval sends."""
    return {"step": "conclude", "execution": EXECUTION, "in_time": in_time, "why": "better than the champion"}
