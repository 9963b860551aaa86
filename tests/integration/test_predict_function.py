"""The serving function: events of API Gateway in, answers out."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from openapi_spec_validator import validate

from slipcast.datasets import labels
from slipcast.features.table import feature_table
from slipcast.model import scorer
from slipcast.model.artifact import decode, digest, encode
from slipcast.model.explain import contributions
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from support.schedules import example

ACTIVITY = {
    "activity_id": "A1",
    "phase": "Design",
    "work_type": "SCA CIP",
    "location": "district 01",
    "start": "2022-03-01",
    "baseline_finish": "2022-09-30",
    "budget": 250000,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A decision tree of the example, its artifact and the table it was trained on."""
    labelled = labels.label(example("nyc_sca_2022-12.csv").table, 30)
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    model = build_pipeline(candidate, 1, max_depth=4).fit(feature_table(labelled), labelled["is_late"])
    metadata = {
        **{"model_id": "abc123", "dataset_id": "0123456789abcdef", "data_date": "2022-12-31"},
        **{"family": "decision_tree", "params": {"max_depth": 4}, "training_cut": "2021-07-01"},
        **{"training_rows": len(labelled), "tolerance_days": 30, "metrics": {"auc": 0.7, "auc_ci": [0.6, 0.8]}},
    }
    raw = export(model, family="decision_tree", threshold=1 / 3, metadata=metadata)
    path = tmp_path_factory.mktemp("layer") / "model.json"
    path.write_bytes(raw)
    return model, path, digest(raw), labelled


@pytest.fixture
def app(load_app, trained):
    _, path, sha256, _ = trained
    return load_app("predict.app", **environment(path, sha256))


def environment(path: Path, sha256: str) -> dict[str, str]:
    return {
        "MODEL_PATH": str(path),
        "MODEL_SHA256": sha256,
        "MODEL_TRAINED_AT": "2026-01-01T00:00:00+00:00",
        "MODEL_EXECUTION": "new-data-1",
        "AWS_LAMBDA_FUNCTION_VERSION": "4",
    }


def ask(
    app, context, method: str, path: str, body=None, *, raw=None, stage="v1", announced="application/json", query=None
):
    event = {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"Content-Type": announced} if announced else {},
        "multiValueHeaders": {"Content-Type": [announced]} if announced else {},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": query and {name: [value] for name, value in query.items()},
        "pathParameters": None,
        "requestContext": {"stage": stage, "requestId": "request-1", "path": f"/{stage}{path}"},
        "body": raw if raw is not None else None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
    answer = app.handler(event, context)
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    return answer["statusCode"], json.loads(answer["body"]), headers


def test_predictions_are_scikit_learns(app, lambda_context, trained, capsys):
    model, _, _, labelled = trained
    rows = labelled.tail(250)
    activities = [
        {
            **{name: row[name] for name in ("activity_id", "phase", "work_type", "location")},
            **{name: row[name].date().isoformat() for name in ("start", "baseline_finish")},
            **({} if np.isnan(row["budget"]) else {"budget": row["budget"]}),
        }
        for row in rows.to_dict("records")
    ]
    status, answer, _ = ask(app, lambda_context, "POST", "/predictions", {"activities": activities})

    assert status == 200
    expected = model.predict_proba(feature_table(rows))[:, 1]
    np.testing.assert_allclose([item["probability"] for item in answer["predictions"]], expected, atol=1e-9)
    assert [item["activity_id"] for item in answer["predictions"]] == rows["activity_id"].tolist()
    assert answer["model"]["version"] == "4"
    assert answer["request_id"] == "request-1"
    for item in answer["predictions"]:
        assert item["at_risk"] == (item["probability"] >= item["threshold"])


def test_one_activity_needs_no_list(app, lambda_context):
    one = ask(app, lambda_context, "POST", "/predictions", ACTIVITY)
    listed = ask(app, lambda_context, "POST", "/predictions", {"activities": [ACTIVITY]})

    assert one == listed
    assert one[0] == 200


