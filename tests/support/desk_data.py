"""The project API without a stack: the real function over documents that the domain stores of the example schedules."""

import gzip
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import numpy as np
from moto import mock_aws

from slipcast.datasets import network, versions
from slipcast.forecast import batch
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.projects import documents
from slipcast.forecast.projects.documents import Basis, Update
from slipcast.forecast.reasons import Explainer, described
from slipcast.ingest.schedule import read_schedule
from slipcast.metrics.curves import curves
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.schedule.engine import schedule as computed
from slipcast.schedule.network import Key
from slipcast.schedule.quality import assess
from slipcast.schedule.tables import network_of
from slipcast_aws import storage
from slipcast_aws.control import audit, releases
from slipcast_aws.control import table as control
from slipcast_aws.release import approvals
from support import approval_records, monitor_records
from support.forecast_models import forecast_json, with_forecast
from support.serving_cases import fitted

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ANNEX = "ps118_annex"
FILES = {
    ANNEX: sorted((EXAMPLES / "annex").glob("*.xer")),
    "p6_bronx": sorted((EXAMPLES / "exports").glob("p6_bronx_*.xer")),
    "p6_highbridge": sorted((EXAMPLES / "exports").glob("p6_highbridge_*.xml")),
    "msproject_canarsie": sorted((EXAMPLES / "exports").glob("msproject_canarsie_*.xml")),
}
BUCKET = "data"
EXECUTION = approval_records.EXECUTION
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "DATA_BUCKET": BUCKET,
    "API_AUTH": "api_key",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    # Of paths that no test here asks for.
    "CONTROL_TABLE": "control",
    "STATE_MACHINE_ARN": "arn:aws:states:us-east-1:000000000000:stateMachine:slipcast-pipeline",
    "MAX_FILE_MEGABYTES": "100",
    "MAX_BYTES": "100000000",
    "PREDICT_FUNCTION": "slipcast-predict",
    "APPROVE_FUNCTION": "slipcast-approve",
    "PREPARE_FUNCTION": "slipcast-prepare",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:slipcast",
    "PUBLIC_BASE_URL": "https://x.example/v1",
}
# Below the stage, as api/openapi.yaml names them.
PATHS = (
    "/projects",
    "/projects/{id}",
    "/projects/{id}/activities",
    "/projects/{id}/activities/{activity_id}",
    "/projects/{id}/activities/{activity_id}/lineage",
    "/projects/{id}/forecast",
    "/projects/{id}/updates",
    "/projects/{id}/compare",
    "/projects/{id}/what-if",
    "/projects/{id}/scenarios",
    "/projects/{id}/scenarios/{scenario_id}",
    "/monitoring",
    "/releases",
    "/releases/{id}/decision",
)


