"""Train: searches the grid of one candidate family and stores the fitted pipeline."""

import io
from typing import Any

import joblib
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast import candidates, dataset
from slipcast.feature_table import feature_table
from slipcast.search import search
from slipcast_aws import storage
from slipcast_aws.settings import number, setting

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Search one family on the training table and return where its model and its scores are.

    Returns
    -------
    ``family``, ``model`` (URI and SHA-256 of the joblib file), ``best_params``, ``cv`` (score of each parameter
    point), ``seconds``
    """
    candidate = next(item for item in candidates.load_candidates() if item.name == event["family"])
    labelled = dataset.from_bytes(storage.read_bytes(event["train"]["uri"], sha256=event["train"]["sha256"]))
    result = search(candidate, feature_table(labelled), labelled, seed=int(number("RANDOM_SEED")))
    buffer = io.BytesIO()
    joblib.dump(result.model, buffer, compress=3)
    prefix = f"s3://{setting('DATA_BUCKET')}/runs/{event['execution']}/candidates/{candidate.name}"
    model = {
        "uri": f"{prefix}/model.joblib",
        "sha256": storage.write_bytes(f"{prefix}/model.joblib", buffer.getvalue()),
    }
    summary = {
        "family": candidate.name,
        "model": model,
        "best_params": result.best_params,
        "cv": result.cv,
        "seconds": result.seconds,
    }
    storage.write_json(f"{prefix}/result.json", summary)
    logger.info("trained", family=candidate.name, best_params=result.best_params, seconds=result.seconds)
    return summary
