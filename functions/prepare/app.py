"""Prepare: a dropped file becomes a dataset version, or a refusal with a report; then whether to train is decided."""

from typing import Any

import intake
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast import retraining
from slipcast.ingest.refusal import ScheduleRefused
from slipcast_aws import control, releases
from slipcast_aws.settings import number, setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Validate and version the file in ``event["source"]``; without one, take the latest dataset.

    Returns
    -------
    ``outcome`` (``train``, ``ingested`` or ``refused``), ``why``, and unless refused ``dataset`` (a reference to its
    version) and ``upload`` (source, counts, and where the open activities are)
    """
    upload = None
    if event.get("source") is None:
        dataset = control.latest_dataset(setting("CONTROL_TABLE"))
        if dataset is None:
            return {"outcome": "refused", "why": "there is no dataset yet: drop a schedule under incoming/"}
    else:
        try:
            dataset, upload = intake.take_in(event["source"], event["execution"])
        except ScheduleRefused as refusal:
            return {"outcome": "refused", "why": str(refusal)}
    champion = releases.live_model(setting("PREDICT_FUNCTION"))
    decision = retraining.should_train(
        reason=event["reason"],
        dataset_id=dataset["dataset_id"],
        n_matured=dataset["labels"]["matured"],
        champion_dataset_id=champion and champion.dataset_id,
        train_on_new_data=setting("TRAIN_ON_NEW_DATA") == "true",
        min_matured=int(number("MIN_MATURED_ROWS")),
        dated=dataset["dated"],
    )
    logger.info("prepared", dataset_id=dataset["dataset_id"], train=decision.train, why=decision.why)
    outcome = "train" if decision.train else "ingested"
    return {"outcome": outcome, "why": decision.why, "dataset": dataset, "upload": upload}
