"""Evidence on each version: prediction log, log of failed requests, and Lambda's error counts."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from itertools import islice, product
from typing import TYPE_CHECKING, Any

import boto3

from slipcast.release.canary import Evidence
from slipcast_aws import storage, waiting
from slipcast_aws.release.versions import ALIAS
from slipcast_aws.serving import prediction_log

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

THREADS = 10
# A delivery is filed under the hour of its first line.
FILED_EARLIER = timedelta(hours=1)
# Required fields of a line; failed requests have no features.
NEEDED = ("request_id", "at", "model_version")
# Maximum age of requests to replay.
DAYS_BACK = 30
OBJECTS_BACK = 2000
# Lambda's metrics and their names in the evidence.
METRICS = {"Errors": "crashed", "Invocations": "invocations"}


@cache
def client() -> "CloudWatchClient":
    """Return the CloudWatch client of this execution environment."""
    return boto3.client("cloudwatch", config=waiting.SEARCHING)


def gather(
    bucket: str, function: str, versions: tuple[str, ...], since: datetime, until: datetime
) -> dict[str, Evidence]:
    """Return the evidence on each of `versions` between two moments, as far as it is logged by now."""
    found = {version: Evidence() for version in versions}
    answered: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _lines(bucket, "prediction-log", since, until):
        if row["model_version"] in found:
            request = answered.setdefault((row["model_version"], row["request_id"]), {"row": row, "scores": {}})
            request["scores"][row["prediction_id"]] = row["score"]
    for (version, _), request in answered.items():
        found[version].scores.append(list(request["scores"].values()))
        if "ms" in request["row"] and not request["row"].get("cold"):
            found[version].milliseconds.append(request["row"]["ms"])
    failures = {
        (row["model_version"], row["request_id"], row["at"]): row["status"]
        for row in _lines(bucket, "failed-requests", since, until)
    }
    for (version, _, _), status in failures.items():
        if version in found and status >= 500:
            found[version].failed += 1
        elif version in found:
            found[version].refused += 1
    for (version, metric), count in _counted(function, versions, since, until).items():
        setattr(found[version], METRICS[metric], count)
    return found


def last_requests(bucket: str, now: datetime, limit: int) -> list[dict[str, Any]]:
    """Return lines of the prediction log, newest objects first, until they hold `limit` requests."""
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for uri in islice(_newest_first(bucket, now), OBJECTS_BACK if limit else 0):
        for row in _rows(uri):
            # If a column is left out, the activity cannot be replayed.
            if row.get("redacted"):
                continue
            rows.append(row)
            seen.add(row["request_id"])
        if len(seen) >= limit:
            break
    return rows


def _newest_first(bucket: str, now: datetime) -> Iterator[str]:
    for back in range(DAYS_BACK):
        day = (now - timedelta(days=back)).date()
        yield from reversed(list(storage.list_uris(f"s3://{bucket}/prediction-log/dt={day.isoformat()}/")))


def _lines(bucket: str, prefix: str, since: datetime, until: datetime) -> Iterator[dict[str, Any]]:
    uris: list[str] = []
    hour = (since - FILED_EARLIER).replace(minute=0, second=0, microsecond=0)
    while hour <= until:
        uris += storage.list_uris(f"s3://{bucket}/{prefix}/{hour:dt=%Y-%m-%d/hour=%H}/", modified_since=since)
        hour += timedelta(hours=1)
    with ThreadPoolExecutor(THREADS) as pool:
        for rows in pool.map(_rows, uris):
            for row in rows:
                if since <= datetime.fromisoformat(row["at"]) <= until:
                    yield row


def _rows(uri: str) -> list[dict[str, Any]]:
    try:
        raw = storage.read_bytes(uri)
    except storage.client().exceptions.NoSuchKey:
        # The monitor has just merged it: the merged object is read now or by the next check.
        return []
    # A batch is not a request, and the monitor quarantines unreadable lines.
    rows, _ = prediction_log.parse(raw, NEEDED)
    return [row for row in rows if row.get("source") != "batch"]


def _counted(function: str, versions: tuple[str, ...], since: datetime, until: datetime) -> dict[tuple[str, str], int]:
    """Return Lambda's own counts of calls through the alias: a call without an answer logs no line."""
    asked = {f"q{number}": pair for number, pair in enumerate(product(versions, METRICS))}
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": identifier,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": "FunctionName", "Value": function},
                        {"Name": "Resource", "Value": f"{function}:{ALIAS}"},
                        {"Name": "ExecutedVersion", "Value": version},
                    ],
                },
                "Period": 60,
                "Stat": "Sum",
            },
        }
        for identifier, (version, metric) in asked.items()
    ]
    # Data points are whole minutes.
    results = client().get_metric_data(
        MetricDataQueries=queries,
        StartTime=since.replace(second=0, microsecond=0),
        EndTime=until + timedelta(minutes=1),
    )["MetricDataResults"]
    return {asked[item["Id"]]: int(sum(item["Values"])) for item in results}
