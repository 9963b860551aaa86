"""Evaluate: the contest on the holdout, and what a release and MLflow find afterwards."""

import hashlib
import io
import json
import zipfile
from datetime import date

import pytest
from schedules import example

from slipcast import labels, split
from slipcast_aws import outbox, releases, storage

SETTINGS = {
    **{"DATA_BUCKET": "data", "PREDICT_FUNCTION": "slipcast-predict", "RANDOM_SEED": "20240101"},
    **{"TOLERANCE_DAYS": "30", "HOLDOUT_MONTHS": "18", "MISSED_DELAY_COST": "2", "FALSE_ALARM_COST": "1"},
}


@pytest.fixture(scope="module")
def found_once():
    """What plan and train answered for the example, and the objects they wrote: the search is done once."""
    return {}


@pytest.fixture
def champion(monkeypatch):
    """The live model; None until a test puts one in."""
    state = {"model": None}
    monkeypatch.setattr(releases, "live_model", lambda function: state["model"])
    return state


@pytest.fixture
def event(s3, load_app, lambda_context, found_once):
    """The payload of the state machine: the example planned, one cheap family trained."""
    if not found_once:
        schedule = example("nyc_sca_2022-12.csv")
        uri = "s3://data/datasets/d1/table.parquet"
        sha256 = storage.write_bytes(uri, schedule.parquet)
        manifest = {
            **{"dataset_id": "d1", "data_date": schedule.data_date.isoformat(), "uri": uri, "sha256": sha256},
            **{
                "rows": len(schedule.table),
                "labels": {"matured": 1375},
                "manifest_uri": "s3://data/datasets/d1/manifest.json",
            },
        }
        plan = load_app("plan", **SETTINGS).handler({"execution": "first", "dataset": manifest}, lambda_context)
        task = next(item for item in plan["tasks"] if item["family"] == "hist_gradient_boosting")
        result = load_app("train", **SETTINGS).handler({"execution": "first", **task}, lambda_context)
        found_once["event"] = {
            **{"execution": "first", "reason": "new_data", "dataset": manifest},
            **{"cut": plan["cut"], "tables": plan["tables"], "results": [result]},
        }
        found_once["objects"] = {uri: storage.read_bytes(uri) for uri in storage.list_uris("s3://data/runs/")}
    for uri, raw in found_once["objects"].items():
        storage.write_bytes(uri, raw)
    return json.loads(json.dumps(found_once["event"]))


@pytest.fixture
def evaluate(load_app, s3, champion, lambda_context):
    app = load_app("evaluate", **SETTINGS)
    return lambda event: app.handler(event, lambda_context)


def live(model: dict) -> releases.LiveModel:
    return releases.LiveModel(
        version="3",
        model_id=model["model_id"],
        sha256=model["sha256"],
        artefact_uri=model["artefact_uri"],
        profile_uri=model["profile_uri"],
        dataset_id=model["dataset_id"],
    )


def test_the_first_model_with_signal_is_released(event, evaluate):
    verdict = evaluate(event)

    assert verdict["release"] is True
    assert verdict["why"].startswith("first model with signal: AUC 0.")
    assert verdict["evaluation_uri"] == "s3://data/reports/first/evaluation.json"
    model = verdict["model"]
    assert model["family"] == "hist_gradient_boosting"
    assert model["dataset_id"] == "d1"
    assert model["execution"] == "first"


