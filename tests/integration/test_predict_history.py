"""The serving function looks point-in-time features up by key; without the store it answers all the same."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from permissions.template import FUNCTIONS
from slipcast.datasets import labels
from slipcast.features.point_in_time import HISTORY
from slipcast.features.point_in_time_table import build_series, history_table
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from slipcast_aws.serving import dynamodb_http, feature_store
from support.schedules import example

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("activity_id", "activity_name", "project_id", "phase", "work_type", "location")
METADATA = {
    **{"model_id": "abc123", "dataset_id": "0123456789abcdef", "data_date": "2022-12-31"},
    **{"family": "decision_tree", "params": {}, "training_cut": "2021-07-01"},
    **{"training_rows": 1, "tolerance_days": 30, "metrics": {}},
}


@pytest.fixture(scope="module")
def rows():
    """The example's matured activities with the features that a training joins to them."""
    table = example("nyc_sca_2022-12.csv").table
    labelled = labels.label(table, 30)
    return labelled.join(history_table(table, labelled, 30))


@pytest.fixture(scope="module")
def trained(rows, tmp_path_factory):
    """A decision tree that uses point-in-time features, and where its artifact is."""
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    model = build_pipeline(candidate, 1, max_depth=6).fit(feature_table(rows), rows["is_late"])
    raw = export(model, family="decision_tree", threshold=0.5, metadata=METADATA)
    path = tmp_path_factory.mktemp("layer") / "model.json"
    path.write_bytes(raw)
    return model, path


@pytest.fixture(scope="module")
def plain(rows, tmp_path_factory):
    """Where the artifact of a model is that needs no point-in-time features."""
    numeric = [name for name in NUMERIC if name not in HISTORY]
    impute = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10, sparse_output=False)
    blocks = [("numeric", impute, numeric), ("categorical", encoder, list(CATEGORICAL))]
    steps = [("prepare", ColumnTransformer(blocks)), ("model", LogisticRegression(max_iter=5000))]
    model = Pipeline(steps).fit(feature_table(rows), rows["is_late"])
    path = tmp_path_factory.mktemp("plain") / "model.json"
    path.write_bytes(export(model, family="logistic_regression", threshold=0.5, metadata=METADATA))
    return path


@pytest.fixture(scope="module")
def series():
    """What the example knows, as it is written to the feature table."""
    return build_series(example("nyc_sca_2022-12.csv").table, 30)


@pytest.fixture
def table(empty_store, series):
    """A feature table that knows what the example knows."""
    feature_store.refresh(empty_store, series, {})
    return empty_store


def environment(path: Path, **more: str) -> dict[str, str]:
    return {
        "MODEL_PATH": str(path),
        "MODEL_SHA256": digest(path.read_bytes()),
        "MODEL_TRAINED_AT": "2026-01-01T00:00:00+00:00",
        "MODEL_EXECUTION": "new-data-1",
        "AWS_LAMBDA_FUNCTION_VERSION": "4",
        **more,
    }


@pytest.fixture
def ask(load_app, lambda_context, trained, table):
    """A caller of the API: the probabilities of activities, or the whole answer."""
    app = load_app("predict.app", **environment(trained[1], FEATURE_TABLE=table))

    def run(activities: list[dict]) -> list[float]:
        answer = app.handler(event(activities), lambda_context)
        assert answer["statusCode"] == 200, answer["body"]
        return [item["probability"] for item in json.loads(answer["body"])["predictions"]]

    run.app = app
    return run


def event(activities: list[dict]) -> dict:
    return {
        **{"httpMethod": "POST", "path": "/predictions", "resource": "/predictions", "isBase64Encoded": False},
        **{"headers": {"Content-Type": "application/json"}, "queryStringParameters": None},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "requestContext": {"stage": "v1", "requestId": "request-1", "path": "/v1/predictions"},
        "body": json.dumps({"activities": activities}),
    }


def activities_of(rows) -> list[dict]:
    return [
        {
            **{name: row[name] for name in NAMES},
            **{name: row[name].date().isoformat() for name in ("start", "baseline_finish")},
            # The day before the start: as the models of these tests were trained.
            "data_date": (row["start"].date() - timedelta(days=1)).isoformat(),
            "budget": row["budget"],
        }
        for row in rows.to_dict("records")
    ]


def blind(path: Path, activities: list[dict]) -> list[float]:
    """What the model says when nothing is known of an activity's like."""
    raw = path.read_bytes()
    return scorer.load(raw, digest(raw)).predict_proba(activities)


