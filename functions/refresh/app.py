"""Refresh: updates the feature store with the history of each project, phase, location, … in the latest dataset."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from refresh.settings import Settings
from slipcast.contracts import DatasetRef, Refreshed
from slipcast.datasets import versions
from slipcast.features import point_in_time
from slipcast.features.point_in_time_table import build_series
from slipcast_aws import scratch, storage
from slipcast_aws.control import datasets
from slipcast_aws.serving import feature_store

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Refreshed:
    """Update the feature store to the latest dataset, whichever dataset the event names.

    Unchanged series are not written again, unless ``{"all": true}`` asks to write all.

    Returns
    -------
    dict[str, Any]
        ``keys``: number of keys in the store; ``written`` and ``deleted``: number of changes
    """
    settings = Settings.from_environment()
    dataset = datasets.latest_dataset(settings.control_table)
    changes: Refreshed = {"keys": 0, "written": 0, "deleted": 0}
    index = f"s3://{settings.data_bucket}/features/index.json.gz"
    before = feature_store.unpack(storage.read_bytes(index)) if storage.exists(index) else {}
    if event.get("all"):
        before = dict.fromkeys(before, "")
    while dataset is not None:
        digests = feature_store.refresh(settings.feature_table, _series(dataset, settings.tolerance_days), before)
        # Written last: an interrupted refresh is repeated in full.
        storage.write_bytes(index, feature_store.pack(digests), "application/gzip")
        changes = {
            "keys": len(digests),
            "written": sum(before.get(key) != digest for key, digest in digests.items()),
            "deleted": len(before.keys() - digests.keys()),
        }
        logger.info(
            "refreshed",
            dataset_id=dataset["dataset_id"],
            keys=changes["keys"],
            written=changes["written"],
            deleted=changes["deleted"],
        )
        latest = datasets.latest_dataset(settings.control_table)
        if latest == dataset:
            break
        # Another file was ingested, and this refresh may have overtaken its refresh: no item can be trusted.
        dataset, before = latest, dict.fromkeys(digests, "")
    return changes


def _series(dataset: DatasetRef, tolerance_days: int) -> dict[str, point_in_time.Series]:
    with scratch.folder() as folder:
        file = folder / "table.parquet"
        storage.download(dataset["uri"], file, sha256=dataset["sha256"])
        table = versions.read_table(file)
    return build_series(table, tolerance_days)