class Portfolio:
    """Projects of the example schedules, stored in a bucket of moto's, and the function that answers for them.

    Parameters
    ----------
    files
        updates of each source, the earliest first
    """

    def __init__(self, files: Mapping[str, Sequence[Path]]) -> None:
        self.files = files
        self._mock = mock_aws()

    def __enter__(self) -> "Portfolio":
        self._before = {name: os.environ.get(name) for name in ENVIRONMENT}
        os.environ.update(ENVIRONMENT)
        self._mock.start()
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        from slipcast_aws import projects as stored

        for source, paths in self.files.items():
            for path in paths:
                update = scored(path, source)
                day = update.data_date.isoformat()
                histories = stored.histories(BUCKET, source, day)
                heads, parts = documents.documents(update, stored.finished(BUCKET, source), histories)
                record = {"data_date": day, "dataset_version": path.stem, "execution": "e", "model_version": "4"}
                record |= {"file": {"uri": f"s3://{BUCKET}/incoming/{path.name}", "version_id": "v1"}}
                stored.store(BUCKET, source, record, heads, parts, documents.finished_ratios(update.tables))
        _leave_live_model()
        return self

    def __exit__(self, *_: object) -> None:
        self._mock.stop()
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    def api(self, method: str, parts: list[str], query: dict[str, str], body: Any) -> tuple[int, Any] | None:
        """Answer a request as the stack does: by the function `projects`."""
        from projects import app

        for path in PATHS:
            names = path.strip("/").split("/")
            if len(names) == len(parts) and all(a == b or a[0] == "{" for a, b in zip(names, parts, strict=True)):
                break
        else:
            return None
        event = {
            "httpMethod": method,
            "resource": path,
            "pathParameters": {a[1:-1]: b for a, b in zip(names, parts, strict=True) if a[0] == "{"} or None,
            "queryStringParameters": query or None,
            "headers": {"content-type": "application/json"},
            "body": json.dumps(body) if body else None,
            "requestContext": {"requestId": "r-1"},
        }
        context = SimpleNamespace(
            aws_request_id="r-1", function_name="projects", memory_limit_in_mb=512, invoked_function_arn="arn"
        )
        found = app.handler(event, context)
        return found["statusCode"], json.loads(found["body"])

    def get(self, *parts: str, **query: str) -> Any:
        """Return a document."""
        answer = self.api("GET", list(parts), query, None)
        assert answer is not None
        assert answer[0] == 200, answer
        return answer[1]