def test_columns_that_tell_the_outcome_change_nothing(app, lambda_context):
    asked = ACTIVITY | {"data_date": "2022-03-31"}
    told = asked | {"actual_finish": "2022-05-01", "status": "complete", "percent_complete": 100, "colour": "red"}

    assert (
        ask(app, lambda_context, "POST", "/predictions", told)[1]
        == (ask(app, lambda_context, "POST", "/predictions", asked)[1])
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"start": None}, "activities.0.start"),
        ({"start": "01/03/2022"}, "activities.0.start"),
        ({"start": 1646092800}, "activities.0.start"),
        ({"start": "2022-02-30"}, "activities.0.start"),
        ({"budget": "a lot"}, "activities.0.budget"),
        ({"budget": "5"}, "activities.0.budget"),
        ({"budget": -1}, "activities.0.budget"),
        ({"budget": True}, "activities.0.budget"),
        ({"baseline_finish": None}, "activities.0.baseline_finish"),
        ({"baseline_finish": "2022-02-28"}, "activities.0.baseline_finish"),
        ({"baseline_duration_days": 0}, "activities.0.baseline_duration_days"),
        ({"activity_id": ""}, "activities.0.activity_id"),
        ({"phase": 7}, "activities.0.phase"),
    ],
)
def test_a_wrong_field_is_named(app, lambda_context, change, field):
    status, problem, headers = ask(app, lambda_context, "POST", "/predictions", {"activities": [ACTIVITY | change]})

    assert status == 422
    assert headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in problem["errors"]] == [field]
    assert problem["errors"][0]["message"]
    assert problem["request_id"] == "request-1"


def test_a_duration_stands_for_the_finish(app, lambda_context):
    activity = {name: value for name, value in ACTIVITY.items() if name != "baseline_finish"}
    finish = ask(app, lambda_context, "POST", "/predictions", ACTIVITY)[1]["predictions"]
    days = ask(app, lambda_context, "POST", "/predictions", activity | {"baseline_duration_days": 213})[1][
        "predictions"
    ]

    assert days == finish


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        ("{", 400),
        ('{"activities": [{"activity_id": "a", "start": "2022-03-01", "budget": NaN}]}', 422),
        ("[" * 100_000, 400),
        (json.dumps(ACTIVITY)[:-1] + ', "total_float_days": 1' + "0" * 5000 + "}", 422),
        (json.dumps(ACTIVITY)[:-1] + ', "total_float_days": 1' + "0" * 400 + "}", 422),
        ("null", 422),
        ("[]", 422),
        (json.dumps([ACTIVITY, ACTIVITY]), 422),
        ('{"activities": []}', 422),
        ('{"activities": "all"}', 422),
        ("{}", 422),
    ],
)
def test_a_body_that_is_no_request_is_refused(app, lambda_context, raw, status):
    found, problem, _ = ask(app, lambda_context, "POST", "/predictions", raw=raw)

    assert found == status
    assert problem["status"] == status
    assert "Traceback" not in json.dumps(problem)


@pytest.mark.parametrize("missing", ["activity_id", "start", "baseline_finish"])
def test_a_field_missing_from_a_single_activity_is_named(app, lambda_context, missing):
    body = {name: value for name, value in ACTIVITY.items() if name != missing}
    status, problem, _ = ask(app, lambda_context, "POST", "/predictions", body)

    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [f"activities.0.{missing}"]


def test_json_that_curl_announces_as_a_form_is_read_as_json(app, lambda_context):
    form = "application/x-www-form-urlencoded"

    assert ask(app, lambda_context, "POST", "/predictions", ACTIVITY, announced=form)[0] == 200
    assert ask(app, lambda_context, "POST", "/predictions", raw="a=1", announced=form)[0] == 400


@pytest.mark.parametrize(
    "announced",
    ["text/plain", "multipart/form-data; boundary=x", "multipart/form-data"],
)
def test_another_media_type_is_refused_and_the_right_one_named(app, lambda_context, announced):
    status, problem, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY, announced=announced)

    assert status == 415
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize("announced", ["application/json; charset=utf-8", None])
def test_json_is_taken_with_a_charset_and_without_a_media_type(app, lambda_context, announced):
    assert ask(app, lambda_context, "POST", "/predictions", ACTIVITY, announced=announced)[0] == 200