def test_features_are_looked_up_by_key(ask, rows, trained):
    some = rows.tail(300)
    activities = activities_of(some)

    found = ask(activities)

    assert found == pytest.approx(trained[0].predict_proba(feature_table(some))[:, 1], abs=1e-12)
    assert sum(a != b for a, b in zip(found, blind(trained[1], activities), strict=True)) > 50


def test_features_are_of_the_start_or_of_the_day_after_the_data_date(ask, rows, capsys):
    (row,) = activities_of(rows.tail(1))
    later = row | {"start": "2023-06-01", "baseline_finish": "2024-03-31", "data_date": "2022-06-30"}

    first, second, third, _ = ask(
        [
            later,
            # Neither another plan nor a planned start that has passed is a fact.
            later | {"start": "2022-07-15", "baseline_start": "2023-06-01"},
            later | {"start": "2021-06-01", "baseline_start": "2023-06-01", "status": "not_started"},
            later | {"data_date": "2021-06-30"},
        ]
    )

    assert first == second == third
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')]
    items = json.loads(line)["items"]
    assert [(item["data_date"], item["stage"]) for item in items] == [("2022-06-30", "not_started")] * 3 + [
        ("2021-06-30", "not_started")
    ]
    seen = [{name: item["features"][name] for name in HISTORY} for item in items]
    assert seen[0] == seen[1] == seen[2] != seen[3]


def test_the_features_that_were_looked_up_are_logged(ask, rows, capsys):
    some = rows.tail(3)
    ask(activities_of(some))

    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')]
    logged = [{name: item["features"][name] for name in HISTORY} for item in json.loads(line)["items"]]
    expected = some[list(HISTORY)].astype(object).where(some[list(HISTORY)].notna(), None)
    assert logged == expected.to_dict("records")


def test_a_key_that_is_new_is_no_error(ask, trained):
    new = dict.fromkeys(NAMES[1:], "never seen") | {"activity_id": "A1"}
    known = new | {"data_date": "2022-02-28", "start": "2022-03-01", "baseline_finish": "2022-09-30"}
    # Deviations from the portfolio: of what is new nothing is known.
    nothing = {name: 0.0 if name.endswith(("_late_rate", "_mean_slip")) else None for name in HISTORY}
    season = {"finish_season_sin": -1.0, "finish_season_cos": 0.0}

    assert ask([known]) == pytest.approx(blind(trained[1], [known | {"history": nothing | season}]))


def test_a_request_with_its_own_history_needs_no_table(ask, rows, trained, monkeypatch):
    some = rows.tail(50)
    known = some[list(HISTORY)].to_dict("records")
    activities = [
        {**activity, "history": {name: value for name, value in history.items() if value == value}}
        for activity, history in zip(activities_of(some), known, strict=True)
    ]
    monkeypatch.setattr(feature_store, "client", lambda: pytest.fail("the store was read"))

    assert ask(activities) == pytest.approx(trained[0].predict_proba(feature_table(some))[:, 1], abs=1e-12)
    assert ask([activities[0] | {"history": {}}]) == blind(trained[1], [activities[0] | {"history": {}}])


def test_only_activities_without_history_are_looked_up(ask, rows, trained):
    first, second = activities_of(rows.tail(2))
    other = first | {"history": dict.fromkeys(HISTORY, 1.5)}

    assert ask([other, second]) == blind(trained[1], [other]) + ask([second])


@pytest.mark.parametrize("name", ["is_late", "phase_late_rate", "budget"])
def test_a_history_with_another_name_is_refused(ask, lambda_context, rows, name):
    (activity,) = activities_of(rows.tail(1))

    answer = ask.app.handler(event([activity | {"history": {name: 1.0}}]), lambda_context)

    assert answer["statusCode"] == 422
    assert name in answer["body"]


def metrics(output: str) -> dict[str, list[float]]:
    lines = [json.loads(line) for line in output.splitlines() if '"_aws"' in line]
    return {name: line[name] for line in lines for name in ("FeatureStoreFailed", "Predictions") if name in line}


def no_table() -> None:
    boto3.client("dynamodb").delete_table(TableName="features")


def garbage() -> None:
    item = {"pk": {"S": "portfolio"}, "series": {"B": b"garbage"}}
    boto3.client("dynamodb").put_item(TableName="features", Item=item)


class Unreachable:
    def batch_get_item(self, RequestItems):
        raise EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


class Hanging:
    def batch_get_item(self, RequestItems):
        raise ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


class Refusing:
    def batch_get_item(self, RequestItems):
        error = {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "busy"}}
        raise ClientError(error, "BatchGetItem")


