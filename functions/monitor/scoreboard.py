"""Scoreboard of the forecasts that were given: made again when forecasts or outcomes are others than the last time."""

import hashlib
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger

from slipcast.forecast import scoreboard
from slipcast_aws import forecasts, storage
from slipcast_aws.control import datasets
from slipcast_aws.release.versions import LiveModel

logger = Logger(child=True)

# Another number means other fields.
SCHEMA = "slipcast.scoreboard/1"
FOLDER = "reports/scoreboard"


def update(bucket: str, control_table: str, live: LiveModel, now: datetime) -> dict[str, float]:
    """Write ``scoreboard.csv`` and ``scoreboard.json`` below ``reports/scoreboard/`` and return the metrics.

    The page is drawn by the report function, from the JSON.
    """
    dataset = datasets.latest_dataset(control_table)
    objects = forecasts.kept(bucket)
    if dataset is None or not dataset.get("last_seen_uri") or not objects:
        return {}
    name = f"s3://{bucket}/{FOLDER}/scoreboard"
    parts = f"{SCHEMA} {live.model_id} {forecasts.inputs(objects, dataset)}"
    digest = hashlib.sha256(parts.encode()).hexdigest()
    last = _last(f"{name}.json")
    if last.get("inputs") != digest:
        table = forecasts.judged(objects, dataset, lambda uri: logger.warning("no table of forecasts", uri=uri))
        last = scoreboard.document(table, live.model_id)
        last |= {"schema": SCHEMA, "inputs": digest, "at": now.isoformat(), "dataset_id": dataset["dataset_id"]}
        storage.write_bytes(f"{name}.csv", scoreboard.to_csv(last).encode(), "text/csv; charset=utf-8")
        storage.write_json(f"{name}.json", last)
        logger.info("scoreboard written", objects=len(objects), forecasts=len(table))
    values: dict[str, float] = last["metrics"]
    return values


def _last(uri: str) -> dict[str, Any]:
    """Return the scoreboard of an earlier run; an empty one if there is none, or if it is damaged."""
    if not storage.exists(uri):
        return {}
    try:
        document = storage.read_json(uri)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