def test_more_than_ten_thousand_activities_are_refused(app, lambda_context):
    body = {"activities": [ACTIVITY] * 10_001}

    assert ask(app, lambda_context, "POST", "/predictions", body)[0] == 422
    assert ask(app, lambda_context, "POST", "/predictions", {"activities": [ACTIVITY] * 10_000})[0] == 200


def test_predictions_are_logged_with_their_features(app, lambda_context, capsys):
    ask(app, lambda_context, "POST", "/predictions", {"activities": [ACTIVITY] * 250})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logged = [line for line in lines if line.get("log") == "prediction"]

    assert [len(line["items"]) for line in logged] == [100, 100, 50]
    ids = [item["prediction_id"] for line in logged for item in line["items"]]
    assert len(set(ids)) == 250
    assert logged[0]["items"][0]["features"]["phase"] == "Design"
    assert logged[0]["model_version"] == "4"
    assert max(len(json.dumps(line)) for line in logged) < 200_000
    (counted,) = [line for line in lines if "_aws" in line]
    assert counted["Predictions"] == [250.0]


def test_no_line_of_the_log_is_longer_than_a_log_event(app, lambda_context, capsys):
    # The longest texts that are taken, of characters that take twelve bytes in ASCII JSON.
    longest = ACTIVITY | dict.fromkeys(("phase", "work_type", "location"), "😀" * 500) | {"activity_id": "😀" * 500}
    assert ask(app, lambda_context, "POST", "/predictions", {"activities": [longest] * 100})[0] == 200
    raw = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')]
    items = [item for line in raw for item in json.loads(line)["items"]]

    assert max(len(line.encode()) for line in raw) < 200_000
    assert [item["prediction_id"] for item in items] == [f"request-1:{number}" for number in range(100)]
    assert items[99]["features"]["location"] == "😀" * 500


def test_a_release_that_asks_is_not_logged(app, lambda_context, capsys):
    status, _, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY, stage="slipcast-verify")

    assert status == 200
    assert "prediction" not in capsys.readouterr().out


def test_reasons_are_given_to_those_who_ask(app, lambda_context, trained):
    plain = ask(app, lambda_context, "POST", "/predictions", ACTIVITY)[1]
    status, explained, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY | {"explain": True})

    assert status == 200
    assert explained["note"] is None
    (item,) = explained["predictions"]
    assert {name: item[name] for name in plain["predictions"][0]} == plain["predictions"][0]
    loaded = scorer.load(trained[1].read_bytes(), trained[2])
    found = contributions.contributions(loaded, ACTIVITY)
    assert item["base"] == found.base
    assert item["reasons"] == [dict(one._asdict()) for one in contributions.top(found, loaded.features(ACTIVITY))]
    assert len(item["reasons"]) == 3
    assert plain.keys() == {"request_id", "model", "predictions", "errors"}
    assert plain["predictions"][0].keys().isdisjoint({"base", "reasons"})


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"activities": [ACTIVITY], "explain": True}, None),
        (ACTIVITY, {"explain": "true"}),
        ({"activities": [ACTIVITY]}, {"explain": "1"}),
        ({"activities": [ACTIVITY], "explain": False}, {"explain": "true"}),
    ],
)
def test_reasons_may_be_asked_for_in_the_body_or_in_the_query(app, lambda_context, body, query):
    expected = ask(app, lambda_context, "POST", "/predictions", ACTIVITY | {"explain": True})

    assert ask(app, lambda_context, "POST", "/predictions", body, query=query) == expected


@pytest.mark.parametrize("query", [None, {"explain": "false"}])
def test_without_being_asked_for_reasons_are_not_even_imported(load_app, trained, lambda_context, query, monkeypatch):
    for name in ("slipcast.model.explain.contributions", "slipcast.model.explain.tree_shap"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    app = load_app("predict.app", **environment(trained[1], trained[2]))

    status, answer, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY | {"explain": False}, query=query)

    assert status == 200
    assert "note" not in answer
    assert "slipcast.model.explain.contributions" not in sys.modules


