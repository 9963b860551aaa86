"""Monitor: compares the live model's predictions of the last days with its training profile and reports metrics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import log_reader
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast import monitoring
from slipcast_aws import releases, storage
from slipcast_aws.settings import number, setting

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write a report under ``monitoring/`` and the metrics of the window; return the report.

    Before the first release there is nothing to compare: the run is counted and its state is ``no_model``.
    """
    live = releases.live_model(setting("PREDICT_FUNCTION"))
    if live is None:
        _emit({"MonitorRuns": 1})
        return {"state": "no_model"}
    bucket, now = setting("DATA_BUCKET"), datetime.now(UTC)
    since = now - timedelta(hours=number("MONITOR_WINDOW_HOURS"))
    unreadable = log_reader.Unreadable()
    asked = (item for item in log_reader.predictions(bucket, since, now, unreadable) if item.get("source") != "batch")
    report = monitoring.summarise(
        asked,
        storage.read_json(live.profile_uri),
        model_version=live.version,
        min_n=int(number("DRIFT_MIN_ROWS")),
    )
    _emit(monitoring.metrics(report) | ({"LogLinesUnreadable": unreadable.lines} if unreadable.lines else {}))
    record = {"at": now.isoformat(), "since": since.isoformat(), "version": live.version, **report.as_dict()}
    storage.write_json(f"s3://{bucket}/monitoring/{now:%Y-%m-%dT%H-%M-%S}.json", record)
    log_reader.put_together(bucket, since, now)
    logger.info("monitored", state=report.state, n=report.n)
    return record


def _emit(values: dict[str, float]) -> None:
    for name, value in values.items():
        metrics.add_metric(name, MetricUnit.NoUnit, value)
    metrics.flush_metrics()
