"""Monitor: compares the live model's predictions with its training data and with the outcomes known so far.

It also judges every forecast that was given by what is known now.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from monitor import log_reader, outcomes, pending_outcomes, previous_windows, scoreboard
from monitor.settings import Settings
from slipcast import redaction
from slipcast.monitoring import run as monitoring
from slipcast.monitoring.drift_rule import Rule
from slipcast.monitoring.realized_performance import Tolerance
from slipcast_aws import storage
from slipcast_aws.release import versions

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write a record under ``monitoring/`` and the metrics of the window; return the record.

    The scoreboard of the forecasts that were given is written as well, if it is another one than the last time. Before
    the first release there is nothing to compare: the run is counted and its conclusion is ``no_model``.
    """
    settings = Settings.from_environment()
    live = versions.live_model(settings.predict_function)
    if live is None:
        _emit({"MonitorRuns": 1})
        return {"conclusion": "no_model"}
    bucket, now = settings.data_bucket, datetime.now(UTC)
    width = timedelta(hours=settings.monitor_window_hours)
    hidden = redaction.from_text(settings.redact_columns, settings.id_salt)
    rule, profile, recent = _rule(settings), _profile(live.profile_uri, hidden), pending_outcomes.Recent()
    unreadable = log_reader.Unreadable()
    window = monitoring.read(
        log_reader.predictions(bucket, now - width, now, unreadable),
        profile,
        model_version=live.version,
        also=recent.add,
    )
    rows = pending_outcomes.read(bucket, recent, since=now - width, now=now, begin=outcomes.begin_of(live))
    record = monitoring.conclude(
        window,
        profile,
        at=now,
        since=now - width,
        version=live.version,
        model_id=live.model_id,
        realised=outcomes.realised(
            rows,
            live,
            profile,
            control_table=settings.control_table,
            tolerance=Tolerance(gap=settings.calibration_tolerance),
            hidden=hidden,
        ),
        rule=rule,
        earlier=previous_windows.windows(bucket, live.version, now=now, width=width, wanted=rule.of - 1),
        unreadable=unreadable.lines,
    )
    board = scoreboard.update(bucket, settings.control_table, live, now)
    record = replace(record, metrics=record.metrics | board)
    document = record.as_dict()
    # Before the metrics: a run whose record cannot be written must not look like one that went well.
    storage.write_json(f"s3://{bucket}/monitoring/{now:{previous_windows.NAME}}.json", document)
    _emit(record.metrics)
    log_reader.put_together(bucket, now - width, now)
    logger.info("monitored", conclusion=record.conclusion, reasons=record.reasons, n=record.n)
    return document


def _profile(uri: str, hidden: redaction.Redaction) -> dict[str, Any]:
    """Return the profile without the features that are kept out of the log: they cannot be judged."""
    profile = storage.read_json(uri)
    left_out = hidden.left_out()
    kept = {name: found for name, found in profile["features"].items() if name not in left_out}
    document: dict[str, Any] = profile | {"features": kept}
    return document


def _rule(settings: Settings) -> Rule:
    return Rule(
        min_n=settings.drift_min_rows,
        needed=settings.drift_datapoints,
        of=settings.drift_periods,
        false_alarms_per_month=settings.drift_false_alarms,
    )


def _emit(values: dict[str, float]) -> None:
    for name, value in values.items():
        metrics.add_metric(name, MetricUnit.NoUnit, value)
    metrics.flush_metrics()
