"""Page of a monitor run with the timeline of earlier runs, and the dashboard's metrics of the run."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from slipcast.contracts import ReportAnswer
from slipcast.reports.monitoring import advice, render
from slipcast_aws import storage

PREFIX = "monitoring/"
NAME = "%Y-%m-%dT%H-%M-%S"
# Length of the timeline and number of its points: each record holds the scores of all days of its window.
BACK = timedelta(days=90)
POINTS = 90
THREADS = 10

logger = Logger()
metrics = Metrics()


def draw(uri: str) -> ReportAnswer:
    """Write the page of the record at `uri` next to it, and publish drift and live version for the dashboard."""
    record = storage.read_json(uri)
    _tell(record)
    # Records older than this schema have other fields, and a run without a conclusion has no page.
    if not str(record.get("schema", "")).startswith("slipcast.monitor/2") or not advice.concluded(record):
        return {"report_uri": None}
    page = render(record, _earlier(uri, record)).encode()
    report_uri = f"{uri.removesuffix('.json')}.html"
    storage.write_bytes(report_uri, page, "text/html; charset=utf-8")
    logger.info("page written", report_uri=report_uri, bytes=len(page))
    return {"report_uri": report_uri}


def _tell(record: dict[str, Any]) -> None:
    if str(record.get("version") or "").isdigit():
        metrics.add_metric("ModelVersion", MetricUnit.NoUnit, int(record["version"]))
        metrics.flush_metrics()
    if not record.get("drift") or "features" not in (record["drift"] or {}):
        return
    features = sorted(record["drift"]["features"].items(), key=lambda item: -item[1]["psi"])
    words = [f"{name} {item['psi']:.3f}{' (drifted)' if item['drifted'] else ''}" for name, item in features]
    first, second, third = [*words, "", "", ""][:3]
    logger.info("moved", conclusion=record["conclusion"], first=first, second=second, third=third)


def _earlier(uri: str, record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return earlier records, evenly spaced; unreadable ones are left out."""
    bucket, key = storage.split_uri(uri)
    since = datetime.fromisoformat(record["at"]) - BACK
    keys = [name for name in _keys(bucket, f"{PREFIX}{since:{NAME}}", key) if name.endswith(".json")]
    step = max(1, len(keys) // POINTS)
    wanted = keys[::-1][::step][:POINTS]
    with ThreadPoolExecutor(THREADS) as pool:
        found = pool.map(lambda name: _read(f"s3://{bucket}/{name}"), wanted)
        return [item for item in found if item is not None and item.get("schema") == record["schema"]]


def _keys(bucket: str, after: str, before: str) -> Iterator[str]:
    pages = storage.client().get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket, Prefix=PREFIX, StartAfter=after):
        for item in page.get("Contents", []):
            if item["Key"] >= before:
                return
            yield item["Key"]


def _read(uri: str) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] | None = storage.read_json(uri)
        return document
    except ValueError:
        logger.warning("a record of the monitor is not JSON: it is left out", uri=uri)
        return None