class Throttled:
    def batch_get_item(self, RequestItems):
        return {"Responses": {}, "UnprocessedKeys": RequestItems}


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (no_table, "ResourceNotFoundException"),
        (garbage, "a series of version 103"),
        (Unreachable, "Could not connect"),
        (Hanging, "Read timeout"),
        (Refusing, "ProvisionedThroughputExceeded"),
        (Throttled, "unread"),
    ],
)
@pytest.mark.fault(
    "serving",
    "the feature store during a prediction",
    "gone, damaged, out of reach, hanging, throttled",
    "the answer comes without these features, counted for the alarm",
)
def test_a_store_that_fails_costs_accuracy_and_not_the_answer(
    ask, rows, trained, monkeypatch, capsys, caplog, failure, words
):
    activities = activities_of(rows.tail(20))
    if isinstance(failure, type):
        monkeypatch.setattr(feature_store, "client", failure)
        monkeypatch.setattr(feature_store.time, "sleep", lambda _: None)
    else:
        failure()

    assert ask(activities) == blind(trained[1], activities)

    assert metrics(capsys.readouterr().out) == {"FeatureStoreFailed": [1.0], "Predictions": [20.0]}
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert error.message == "the feature store did not answer"
    assert words in error.error


@pytest.mark.fault(
    "serving",
    "the connection to the feature store",
    "it takes no connection, or takes it and never answers",
    "all attempts together end before API Gateway and Lambda give up: there is time to answer",
)
def test_a_store_that_hangs_is_given_up_in_time_to_answer(aws_environment):
    feature_store.client.cache_clear()
    config = feature_store.client().meta.config
    attempts = config.retries["total_max_attempts"]
    # The standard mode waits up to 1, 2, 4 … seconds in between.
    longest = attempts * max(config.connect_timeout, config.read_timeout) + 2 ** (attempts - 1) - 1
    without_sdk = dynamodb_http.ATTEMPTS * (dynamodb_http.TIMEOUT_SECONDS + 0.4)

    assert max(longest, without_sdk) < FUNCTIONS["PredictFunction"]["Properties"]["Timeout"] - 5


def test_a_store_that_answers_is_no_failure(ask, rows, capsys):
    ask(activities_of(rows.tail(20)))

    assert metrics(capsys.readouterr().out) == {"Predictions": [20.0]}


def test_a_fault_of_the_code_is_not_taken_for_one_of_the_store(ask, rows, lambda_context, monkeypatch):
    monkeypatch.setattr(feature_store, "with_history", lambda *_: [][0])

    assert ask.app.handler(event(activities_of(rows.tail(1))), lambda_context)["statusCode"] == 500


CHILD = """
import json, sys, time
time.sleep = lambda seconds: None
sys.path[:0] = json.loads(sys.argv[1])
from predict import app

class Context:
    function_name = function_version = invoked_function_arn = aws_request_id = "x"
    memory_limit_in_mb = 512

answer = app.handler(json.load(sys.stdin), Context())
# Powertools itself imports the empty top of botocore.
heavy = {"boto3", "botocore.client", "botocore.session", "numpy", "sklearn", "pandas"}
found = sorted(heavy & sys.modules.keys())
print(json.dumps({"status": answer["statusCode"], "found": found}))
"""


def run_alone(path: Path, activity: dict, **more: str) -> dict:
    """Ask the function in a process of its own; return the answer's status and which heavy modules it imported."""
    places = [str(ROOT / "functions")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    names = {"POWERTOOLS_SERVICE_NAME": "slipcast", "POWERTOOLS_METRICS_NAMESPACE": "Slipcast"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(places)],
        input=json.dumps(event([activity])),
        env=kept | names | {"POWERTOOLS_TRACE_DISABLED": "1"} | environment(path, FEATURE_TABLE="features", **more),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_model_without_history_features_never_imports_the_sdk(rows, plain):
    (activity,) = activities_of(rows.tail(1))

    assert run_alone(plain, activity) == {"status": 200, "found": []}


def test_a_model_with_history_features_imports_it_when_it_looks_them_up(rows, trained):
    (activity,) = activities_of(rows.tail(1))
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_REGION": "us-east-1"}

    answer = run_alone(trained[1], activity, **nowhere, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")

    assert answer == {"status": 200, "found": ["boto3", "botocore.client", "botocore.session"]}


def test_a_request_with_its_own_history_does_not_import_the_sdk_either(rows, trained):
    (activity,) = activities_of(rows.tail(1))

    assert run_alone(trained[1], activity | {"history": {}}) == {"status": 200, "found": []}
