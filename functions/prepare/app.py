"""Prepare: a dropped file becomes a dataset version, or a refusal with a report; then whether to train is decided.

It is decided again once the execution has the training lease: other files may have been ingested, or another training
may have learned from this one.
"""

from dataclasses import asdict
from typing import Any, Literal

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from prepare import decision as deciding
from prepare import intake, profiles
from prepare.settings import Settings
from slipcast.contracts import DatasetRef, Prepared, Refused, Upload
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.training.retraining import TrainingDecision
from slipcast_aws.control import datasets

logger = Logger()
metrics = Metrics()
# What the function `projects` asks for; it is no part of an execution.
ASKED = {"suggest": profiles.suggest, "save_profile": profiles.save}


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Prepared | Refused | dict[str, Any]:
    """Do ``event["step"]``: ``prepare`` or, with the lease in hand, ``confirm``. Each can be repeated.

    ``suggest`` and ``save_profile`` draft and store a profile (`prepare.profiles`).

    Returns
    -------
    dict[str, Any]
        ``outcome`` (``train``, ``ingested`` or ``refused``) and ``why``; unless refused also ``hold`` (the missing
        condition, see `slipcast.training.retraining.TrainingDecision`), ``reason`` (of the training), ``dataset``
        (reference of its version) and ``upload`` (source, counts, and where the open activities are)
    """
    settings = Settings.from_environment()
    if event.get("step") in ASKED:
        return ASKED[event["step"]](event, settings)
    return {"prepare": _prepare, "confirm": _confirm}[event.get("step", "prepare")](event, settings)


def _prepare(event: dict[str, Any], settings: Settings) -> Prepared | Refused:
    """Validate and version the file in ``event["source"]``; without one, take the latest dataset."""
    upload: Upload | None = None
    if event.get("source") is None:
        dataset = datasets.latest_dataset(settings.control_table)
        if dataset is None:
            return {"outcome": "refused", "why": "there is no dataset yet: drop a schedule under incoming/"}
    else:
        try:
            dataset, upload, measured = intake.ingest(event["source"], event["execution"], settings)
        except ScheduleRefused as refusal:
            return {"outcome": "refused", "why": str(refusal)}
        for name, value in measured.items():
            metrics.add_metric(name, MetricUnit.NoUnit, value)
        if measured:
            metrics.flush_metrics()
    return _answer(deciding.decide(event["reason"], dataset, settings), dataset, upload)


def _confirm(event: dict[str, Any], settings: Settings) -> Prepared:
    """Decide again on the latest dataset, and count the training into the month's budget."""
    dataset: DatasetRef = event["dataset"]
    if dataset["dated"]:
        dataset = datasets.latest_dataset(settings.control_table) or dataset
    decision = deciding.decide(event["reason"], dataset, settings)
    if decision.train:
        decision = deciding.spend(decision, event["execution"], dataset["dataset_id"], settings)
    return _answer(decision, dataset, event["upload"])


def _answer(decision: TrainingDecision, dataset: DatasetRef, upload: Upload | None) -> Prepared:
    answer = asdict(decision)
    outcome: Literal["train", "ingested"] = "train" if answer.pop("train") else "ingested"
    logger.info("decided", outcome=outcome, dataset_id=dataset["dataset_id"], **answer)
    return {
        "outcome": outcome,
        "why": decision.why,
        "hold": decision.hold,
        "reason": decision.reason,
        "dataset": dataset,
        "upload": upload,
    }