def _leave_live_model() -> None:
    """Leave a live version as a release does, and what evaluate, monitor and notify wrote of it."""
    functions = boto3.client("lambda")
    if functions.list_functions()["Functions"]:
        # Of a portfolio that is served at the same time.
        return
    role = boto3.client("iam").create_role(RoleName="predict", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    model = {"MODEL_ID": "46563b0165b1", "MODEL_SHA256": "9" * 64, "MODEL_TRAINED_AT": "2026-04-01T06:12:00+00:00"}
    model |= {"MODEL_URI": "s3://data/models/m", "MODEL_PROFILE_URI": "s3://data/models/p", "MODEL_DATASET_ID": "d1"}
    functions.create_function(
        FunctionName=ENVIRONMENT["PREDICT_FUNCTION"],
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": b"code"},
        Environment={"Variables": {**model, "MODEL_EXECUTION": EXECUTION}},
    )
    storage.write_bytes(f"s3://{BUCKET}/reports/e/intake.html", b"<!doctype html>", "text/html")
    version = functions.publish_version(FunctionName=ENVIRONMENT["PREDICT_FUNCTION"])["Version"]
    functions.create_alias(FunctionName=ENVIRONMENT["PREDICT_FUNCTION"], Name="live", FunctionVersion=version)
    boto3.client("dynamodb").create_table(
        TableName=ENVIRONMENT["CONTROL_TABLE"],
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    kept: Any = {"previous": "3", "execution": EXECUTION, "model": {**model, "MODEL_EXECUTION": EXECUTION}}
    releases.put_release(ENVIRONMENT["CONTROL_TABLE"], "4", kept)
    generator = np.random.default_rng(1)
    probability = generator.beta(1.2, 2.5, 700)
    late = generator.random(700) < probability
    evaluation = approval_records.evaluation(
        execution=EXECUTION,
        curves=curves(late, probability),
        forecast={"histogram": [0.11, 0.09, 0.1, 0.12, 0.08, 0.1, 0.1, 0.09, 0.1, 0.11]},
        prior={"brier": 0.231},
    )
    storage.write_json(approval_records.EVALUATION_URI, evaluation)
    now = datetime.now(UTC)
    monitored = {**monitor_records.record().as_dict(), "at": now.isoformat()}
    storage.write_json(f"s3://{BUCKET}/monitoring/{now:%Y-%m-%dT%H-%M-%S}.json", monitored)
    for key in (f"reports/{EXECUTION}/report.html", f"monitoring/{now:%Y-%m-%dT%H-%M-%S}.html"):
        storage.write_bytes(f"s3://{BUCKET}/{key}", b"<!doctype html>", "text/html")
    held = {"p10": (0.12, 0.09, 0.16), "p50": (0.47, 0.42, 0.52), "p80": (0.78, 0.74, 0.82), "p90": (0.88, 0.85, 0.91)}
    total = {
        key: value
        for name, (share, low, high) in held.items()
        for key, value in (
            *((f"{name}_held", share), (f"{name}_low", low), (f"{name}_high", high), (f"{name}_judged", 412)),
        )
    }
    storage.write_json(f"s3://{BUCKET}/reports/scoreboard/scoreboard.json", {"total": total})
    for days, reason, outcome in ((40, "new_data", "released"), (9, "alarm", "kept")):
        record = {"what": "pipeline", "execution": EXECUTION, "reason": reason, "outcome": outcome, "dataset_id": "d1"}
        record |= {"version": "1"} if outcome == "released" else {"detail": "not better than the live model"}
        audit.audit("control", identity=reason, record=record, now=now - timedelta(days=days))
    wait_for_approval(now)


def wait_for_approval(now: datetime) -> None:
    """Store a request for the approval of a model, as the state AskApproval leaves it."""
    asked = approvals.Approval(
        execution=EXECUTION,
        status="pending",
        asked_at=control.timestamp(now),
        expires_at=control.timestamp(now + timedelta(hours=72)),
        evaluation_uri=approval_records.EVALUATION_URI,
        model_id=approval_records.MODEL["model_id"],
        model_sha256=approval_records.MODEL["sha256"],
        key_sha256=approvals.digest("key"),
    )
    approvals.ask(ENVIRONMENT["CONTROL_TABLE"], asked)


@cache
def released() -> bytes:
    """Return a small model as a release stores it."""
    metadata = {"model_id": "example", "dataset_id": "example", "tolerance_days": 30}
    family = "logistic_regression"
    return export(fitted(family, 0)[0], family=family, threshold=1 / 3, metadata=metadata)


def scored(path: Path, source: str) -> Update:
    """Return an update as prepare reads it and score judges it, by small models."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "reading").mkdir()
        schedule = read_schedule(path, path.name, workdir=folder / "reading", max_bad_share=0.2)
        tables, _ = network.updates(schedule.network, schedule.network, folder)
        versions.write_dated(schedule.table, folder / "activities.jsonl.gz", folder)
        lines = gzip.decompress((folder / "activities.jsonl.gz").read_bytes()).splitlines()
    activities = [json.loads(line) for line in lines]
    linked = json.loads(json.dumps({name: [network.stored(row) for row in rows] for name, rows in tables.items()}))
    day = max(date.fromisoformat(row["data_date"]) for row in activities)
    document = json.loads(forecast_json())
    forecaster = Forecaster(document)
    explainer = Explainer(document, forecaster)
    raw = with_forecast(released())
    details: dict[Key, Basis] = {}

    def keep(activity: Mapping[str, Any], detail: batch.Detail) -> None:
        limit = detail.features["to_finish"] + 30
        parts = explainer.reasons(detail.features, detail.facts.stage, limit, detail.judged)
        said = [item._asdict() for item in described(parts, detail.features, detail.judged)] if parts else []
        details[Key(activity["project_id"], activity["activity_id"])] = Basis(detail.finish, said)

    rows = batch.score(
        [activity for activity in activities if activity["actual_finish"] is None],
        scorer.load(raw, digest(raw)),
        lambda chunk, _: [{**activity, "history": {}} for activity in chunk],
        data_date=day,
        model_version="4",
        forecaster=forecaster,
        explained=0,
        detail=keep,
    )
    found = network_of(linked)
    checks = [check.passed for check in assess(found, computed(found)) if check.passed is not None]
    return Update(
        source=source,
        data_date=day,
        activities=activities,
        predictions={Key(row["project_id"], row["activity_id"]): row for row in rows},
        details=details,
        tables=linked,
        model_version="4",
        tolerance_days=30,
        quality={"passed": sum(checks), "checks": len(checks)},
    )
