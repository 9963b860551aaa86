"""Whether to train: what the rules need to know, from the control table, the live model and its dataset."""

from datetime import UTC, datetime
from typing import Any

from slipcast.training import retraining
from slipcast.training.retraining import TrainingDecision
from slipcast_aws import storage
from slipcast_aws.control import alarms, datasets, starts
from slipcast_aws.control import table as control
from slipcast_aws.release import versions
from slipcast_aws.settings import number, setting


def decide(reason: str, dataset: dict[str, Any]) -> TrainingDecision:
    """Decide on a training of `dataset` (a reference to its version)."""
    champion, table, now = versions.live_model(setting("PREDICT_FUNCTION")), setting("CONTROL_TABLE"), datetime.now(UTC)
    last = starts.flight(table, now)
    cutoff = control.timestamp(retraining.cooldown_cutoff(now, number("COOLDOWN_MINUTES")))
    return retraining.should_train(
        reason=reason,
        dataset_id=dataset["dataset_id"],
        n_matured=dataset["labels"]["matured"],
        labels_digest=dataset.get("labels_digest"),
        champion_dataset_id=champion and champion.dataset_id,
        champion_labels_digest=champion and _labels_digest(champion.dataset_id),
        train_on_new_data=setting("TRAIN_ON_NEW_DATA") == "true",
        min_matured=int(number("MIN_MATURED_ROWS")),
        dated=dataset["dated"],
        last_training=datasets.last_training(table),
        open_alarms=alarms.open_alarms(table),
        cooling=last is not None and (last.under_way or last.started_at >= cutoff),
    )


def spend(decision: TrainingDecision, execution: str, dataset_id: str) -> TrainingDecision:
    """Count a training into the budget of the month (UTC); a person's start is counted and never refused."""
    month, limit = f"{datetime.now(UTC):%Y-%m}", int(number("RETRAIN_BUDGET"))
    allowed = None if decision.reason == "manual" else limit
    if starts.spend(setting("CONTROL_TABLE"), month=month, execution=execution, limit=allowed):
        return decision
    return retraining.over_budget(month, limit, dataset_id)


def _labels_digest(dataset_id: str) -> str | None:
    uri = f"s3://{setting('DATA_BUCKET')}/datasets/{dataset_id}/manifest.json"
    return storage.read_json(uri).get("labels_digest") if storage.exists(uri) else None
