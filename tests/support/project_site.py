"""Projects as the pipeline stores them: updates of the annex with its network, and forecasts of its open activities."""

import gzip
import io
import json
import re
import tempfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

import boto3

from slipcast.datasets import network, versions
from slipcast.forecast import serving
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.projects import documents
from slipcast.forecast.projects.documents import Basis, Update
from slipcast.forecast.stage import as_of
from slipcast.ingest.schedule import read_schedule
from slipcast.schedule.network import Key
from slipcast_aws import projects as stored
from support import release_records

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "annex"
DAYS = ("2025-02-28", "2025-08-29", "2026-03-31")
SOURCE = "ps118_annex"
TOLERANCE_DAYS = 30
# Finishes relative to the days that are planned to remain, as forecasts have them: late more often than early.
SHARES = ((0.0, 0.0), (0.5, 0.1), (1.0, 0.4), (1.5, 0.7), (3.0, 0.95), (6.0, 1.0))
REASON = {"feature": "total_float_days", "name": "Total Float in days", "value": "0", "effect": 0.12}


@cache
def read(day: str) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Return all activities and the network by table of an update of the annex, as prepare stores them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "reading").mkdir()
        path = FOLDER / f"{SOURCE}_{day}.xer"
        schedule = read_schedule(path, path.name, workdir=folder / "reading", max_bad_share=0.2)
        rows, _ = network.updates(schedule.network, schedule.network, folder)
        versions.write_dated(schedule.table, folder / "activities.jsonl.gz", folder)
        lines = gzip.decompress((folder / "activities.jsonl.gz").read_bytes()).splitlines()
    tables = {table: [network.stored(row) for row in found] for table, found in rows.items()}
    return [json.loads(line) for line in lines], json.loads(json.dumps(tables))


@cache
def update(day: str, *, linked: bool = True, forecast: bool = True) -> Update:
    """Return an update of the annex as it was scored.

    Parameters
    ----------
    linked
        whether it has its network
    forecast
        whether the model was released with a forecast
    """
    activities, tables = read(day)
    today = date.fromisoformat(day)
    predictions, details = {}, {}
    for activity in activities:
        if activity["actual_finish"] is not None:
            continue
        dated, facts = as_of(activity, today, TOLERANCE_DAYS)
        # An activity that the baseline does not have has no finish in it.
        row = {"to_finish": ((dated["baseline_finish"] or date.max) - today).days}
        remaining = min(max(row["to_finish"], 20), 400)
        finish = FinishDistribution(*zip(*((remaining * share, level) for share, level in SHARES), strict=True))
        key = Key(activity["project_id"], activity["activity_id"])
        stated = (
            serving.stated(finish, row, facts, TOLERANCE_DAYS)
            if forecast
            else serving.forecast(None, {}, facts, TOLERANCE_DAYS, 0.3)
        )
        probability = facts.probability(0.3)
        predictions[key] = {"probability": probability, "at_risk": probability > 0.2, **stated._asdict()}
        if forecast:
            details[key] = Basis(finish, [REASON])
    return Update(
        source=SOURCE,
        data_date=today,
        activities=activities,
        predictions=predictions,
        details=details,
        tables=tables if linked else {},
        model_version="4",
        tolerance_days=TOLERANCE_DAYS,
        quality={"passed": 12, "checks": 14},
    )


def store(bucket: str, day: str) -> None:
    """Store an update of the annex, as score does."""
    found = update(day)
    heads, parts = documents.documents(found, histories=stored.histories(bucket, SOURCE, day))
    record = {"data_date": day, "dataset_version": f"dataset of {day}", "execution": "e", "model_version": "4"}
    stored.store(bucket, SOURCE, record, heads, parts, documents.finished_ratios(found.tables))


class Refusing:
    """Lambda as the SDK shows it: the function prepare, which finds no table in what it is asked for."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        assert FunctionName == "slipcast-prepare"
        return {"Payload": io.BytesIO(b'{"refused": "no row looks like the names of columns"}')}


def app(load_app: Callable[..., ModuleType], bucket: str) -> ModuleType:
    """Return the projects function with two updates of the annex, and a pipeline that never ran."""
    stored.summary.cache_clear()
    stored.directory.cache_clear()
    for day in DAYS[1:]:
        store(bucket, day)
    boto3.client("dynamodb").create_table(
        TableName="control",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    release_records.make_function()
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:slipcast-pipeline"
    environment = {"DATA_BUCKET": bucket, "CONTROL_TABLE": "control", "STATE_MACHINE_ARN": machine}
    environment |= {"PREDICT_FUNCTION": "slipcast-predict", "APPROVE_FUNCTION": "slipcast-approve"}
    environment["PREPARE_FUNCTION"] = "slipcast-prepare"
    environment |= {"TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:slipcast", "PUBLIC_BASE_URL": "https://x.example"}
    loaded = load_app("projects.app", **environment, MAX_FILE_MEGABYTES="1", API_AUTH="api_key")
    from projects import invoking

    invoking.client = Refusing
    return loaded


def routed(projects: ModuleType, event: dict[str, Any]) -> dict[str, Any] | None:
    """Return the event as API Gateway passes it to the projects function; None if the path is another function's."""
    for resource in sorted({route.partition(" ")[2] for route in projects.ROUTES}):
        match = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", resource), event["path"])
        if match:
            parameters = {name: unquote(value) for name, value in match.groupdict().items()}
            return {**event, "resource": resource, "pathParameters": parameters or None}
    return None