def test_artefact_layer_profile_and_golden_answers_are_stored(event, evaluate, s3):
    model = evaluate(event)["model"]

    artefact = storage.read_bytes(model["artefact_uri"])
    assert hashlib.sha256(artefact).hexdigest() == model["sha256"]
    layer = s3.get_object(Bucket="data", Key=model["layer_key"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        assert archive.read("slipcast_model/model.json") == artefact
    described = json.loads(artefact)["metadata"]
    assert described["model_id"] == model["model_id"]
    assert described["dataset_id"] == "d1"
    assert described["data_date"] == "2022-12-31"
    assert described["training_cut"] == event["cut"]
    assert described["training_rows"] == event["tables"]["train"]["rows"]
    assert storage.read_json(model["profile_uri"])["n"] == event["tables"]["train"]["rows"]
    golden = storage.read_json(model["golden_uri"])
    assert len(golden["activities"]) == len(golden["scores"]) == 20
    # The golden answers are scikit-learn's: the artefact has to give the same.
    from slipcast import scorer

    found = scorer.load(artefact, model["sha256"]).predict_proba(golden["activities"])
    assert list(found) == pytest.approx(golden["scores"], abs=1e-9)
    assert not {"actual_finish", "is_late", "status"} & {name for row in golden["activities"] for name in row}


def test_the_evaluation_holds_what_mlflow_is_to_log(event, evaluate):
    verdict = evaluate(event)

    assert list(outbox.pending("data")) == [
        (
            "s3://data/tracking/pending/first-1-run.json",
            {"kind": "run", "evaluation_uri": verdict["evaluation_uri"]},
        )
    ]
    evaluation = storage.read_json(verdict["evaluation_uri"])
    assert evaluation["model"] == verdict["model"]
    assert evaluation["champion"] is None
    assert evaluation["champion_metrics"] is None
    assert evaluation["decision"]["release"] is True
    assert evaluation["tables"] == event["tables"]
    assert evaluation["reason"] == "new_data"
    (candidate,) = evaluation["candidates"]
    assert candidate["model"] == event["results"][0]["model"]
    assert candidate["cv_brier"] == min(point["mean_brier"] for point in event["results"][0]["cv"])
    assert evaluation["prior"]["brier"] > candidate["metrics"]["brier"]
    page = storage.read_bytes("s3://data/reports/first/report.md").decode()
    assert verdict["why"] in page
    assert "hist_gradient_boosting" in page


def test_the_live_model_itself_is_not_better_than_the_live_model(event, evaluate, champion):
    champion["model"] = live(evaluate(event)["model"])

    again = evaluate(event | {"execution": "second"})

    assert again["release"] is False
    assert "not better than the champion" in again["why"]
    evaluation = storage.read_json(again["evaluation_uri"])
    assert evaluation["champion"] == {"version": "3", "model_id": champion["model"].model_id}
    assert evaluation["decision"]["numbers"]["brier_gain"] == pytest.approx(0, abs=1e-12)
    assert evaluation["champion_metrics"]["auc"] == pytest.approx(evaluation["candidates"][0]["metrics"]["auc"])


def test_the_same_model_from_another_dataset_leaves_the_live_one_readable(event, evaluate, champion):
    first = evaluate(event)["model"]
    champion["model"] = live(first)
    event["dataset"] = event["dataset"] | {"dataset_id": "d2"}

    second = evaluate(event | {"execution": "second"})["model"]

    assert second["model_id"] == first["model_id"]
    assert second["sha256"] != first["sha256"]
    storage.read_bytes(first["artefact_uri"], sha256=first["sha256"])
    # What a later comparison needs is still there.
    assert evaluate(event | {"execution": "third"})["release"] is False


def test_two_runs_give_the_same_model_id(event, evaluate):
    first = evaluate(event)["model"]
    second = evaluate(event | {"execution": "second"})["model"]

    assert first["model_id"] == second["model_id"]
    assert first["sha256"] == second["sha256"]
    assert first["layer_key"] == f"models/{first['model_id']}/{first['sha256']}/layer.zip"
    assert second["execution"] == "second"


def test_a_candidate_with_another_digest_is_not_opened(event, evaluate, monkeypatch):
    import contest

    monkeypatch.setattr(contest.joblib, "load", lambda _: pytest.fail("unchecked bytes were opened"))
    event["results"][0]["model"]["sha256"] = "0" * 64

    with pytest.raises(storage.DigestMismatchError, match=r"hist_gradient_boosting/model\.joblib"):
        evaluate(event)

    assert list(outbox.pending("data")) == []


@pytest.mark.parametrize("table", ["train", "holdout"])
def test_a_table_that_was_changed_is_not_used(event, evaluate, table):
    storage.write_bytes(event["tables"][table]["uri"], b"other rows")

    with pytest.raises(storage.DigestMismatchError, match=f"first/{table}"):
        evaluate(event)


def test_a_champion_that_was_changed_is_not_used(event, evaluate, champion):
    champion["model"] = live(evaluate(event)["model"])
    storage.write_bytes(champion["model"].artefact_uri, b"{}")

    with pytest.raises(storage.DigestMismatchError, match="models/"):
        evaluate(event | {"execution": "second"})


def test_without_any_trained_candidate_there_is_no_verdict(event, evaluate):
    failed = [
        {"family": "hist_gradient_boosting", "error": "Sandbox.Timedout: 900 s"},
        {"family": "logistic", "error": "x"},
    ]

    with pytest.raises(RuntimeError, match=r"every candidate failed: .*Sandbox\.Timedout"):
        evaluate(event | {"results": failed})

    assert list(outbox.pending("data")) == []


def test_a_family_that_failed_is_reported_and_stops_no_other(event, evaluate):
    failed = {"family": "random_forest", "error": "Sandbox.Timedout: 900 s"}

    verdict = evaluate(event | {"results": [failed, *event["results"]]})

    assert verdict["release"] is True
    evaluation = storage.read_json(verdict["evaluation_uri"])
    assert evaluation["failed"] == [failed]
    assert [item["family"] for item in evaluation["candidates"]] == ["hist_gradient_boosting"]


def test_the_holdout_is_what_started_after_the_cut(event):
    # The event of this module is what plan wrote: the same cut by hand.
    labelled = labels.label(example("nyc_sca_2022-12.csv").table, 30)
    train, holdout = split.split(labelled, date(2021, 7, 1))

    assert event["cut"] == "2021-07-01"
    assert (event["tables"]["train"]["rows"], event["tables"]["holdout"]["rows"]) == (len(train), len(holdout))
