"""Score, report and edge, each call to AWS, each fault: what people get is whole, or not there yet."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from faults import worlds
from faults.explore import Scenario
from slipcast.edge import trial
from slipcast.model.artifact import digest
from slipcast.reports import training as training_report
from slipcast_aws import projects, storage
from slipcast_aws.release import versions
from slipcast_aws.serving import feature_store
from support import report_records
from support.edge_records import leave_released_model
from support.monitor_records import record as monitor_record
from support.once import once
from support.scoring_records import model_of_the_example

TOPIC = "arn:aws:sns:us-east-1:123456789012:slipcast"


@pytest.fixture(scope="module", autouse=True)
def computed_once():
    """Those seconds are of what other files test."""
    with once((training_report, "render")):
        yield


@pytest.fixture
def score(load_app, lambda_context, monkeypatch) -> Callable[[bool], Scenario]:
    names = {"DATA_BUCKET": "data", "FEATURE_TABLE": "features", "PREDICT_FUNCTION": "slipcast-predict"}
    app = load_app("score", **names, TOPIC_ARN=TOPIC, REDACT_COLUMNS="", ID_SALT="salt")
    raw = model_of_the_example(0.5)
    uri = "s3://data/models/3/model.json"
    known = {"model_id": "abc123", "profile_uri": "s3://data/x", "dataset_id": "d1"}
    live = versions.LiveModel(version="3", sha256=digest(raw), artefact_uri=uri, **known)
    monkeypatch.setattr(versions, "live_model", lambda function: live)

    def upload(source: str) -> dict[str, Any]:
        """Leave what prepare leaves of the open activities of a source."""
        rows = [
            {
                **{"activity_id": f"{source}{number}", "project_id": "p", "status": "not_started"},
                **{"actual_finish": None, "start": "2023-01-10", "baseline_finish": f"2023-06-{10 + number}"},
            }
            for number in range(3)
        ]
        packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)
        listed = f"s3://data/runs/{source}/open.jsonl.gz"
        found = {"source": source, "data_date": "2022-12-31", "profile": "canonical"}
        found["open"] = {"rows": len(rows), "uri": listed, "sha256": storage.write_bytes(listed, packed)}
        storage.write_json(f"s3://data/sources/{source}/latest.json", found)
        return found

    def make(everything: bool) -> Scenario:
        def arrange() -> Callable[[], Any]:
            worlds.bucket()
            worlds.feature_table()
            boto3.client("sns").create_topic(Name="slipcast")
            storage.write_bytes(uri, raw)
            uploads = [upload(source) for source in ("plan", "site")]
            event = {} if everything else {"upload": uploads[0]}
            return lambda: app.handler(event, lambda_context)

        forget = (app.topic.client.cache_clear, feature_store._cache.clear, projects.summary.cache_clear)
        # The index of projects is small and changes; what it points to has its digest in its name.
        unchecked = ("sources/", "predictions/", projects.INDEX)
        return Scenario("score", arrange, unchecked=unchecked, forget=forget)

    return make


@pytest.fixture
def dropped(score) -> Scenario:
    return score(False)


@pytest.fixture
def anew(score) -> Scenario:
    return score(True)


@pytest.fixture
def training(load_app, lambda_context) -> Scenario:
    app = load_app("report")

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        uri = "s3://data/reports/first/evaluation.json"
        storage.write_json(uri, report_records.record())
        return lambda: app.handler({"evaluation_uri": uri}, lambda_context)

    return Scenario("report", arrange, unchecked=("reports/",))


@pytest.fixture
def monitored(load_app, lambda_context) -> Scenario:
    app = load_app("report")

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        for hour in (6, 7, 8):
            at = datetime(2026, 11, 24, hour, tzinfo=UTC)
            found = monitor_record(at=at.isoformat()).as_dict()
            storage.write_json(f"s3://data/monitoring/{at:%Y-%m-%dT%H-%M-%S}.json", found)
        item = {"bucket": {"name": "data"}, "object": {"key": "monitoring/2026-11-24T08-00-00.json"}}
        return lambda: app.handler({"detail": item}, lambda_context)

    return Scenario("report", arrange, unchecked=("monitoring/",))


@pytest.fixture
def edge(load_app, lambda_context, monkeypatch) -> Scenario:
    app = load_app("edge", DATA_BUCKET="data", MEASURED_ROWS="100")
    # Takes a second and is of the machine, not of the model.
    monkeypatch.setattr(trial, "measure", lambda folder, rows: {"rows": rows})

    def arrange() -> Callable[[], Any]:
        worlds.bucket()
        model = leave_released_model()
        return lambda: app.handler({"model": model, "version": "7"}, lambda_context)

    return Scenario("edge", arrange, unchecked=("models/abc123/0/golden.json",))


CALLS = "one of its calls to AWS"
SAME = "refused or repeated; the same event leads to the same files"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("dropped", marks=pytest.mark.fault("pipeline", "score: a dropped file", CALLS, SAME)),
        pytest.param("anew", marks=pytest.mark.fault("release", "score: all files, by a new model", CALLS, SAME)),
        pytest.param("training", marks=pytest.mark.fault("pipeline", "report: the page of a training", CALLS, SAME)),
        pytest.param("monitored", marks=pytest.mark.fault("watching", "report: the monitor's page", CALLS, SAME)),
        pytest.param("edge", marks=pytest.mark.fault("release", "edge: the bundle", CALLS, SAME)),
    ],
)
def test_after_any_fault_the_same_files_are_there(name, assert_survives, request):
    assert_survives(request.getfixturevalue(name))
