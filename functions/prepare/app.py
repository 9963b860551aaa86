"""Prepare: a dropped file becomes a dataset version, or a refusal with a report; then whether to train is decided.

It is decided again once the execution has the training lease: other files may have come in, or another training may
have learned from this one.
"""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from prepare import decision as deciding
from prepare import intake
from slipcast.ingest.refusal import ScheduleRefused
from slipcast_aws.control import datasets
from slipcast_aws.settings import setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Carry out ``event["step"]``: ``prepare`` or, with the lease in hand, ``confirm``. Each can be repeated.

    Returns
    -------
    ``outcome`` (``train``, ``ingested`` or ``refused``), ``why``, ``hold`` (what it would take, see
    `slipcast.training.retraining.TrainingDecision`), ``reason`` (what the training answers), and unless refused
    ``dataset`` (a reference to its version) and ``upload`` (source, counts, and where the open activities are)
    """
    return {"prepare": _prepare, "confirm": _confirm}[event.get("step", "prepare")](event)


def _prepare(event: dict[str, Any]) -> dict[str, Any]:
    """Validate and version the file in ``event["source"]``; without one, take the latest dataset."""
    upload = None
    if event.get("source") is None:
        dataset = datasets.latest_dataset(setting("CONTROL_TABLE"))
        if dataset is None:
            return {"outcome": "refused", "why": "there is no dataset yet: drop a schedule under incoming/"}
    else:
        try:
            dataset, upload = intake.take_in(event["source"], event["execution"])
        except ScheduleRefused as refusal:
            return {"outcome": "refused", "why": str(refusal)}
    return _answer(deciding.decide(event["reason"], dataset), dataset, upload)


def _confirm(event: dict[str, Any]) -> dict[str, Any]:
    """Decide anew on what is the latest dataset by now, and count the training into the month's budget."""
    dataset = event["dataset"]
    if dataset["dated"]:
        dataset = datasets.latest_dataset(setting("CONTROL_TABLE")) or dataset
    decision = deciding.decide(event["reason"], dataset)
    if decision.train:
        decision = deciding.spend(decision, event["execution"], dataset["dataset_id"])
    return _answer(decision, dataset, event["upload"])


def _answer(decision: Any, dataset: dict[str, Any], upload: dict[str, Any] | None) -> dict[str, Any]:
    answer = asdict(decision)
    outcome = "train" if answer.pop("train") else "ingested"
    logger.info("decided", outcome=outcome, dataset_id=dataset["dataset_id"], **answer)
    return {"outcome": outcome, **answer, "dataset": dataset, "upload": upload}
