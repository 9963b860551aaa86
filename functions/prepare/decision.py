"""Decision whether to train: facts for the rules, from the control table, the live model and its dataset."""

from datetime import UTC, datetime

from prepare.settings import Settings
from slipcast.contracts import DatasetRef
from slipcast.training import retraining
from slipcast.training.retraining import TrainingDecision
from slipcast_aws import storage
from slipcast_aws.control import alarms, datasets, starts
from slipcast_aws.control import table as control
from slipcast_aws.release import versions


def decide(reason: str, dataset: DatasetRef, settings: Settings) -> TrainingDecision:
    """Decide on a training of `dataset` (a reference to its version)."""
    table, now = settings.control_table, datetime.now(UTC)
    champion = versions.live_model(settings.predict_function)
    last = starts.flight(table, now)
    cutoff = control.timestamp(retraining.cooldown_cutoff(now, settings.cooldown_minutes))
    return retraining.should_train(
        reason=reason,
        dataset_id=dataset["dataset_id"],
        n_matured=dataset["labels"]["matured"],
        labels_digest=dataset.get("labels_digest"),
        champion_dataset_id=champion.dataset_id if champion else None,
        champion_labels_digest=_labels_digest(settings.data_bucket, champion.dataset_id) if champion else None,
        train_on_new_data=settings.train_on_new_data,
        min_matured=settings.min_matured_rows,
        dated=dataset["dated"],
        last_training=datasets.last_training(table),
        open_alarms=alarms.open_alarms(table),
        cooling=last is not None and (last.under_way or last.started_at >= cutoff),
    )


def spend(decision: TrainingDecision, execution: str, dataset_id: str, settings: Settings) -> TrainingDecision:
    """Count a training into the budget of the month (UTC); a person's start is counted and never refused."""
    month = f"{datetime.now(UTC):%Y-%m}"
    allowed = None if decision.reason == "manual" else settings.retrain_budget
    if starts.spend(settings.control_table, month=month, execution=execution, limit=allowed):
        return decision
    return retraining.over_budget(month, settings.retrain_budget, dataset_id)


def _labels_digest(bucket: str, dataset_id: str) -> str | None:
    uri = f"s3://{bucket}/datasets/{dataset_id}/manifest.json"
    digest: str | None = storage.read_json(uri).get("labels_digest") if storage.exists(uri) else None
    return digest
