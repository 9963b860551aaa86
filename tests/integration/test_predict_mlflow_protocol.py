"""MLflow's scoring protocol, spoken by MLflow's own client."""

import json
import math
import warnings

import pandas as pd
import pytest

from support.predict_api import ACTIVITY, call, environment, served

with warnings.catch_warnings():
    # About type hints of its own.
    warnings.filterwarnings("ignore", ".*Any type hint", UserWarning)
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    from mlflow.utils.proto_json_utils import dump_input_data

ROWS = [
    ACTIVITY,
    {"activity_id": "A2", "start": "2022-03-01", "baseline_duration_days": 30, "phase": "Scope"},
    {"activity_id": "A3", "start": "2022-03-01", "baseline_duration_days": 400, "budget": 10, "colour": "red"},
]
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


@pytest.fixture
def client(app):
    with served(app) as url:
        yield ScoringServerClient(*url.removeprefix("http://").split(":"))


def expected(app) -> list[dict]:
    return call(app, "POST", "/predictions", {"activities": ROWS}).json()["predictions"]


def probabilities(found: list[dict]) -> list[float]:
    return [item["probability"] for item in found]


def test_mlflows_client_finds_the_server_ready(client):
    client.wait_server_ready(timeout=120)
    client.ping()
    assert client.get_version()


def test_before_the_first_release_it_is_not_ready(load_app):
    with served(load_app("predict.app", MODEL_SHA256="")) as url:
        client = ScoringServerClient(*url.removeprefix("http://").split(":"))
        with pytest.raises(Exception, match="503"):
            client.ping()
        with pytest.raises(Exception, match="TEMPORARILY_UNAVAILABLE"):
            client.invoke(pd.DataFrame(ROWS))


@pytest.mark.parametrize("days", ["text", "datetime64"])
def test_mlflows_client_gets_the_apis_own_predictions(client, app, capsys, days):
    frame = pd.DataFrame(ROWS)
    if days == "datetime64":
        frame["start"] = pd.to_datetime(frame["start"])
        frame["baseline_finish"] = pd.to_datetime(frame["baseline_finish"])

    found = client.invoke(frame).get_predictions()

    assert isinstance(found, pd.DataFrame)
    assert found["probability"].tolist() == probabilities(expected(app))
    assert found["at_risk"].tolist() == [item["at_risk"] for item in expected(app)]
    assert found["activity_id"].tolist() == ["A1", "A2", "A3"]
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"log":"prediction"' in line]
    assert [item["prediction_id"] for item in logged[0]["items"]] == found["prediction_id"].tolist()
    assert [item["features"] for item in logged[0]["items"]] == [item["features"] for item in logged[1]["items"]]


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS).astype(object).where(lambda table: table.notna(), None)


FORMS = {
    "dataframe_split": lambda: {"dataframe_split": frame().to_dict(orient="split")},
    "dataframe_split without index": lambda: {"dataframe_split": frame().to_dict(orient="tight") | {"index": None}},
    "dataframe_records": lambda: {"dataframe_records": frame().to_dict(orient="records")},
    "instances": lambda: {"instances": ROWS},
    "instances of shape [n, 1]": lambda: {"instances": [{k: [v] for k, v in row.items()} for row in ROWS]},
    "inputs by column": lambda: {"inputs": frame().to_dict(orient="list")},
    "inputs by row": lambda: {"inputs": ROWS},
    "params beside": lambda: {"dataframe_records": ROWS, "params": {"temperature": 1}},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(app, form):
    answer = call(app, "POST", "/invocations", FORMS[form]())

    assert answer.status == 200, answer.text
    assert probabilities(answer.json()["predictions"]) == probabilities(expected(app))


@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_what_mlflow_writes_of_rows_is_read(app, key):
    numbers = [{"start": "2022-03-01", "baseline_duration_days": 30, "budget": None}]

    answer = call(app, "POST", "/invocations", raw=dump_input_data(numbers, inputs_key=key, params={"a": 1}))

    assert answer.status == 200, answer.text


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_csv_is_read(app, start):
    text = start + pd.DataFrame(ROWS).to_csv(index=False)

    answer = call(app, "POST", "/invocations", raw=text, headers={"Content-Type": "text/csv; charset=utf-8"})

    assert answer.status == 200, answer.text
    assert probabilities(answer.json()["predictions"]) == probabilities(expected(app))


def test_whole_numbers_are_ids_too(app):
    answer = call(app, "POST", "/invocations", {"dataframe_records": [ACTIVITY | {"activity_id": 1010}]})

    assert answer.json()["predictions"][0]["activity_id"] == "1010"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "one of dataframe_split"),
        ({"dataframe_records": ROWS, "instances": ROWS}, "one of dataframe_split"),
        ({"dataframe_records": {}}, "dataframe_records has to be a list of objects"),
        ({"dataframe_records": []}, "rows"),
        ({"dataframe_split": []}, "columns"),
        ({"dataframe_split": {"columns": ["start"], "data": [["2022-03-01", 1]]}}, "a value for each column"),
        ({"inputs": {"start": ["2022-03-01"], "budget": [1, 2]}}, "different lengths"),
        ({"inputs": {"start": "2022-03-01"}}, "list of values"),
        ({"instances": [[1, 2, 3]]}, "with the columns as names"),
        ({"dataframe_records": [ACTIVITY, ACTIVITY | {"budget": "much"}]}, "budget[1]: 'much' is no number"),
        ({"dataframe_records": [{"start": "2022-03-01"}]}, "baseline_finish[0]"),
        ({"dataframe_records": [ACTIVITY | {"budget": -math.inf}]}, "budget[0]"),
    ],
)
def test_a_wrong_body_is_named_in_mlflows_words(app, capsys, body, detail):
    answer = call(app, "POST", "/invocations", body)
    problem = answer.json()

    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert detail in problem["message"]
    assert (problem["error_code"], problem["detail"]) == ("BAD_REQUEST", problem["message"])
    assert '"prediction_id"' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ("", "not CSV"),
        ("start\n", "rows"),
        ("start,budget\n2022-03-01\n", "line 2 has 1 cells, the header 2"),
        ('start,budget\n2022-03-01,"1\n', "no CSV"),
        ("start,baseline_duration_days\n2022-03-01,long\n", "baseline_duration_days[0]"),
    ],
)
def test_wrong_csv_is_named(app, raw, detail):
    answer = call(app, "POST", "/invocations", raw=raw, headers=CSV)

    assert answer.status == 400
    assert detail in answer.json()["message"]


@pytest.mark.parametrize("announced", ["application/vnd.apache.parquet", "text/plain", "text/csv; charset=latin-1"])
def test_another_media_type_is_refused(app, announced):
    assert call(app, "POST", "/invocations", raw="x", headers={"Content-Type": announced}).status == 415