@pytest.mark.parametrize(
    ("body", "query", "field"),
    [
        (ACTIVITY | {"explain": "yes"}, None, "explain"),
        ({"activities": [ACTIVITY], "explain": 1}, None, "explain"),
        (ACTIVITY, {"explain": "perhaps"}, "query.explain"),
        ({"activities": [ACTIVITY] * 101, "explain": True}, None, "activities"),
        ({"activities": [ACTIVITY] * 101}, {"explain": "true"}, "activities"),
    ],
)
def test_a_wrong_wish_for_reasons_is_named(app, lambda_context, body, query, field):
    status, problem, _ = ask(app, lambda_context, "POST", "/predictions", body, query=query)

    assert status == 422
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_hundred_activities_are_explained(app, lambda_context):
    body = {"activities": [ACTIVITY] * 100, "explain": True}

    assert len(ask(app, lambda_context, "POST", "/predictions", body)[1]["predictions"]) == 100


def test_a_model_without_reasons_answers_with_a_note(load_app, trained, tmp_path, lambda_context):
    document = decode(trained[1].read_bytes(), trained[2])
    for tree in document["model"]["trees"]:
        del tree["cover"]
    path = tmp_path / "model.json"
    path.write_bytes(encode(document))
    app = load_app("predict.app", **environment(path, digest(path.read_bytes())))

    status, answer, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY | {"explain": True})

    assert status == 200
    assert answer["note"].startswith("no reasons: the model was stored without")
    (item,) = answer["predictions"]
    assert (item["base"], item["reasons"]) == (None, None)
    assert 0 < item["probability"] < 1


def test_the_model_describes_itself(app, lambda_context, trained):
    status, model, _ = ask(app, lambda_context, "GET", "/model")

    assert status == 200
    assert model["version"] == "4"
    assert model["sha256"] == trained[2]
    assert model["metrics"]["auc"] == 0.7
    assert model["trained_at"] == "2026-01-01T00:00:00+00:00"


def test_health_and_unknown_paths(app, lambda_context):
    status, health, headers = ask(app, lambda_context, "GET", "/health")
    assert (status, health) == (200, {"status": "ok", "version": "4"})
    assert headers["Content-Type"] == "application/json"
    assert ask(app, lambda_context, "GET", "/nothing")[0] == 404


def test_the_openapi_document_is_valid_and_complete(app, lambda_context):
    status, document, _ = ask(app, lambda_context, "GET", "/openapi.json")

    assert status == 200
    validate(document)
    assert set(document["paths"]) >= {"/predictions", "/model", "/health", "/v2/models/{model}/infer", "/invocations"}
    assert set(document["paths"]["/predictions"]["post"]["responses"]) >= {"200", "400", "415", "422", "503"}
    assert document["components"]["securitySchemes"]["caller"]["name"] == "x-api-key"
    assert document["servers"] == [{"url": "/v1"}]
    post = document["paths"]["/predictions"]["post"]
    assert [(item["name"], item["in"], item["required"]) for item in post["parameters"]] == [
        ("explain", "query", False),
        ("Idempotency-Key", "header", False),
    ]
    answers = post["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert [item["$ref"].rpartition("/")[2] for item in answers] == ["PredictionResponse", "ExplainedResponse"]
    schemas = document["components"]["schemas"]
    assert schemas["Activities"]["properties"]["explain"]["default"] is False
    assert {"base", "reasons"} <= set(schemas["ExplainedPrediction"]["required"])


@pytest.mark.fault("serving", "predict", "no model is released", "503 with Retry-After")
def test_before_the_first_release_every_answer_is_503(load_app, lambda_context):
    app = load_app("predict.app", MODEL_SHA256="")
    for method, path, body in (("POST", "/predictions", ACTIVITY), ("GET", "/model", None), ("GET", "/health", None)):
        status, problem, headers = ask(app, lambda_context, method, path, body)

        assert status == 503
        assert headers["Retry-After"] == "30"
        assert "no model is released" in problem["detail"]


@pytest.mark.parametrize("harm", ["flip a byte", "remove the file"])
@pytest.mark.fault(
    "serving",
    "the model of a version",
    "a flipped byte, or no file",
    "503 with Retry-After as problem+json, counted for the alarm",
)
def test_a_model_with_another_digest_is_refused_and_counted(load_app, lambda_context, trained, tmp_path, harm, capsys):
    _, path, sha256, _ = trained
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    harmed = tmp_path / "model.json"
    if harm == "flip a byte":
        harmed.write_bytes(raw)
    app = load_app("predict.app", **environment(harmed, sha256))

    status, problem, headers = ask(app, lambda_context, "POST", "/predictions", ACTIVITY)
    assert status == 503
    assert headers["Retry-After"] == "30"
    assert headers["Content-Type"] == "application/problem+json"
    assert sha256 not in json.dumps(problem)
    assert '"ModelLoadFailed":[1.0]' in capsys.readouterr().out.replace(" ", "")


def test_what_is_redacted_is_in_no_line_that_reaches_cloudwatch(load_app, trained, lambda_context, capsys):
    _, path, sha256, _ = trained
    names = {"REDACT_COLUMNS": "phase,activity_id,project_id", "ID_SALT": "arn:aws:cloudformation:…"}
    app = load_app("predict.app", **environment(path, sha256), **names)
    secret = {"activity_id": "Ann Private 1", "phase": "Hush-hush", "project_id": "Tower 7"}
    capsys.readouterr()

    status, answer, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY | secret)

    written = capsys.readouterr().out
    assert (status, answer["predictions"][0]["activity_id"]) == (200, "Ann Private 1")
    assert not [value for value in secret.values() if value in written]
    (line,) = [item for item in map(json.loads, written.splitlines()) if item.get("log") == "prediction"]
    (item,) = line["items"]
    assert line["redacted"] == ["phase"]
    assert "phase" not in item["features"]
    assert re.fullmatch(r"[0-9a-f]{32}", item["activity_id"])
    assert item["activity_id"] != item["project_id"]


