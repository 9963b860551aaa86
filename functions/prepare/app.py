"""Prepare: a dropped file becomes a dataset version, or a refusal with a report; then whether to train is decided."""

from typing import Any

import intake
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast import retraining
from slipcast.validation import ScheduleRefused
from slipcast_aws import releases, storage
from slipcast_aws.settings import number, setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Validate and version the file in ``event["source"]``; without one, take the latest dataset.

    Returns
    -------
    ``outcome`` (``train``, ``ingested`` or ``refused``), ``why``, and unless refused ``dataset`` (its manifest with
    the URI of its table)
    """
    bucket, source = setting("DATA_BUCKET"), event.get("source")
    if source is None:
        latest = f"s3://{bucket}/datasets/latest.json"
        if not storage.exists(latest):
            return {"outcome": "refused", "why": "there is no dataset yet: drop a schedule CSV under incoming/"}
        dataset = storage.read_json(latest)
    else:
        upload = intake.fetch(source)
        try:
            dataset = intake.take_in(bucket, upload, event["execution"])
        except ScheduleRefused as refusal:
            intake.record_refusal(bucket, upload, event["execution"], refusal)
            return {"outcome": "refused", "why": str(refusal)}
    champion = releases.live_model(setting("PREDICT_FUNCTION"))
    decision = retraining.should_train(
        reason=event["reason"],
        dataset_id=dataset["dataset_id"],
        n_matured=dataset["labels"]["matured"],
        champion_dataset_id=champion and champion.dataset_id,
        train_on_new_data=setting("TRAIN_ON_NEW_DATA") == "true",
        min_matured=int(number("MIN_MATURED_ROWS")),
    )
    logger.info("prepared", dataset_id=dataset["dataset_id"], train=decision.train, why=decision.why)
    return {"outcome": "train" if decision.train else "ingested", "why": decision.why, "dataset": dataset}