def test_an_unexpected_error_says_nothing_of_the_inside(app, lambda_context, monkeypatch):
    monkeypatch.setattr(app.core.predictions, "score", lambda *_: 1 / 0)
    status, problem, _ = ask(app, lambda_context, "POST", "/predictions", ACTIVITY)

    assert status == 500
    assert "division" not in json.dumps(problem)
    assert problem["request_id"] == "request-1"


def logged(capsys) -> list[dict]:
    return [item for item in map(json.loads, capsys.readouterr().out.splitlines()) if item.get("log") == "prediction"]


def test_each_request_is_logged_with_what_a_release_is_judged_by(
    load_app, trained, lambda_context, capsys, monkeypatch
):
    _, path, sha256, _ = trained
    app = load_app("predict.app", **environment(path, sha256), MODEL_ID="m1")
    capsys.readouterr()
    ask(app, lambda_context, "POST", "/predictions", ACTIVITY)
    ask(app, lambda_context, "POST", "/predictions", {"activities": []})
    monkeypatch.setattr(app.core.predictions, "score", lambda *_: 1 / 0)
    ask(app, lambda_context, "POST", "/predictions", ACTIVITY)
    ask(app, lambda_context, "GET", "/nowhere")

    answered, refused, failed = logged(capsys)
    assert "status" not in answered
    assert (refused["status"], failed["status"]) == (422, 500)
    assert refused["items"] == failed["items"] == []
    assert [item.get("cold", False) for item in (answered, refused, failed)] == [True, False, False]
    assert all(item["ms"] > 0 for item in (answered, refused, failed))
    assert (failed["model_version"], failed["model_id"], failed["request_id"]) == ("4", "m1", "request-1")


def test_a_release_that_asks_is_told_how_long_it_took_and_nobody_else_is(app, lambda_context, capsys):
    _, _, headers = ask(app, lambda_context, "POST", "/predictions", ACTIVITY, stage="slipcast-verify")
    assert re.fullmatch(r"predict;dur=\d+\.\d{3}", headers["Server-Timing"])
    assert logged(capsys) == []

    ask(app, lambda_context, "POST", "/predictions", {"activities": []}, stage="slipcast-verify")
    assert logged(capsys) == []
    assert "Server-Timing" not in ask(app, lambda_context, "POST", "/predictions", ACTIVITY)[2]
