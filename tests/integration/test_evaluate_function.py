"""Evaluate: the contest on the holdout, and what a release and MLflow find afterwards."""

import hashlib
import io
import json
import zipfile

import pytest

from slipcast.datasets import tables as dataset
from slipcast.evaluation import assessment
from slipcast.forecast import training
from slipcast.model import artifact, scorer
from slipcast_aws import storage
from slipcast_aws.release import versions
from slipcast_aws.tracking import outbox
from support.forecast_portfolio import landmarks
from support.once import once
from support.search_records import in_memory, labelled_rows, search_record, tables

SETTINGS = {
    **{"DATA_BUCKET": "data", "PREDICT_FUNCTION": "slipcast-predict", "TOLERANCE_DAYS": "30"},
    **{"MISSED_DELAY_COST": "2", "FALSE_ALARM_COST": "1", "FAIRNESS_COLUMNS": "location, phase"},
    **{"MAX_SELECTION_RATE_GAP": "1", "MAX_FALSE_NEGATIVE_RATE_GAP": "1", "MAX_CALIBRATION_GAP": "1"},
    **{"MIN_FORECAST_COVERAGE": "0.7", "MAX_FORECAST_COVERAGE": "0.9"},
    **{"MAX_MODEL_AGE_DAYS": "365", "NON_INFERIORITY_MARGIN": "0.005"},
}
SEARCH_URI = "s3://data/runs/first/search/search.json"
DATASET = {
    **{"dataset_id": "d1", "data_date": "2022-12-31", "uri": "s3://data/datasets/d1/table.parquet", "rows": 900},
    **{"sha256": "5" * 64, "manifest_uri": "s3://data/datasets/d1/manifest.json"},
}


@pytest.fixture(scope="module", autouse=True)
def computed_once():
    """Those seconds are of what other files test."""
    with once((assessment, "permutation"), (assessment, "dependence")):
        yield


@pytest.fixture(scope="module")
def found_once():
    """A search and the objects that it wrote: the pipelines are fitted once."""
    objects, write = in_memory()
    return search_record(tables(), write), objects


@pytest.fixture
def champion(monkeypatch):
    """The live model; None until a test puts one in."""
    state = {"model": None}
    monkeypatch.setattr(versions, "live_model", lambda function: state["model"])
    return state


@pytest.fixture
def event(s3, found_once):
    """The payload of the state machine after a search."""
    search, objects = found_once
    for uri, raw in objects.items():
        storage.write_bytes(uri, raw)
    return {"execution": "first", "reason": "new_data", "dataset": dict(DATASET), "search": put_search(search)}


@pytest.fixture(scope="module")
def forecast_once():
    """What a search leaves of a forecast: its record and objects."""
    objects, write = in_memory()
    parts = {"train": landmarks(900, seed=1), "holdout": landmarks(400, seed=2, follow_up=(30, 500))}
    stored = {}
    for name, part in parts.items():
        uri = f"s3://data/runs/first/landmarks-{name}.csv.gz"
        stored[name] = {"uri": uri, "sha256": write(uri, dataset.to_bytes(part)), "rows": len(part)}
    params = {"n_estimators": 10, "min_samples_leaf": 40}
    uri = "s3://data/runs/first/search/r1/t0002-forecast.json"
    raw = artifact.encode(training.fit(parts["train"], 0, **params).document())
    model = {"uri": uri, "sha256": write(uri, raw)}
    return {"why": "", "tables": stored, "points": [], "params": params, "fit_seconds": 1.0, "model": model}, objects


@pytest.fixture
def dated(event, found_once, forecast_once):
    """The payload after a search that found a forecast as well."""
    record, objects = forecast_once
    for uri, raw in objects.items():
        storage.write_bytes(uri, raw)
    return event | {"search": put_search(found_once[0] | {"forecast": record})}


def put_search(search: dict) -> dict[str, str]:
    return {"uri": SEARCH_URI, "sha256": storage.write_json(SEARCH_URI, search)}


@pytest.fixture
def evaluate(load_app, s3, champion, lambda_context):
    app = load_app("evaluate", **SETTINGS)
    return lambda event: app.handler(event, lambda_context)


def live(model: dict, trained_at: str | None = None) -> versions.LiveModel:
    return versions.LiveModel(
        version="3",
        model_id=model["model_id"],
        sha256=model["sha256"],
        artefact_uri=model["artefact_uri"],
        profile_uri=model["profile_uri"],
        dataset_id=model["dataset_id"],
        trained_at=model["trained_at"] if trained_at is None else trained_at,
    )


def test_the_first_model_with_signal_is_released(event, evaluate):
    verdict = evaluate(event)

    assert verdict["release"] is True
    assert verdict["why"].startswith("first model with signal: AUC 0.")
    assert verdict["evaluation_uri"] == "s3://data/reports/first/evaluation.json"
    model = verdict["model"]
    assert model["family"] in {"decision_tree", "logistic_regression"}
    assert model["dataset_id"] == "d1"
    assert model["execution"] == "first"


def test_artifact_layer_profile_and_golden_answers_are_stored(event, evaluate, s3, found_once):
    from slipcast.model import scorer

    model = evaluate(event)["model"]

    encoded = storage.read_bytes(model["artefact_uri"])
    assert hashlib.sha256(encoded).hexdigest() == model["sha256"]
    layer = s3.get_object(Bucket="data", Key=model["layer_key"])["Body"].read()
    with zipfile.ZipFile(io.BytesIO(layer)) as archive:
        assert archive.read("slipcast_model/model.json") == encoded
    described = json.loads(encoded)["metadata"]
    assert described["model_id"] == model["model_id"]
    assert described["dataset_id"] == "d1"
    assert described["data_date"] == "2022-12-31"
    assert described["training_cut"] == found_once[0]["cut"]
    assert described["training_rows"] == found_once[0]["tables"]["train"]["rows"]
    assert storage.read_json(model["profile_uri"])["n"] == found_once[0]["tables"]["train"]["rows"]
    golden = storage.read_json(model["golden_uri"])
    assert len(golden["activities"]) == len(golden["scores"]) == 20
    # The golden answers are scikit-learn's: the artifact has to give the same.
    found = scorer.load(encoded, model["sha256"]).predict_proba(golden["activities"])
    assert list(found) == pytest.approx(golden["scores"], abs=1e-9)
    assert not {"actual_finish", "is_late", "status"} & {name for row in golden["activities"] for name in row}


def test_a_release_is_fitted_again_and_the_next_challenger_meets_its_twin(event, evaluate, champion, found_once):
    part = labelled_rows(120, seed=5)
    uri = "s3://data/runs/first/between.csv.gz"
    between = {"uri": uri, "sha256": storage.write_bytes(uri, dataset.to_bytes(part)), "rows": len(part)}
    search = found_once[0] | {"tables": found_once[0]["tables"] | {"between": between}}
    first = evaluate(event | {"search": put_search(search)})
    refit = storage.read_json(first["evaluation_uri"])["refit"]

    assert refit["rows"] == sum(item["rows"] for item in search["tables"].values())
    assert refit["model"]["uri"] == "s3://data/runs/first/search/refitted.joblib"
    storage.read_bytes(refit["model"]["uri"], sha256=refit["model"]["sha256"])
    pin = json.loads(storage.read_bytes(first["model"]["artefact_uri"]))["metadata"]["twin"]
    storage.read_bytes(versions.twin_uri(first["model"]["artefact_uri"]), sha256=pin["sha256"])

    champion["model"] = live(first["model"])
    again = evaluate(event | {"search": put_search(search), "execution": "second"})

    assert again["release"] is False
    assert "gives the same probabilities" in again["why"]


def test_the_evaluation_holds_what_report_and_mlflow_need(event, evaluate, found_once):
    search, _ = found_once
    verdict = evaluate(event)

    assert list(outbox.pending("data")) == [
        (
            "s3://data/tracking/pending/first-1-run.json",
            {"kind": "run", "evaluation_uri": verdict["evaluation_uri"]},
        )
    ]
    evaluation = storage.read_json(verdict["evaluation_uri"])
    assert evaluation["model"] == verdict["model"]
    assert evaluation["challenger"] == verdict["model"]["family"]
    assert evaluation["champion"] is None
    assert evaluation["champion_metrics"] is None
    assert evaluation["decision"]["release"] is True
    for name in ("tables", "protocol", "cut", "seed", "paper"):
        assert evaluation[name] == search[name]
    for name in ("mode", "grain", "tasks", "rounds", "budget", "folds", "select_by"):
        assert evaluation["search"][name] == search[name]
    assert evaluation["search"]["sha256"] == event["search"]["sha256"]
    assert evaluation["reason"] == "new_data"
    assert evaluation["dataset"] == DATASET
    assert evaluation["reproducibility"]["model_sha256"] == verdict["model"]["sha256"]
    assert evaluation["reproducibility"]["seed"] == search["seed"]
    assert {item["family"]: item["model"] for item in evaluation["candidates"]} == {
        item["family"]: item["model"] for item in search["families"] if item["status"] == "fitted"
    }
    scores = [item["cv_score"] for item in evaluation["candidates"]]
    assert scores == sorted(scores)
    assert evaluation["prior"]["brier"] > evaluation["metrics"]["brier"]
    assert evaluation["failed"] == [{"family": "rbf_svc", "status": "failed", "why": "States.Timeout"}]
    assert evaluation["fairness"]["columns"] == ["location", "phase"]


def test_the_live_model_itself_is_not_better_than_the_live_model(event, evaluate, champion):
    champion["model"] = live(evaluate(event)["model"])

    again = evaluate(event | {"execution": "second"})

    assert again["release"] is False
    assert "not better than the champion" in again["why"]
    evaluation = storage.read_json(again["evaluation_uri"])
    known = {name: evaluation["champion"][name] for name in ("version", "model_id", "trained_at")}
    model = champion["model"]
    assert known == {"version": "3", "model_id": model.model_id, "trained_at": model.trained_at}
    assert 0 <= evaluation["champion"]["age_days"] < 1
    assert evaluation["decision"]["numbers"]["brier_gain"] == pytest.approx(0, abs=1e-12)
    assert evaluation["champion_metrics"]["auc"] == pytest.approx(evaluation["metrics"]["auc"])
    assert evaluation["drift"]["against"].endswith("version 3")


@pytest.mark.parametrize(("trained_at", "needed"), [("2020-01-01T00:00:00+00:00", True), ("", False)])
def test_the_age_of_the_champion_counts_if_it_is_known(event, evaluate, champion, trained_at, needed):
    champion["model"] = live(evaluate(event)["model"], trained_at)

    evaluation = storage.read_json(evaluate(event | {"execution": "second"})["evaluation_uri"])

    assert (evaluation["decision"]["needed"] is not None) == needed
    assert (evaluation["champion"]["age_days"] is not None) == needed


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


def test_only_the_challenger_is_opened(event, evaluate, found_once):
    search = found_once[0]
    challenger = min((item for item in search["families"] if item["status"] == "fitted"), key=lambda i: i["cv_score"])
    for item in search["families"]:
        if item["status"] == "fitted" and item is not challenger:
            storage.delete(item["model"]["uri"])

    assert evaluate(event)["model"]["family"] == challenger["family"]


def test_a_limit_of_the_owner_is_kept(event, evaluate, monkeypatch):
    # Short activities are seldom warned of: no model with signal selects both groups alike.
    table = tables()
    for part in table.values():
        days = (part["baseline_finish"] - part["start"]).dt.days
        part["work_type"] = days.gt(200).map({True: "long", False: "short"})
    event["search"] = put_search(search_record(table, storage.write_bytes, families=["decision_tree"]))
    monkeypatch.setenv("FAIRNESS_COLUMNS", "work_type")
    assert evaluate(event)["release"] is True

    monkeypatch.setenv("MAX_SELECTION_RATE_GAP", "0.2")
    verdict = evaluate(event)

    assert verdict["release"] is False
    assert "unfair: selection rate by work_type differs by at least 0." in verdict["why"]


def test_a_candidate_with_another_digest_is_not_opened(event, evaluate, found_once, monkeypatch):
    from evaluate import judge

    monkeypatch.setattr(judge.joblib, "load", lambda _: pytest.fail("unchecked bytes were opened"))
    changed = json.loads(json.dumps(found_once[0]))
    for item in changed["families"]:
        if item["status"] == "fitted":
            item["model"]["sha256"] = "0" * 64
    event["search"] = put_search(changed)

    with pytest.raises(storage.DigestMismatchError, match=r"model\.joblib"):
        evaluate(event)

    assert list(outbox.pending("data")) == []


@pytest.mark.parametrize("what", ["train", "holdout", "oof", "holdout_p", "search"])
@pytest.mark.fault(
    "pipeline",
    "what a training left",
    "its bytes are others than those recorded",
    "it is not opened, nothing is released",
)
def test_what_was_changed_is_not_used(event, evaluate, found_once, what):
    search = found_once[0]
    uris = {name: [item["uri"]] for name, item in search["tables"].items()} | {"search": [SEARCH_URI]}
    for name in ("oof", "holdout_p"):
        uris[name] = [item[name]["uri"] for item in search["families"] if item["status"] == "fitted"]
    for uri in uris[what]:
        storage.write_bytes(uri, b"other bytes")

    with pytest.raises(storage.DigestMismatchError, match="runs/first"):
        evaluate(event)


def test_a_champion_that_was_changed_is_not_used_but_replaced(event, evaluate, champion):
    """To train again is how an operator gets rid of it: every training that stopped here would keep it live."""
    first = evaluate(event)["model"]
    champion["model"] = live(first)
    # A model that could be read and would score.
    document = json.loads(storage.read_bytes(first["artefact_uri"]))
    changed = artifact.encode(document | {"threshold": document["threshold"] / 2})
    scorer.load(changed, artifact.digest(changed))
    storage.write_bytes(first["artefact_uri"], changed)

    verdict = evaluate(event | {"execution": "second"})

    assert verdict["release"]
    assert f"cannot be read: the model's SHA-256 is {artifact.digest(changed)}, not the released" in verdict["why"]
    evaluation = storage.read_json(verdict["evaluation_uri"])
    assert evaluation["champion_metrics"] is None
    assert evaluation["champion"]["version"] == "3"


# Two whole evaluations; what a verdict makes of it has its test in tests/reported/test_unreadable_model.py.
@pytest.mark.slow
def test_a_champion_whose_artifact_is_gone_is_replaced(event, evaluate, champion):
    champion["model"] = live(evaluate(event)["model"])
    storage.delete(champion["model"].artefact_uri)

    verdict = evaluate(event | {"execution": "second"})

    assert verdict["release"]
    assert "cannot be read" in verdict["why"]


def files_of_layer(model: dict) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(storage.read_bytes(f"s3://data/{model['layer_key']}"))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def metadata(model: dict) -> dict:
    return json.loads(storage.read_bytes(model["artefact_uri"], sha256=model["sha256"]))["metadata"]


def test_a_forecast_is_stored_next_to_its_model_which_pins_it(dated, evaluate, forecast_once):
    verdict = evaluate(dated)
    model = verdict["model"]

    pinned = metadata(model)["forecast"]
    raw = storage.read_bytes(model["forecast_uri"], sha256=pinned["sha256"])
    assert pinned["tolerance_days"] == 30
    assert raw == forecast_once[1][forecast_once[0]["model"]["uri"]]
    assert files_of_layer(model) == {
        "slipcast_model/model.json": storage.read_bytes(model["artefact_uri"]),
        "slipcast_model/forecast.json": raw,
    }
    # Who knows the live model finds it without being told.
    assert live(model).forecast_uri == model["forecast_uri"]
    evaluation = storage.read_json(verdict["evaluation_uri"])
    assert evaluation["forecast"]["released"] == "forecast"
    assert evaluation["model"]["forecast_uri"] == model["forecast_uri"]


def test_the_live_forecast_is_judged_on_the_same_landmarks(dated, evaluate, champion):
    champion["model"] = live(evaluate(dated)["model"])

    again = evaluate(dated | {"execution": "second"})

    assert again["release"] is False
    found = storage.read_json(again["evaluation_uri"])["forecast"]
    assert found["pinball"]["live forecast"]["less"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("how", ["changed", "gone", "other tolerance"])
def test_a_live_forecast_that_cannot_be_compared_is_replaced(dated, evaluate, champion, how, monkeypatch):
    model = evaluate(dated)["model"]
    champion["model"] = live(model)
    if how == "changed":
        storage.write_bytes(model["forecast_uri"], storage.read_bytes(model["forecast_uri"]) + b" ")
    elif how == "gone":
        storage.delete(model["forecast_uri"])
    else:
        monkeypatch.setenv("TOLERANCE_DAYS", "20")

    again = evaluate(dated | {"execution": "second"})

    found = storage.read_json(again["evaluation_uri"])["forecast"]
    assert "live forecast" not in found["pinball"]
    assert "needed (the live model has no forecast)" in again["why"]


def test_a_forecast_beyond_the_owners_bounds_is_left_out_and_the_classifier_released(dated, evaluate, monkeypatch):
    monkeypatch.setenv("MIN_FORECAST_COVERAGE", "0.99")

    verdict = evaluate(dated)

    assert verdict["release"] is True
    assert "forecast_uri" not in verdict["model"]
    assert "forecast" not in metadata(verdict["model"])
    assert list(files_of_layer(verdict["model"])) == ["slipcast_model/model.json"]
    reasons = storage.read_json(verdict["evaluation_uri"])["forecast"]["reasons"]
    assert "at least 99% are asked for (MinForecastCoverage)" in reasons[0]


def test_without_landmarks_the_evaluation_says_why_there_are_no_dates(event, evaluate):
    verdict = evaluate(event)

    assert verdict["release"] is True
    assert storage.read_json(verdict["evaluation_uri"])["forecast"]["reasons"] == ["no new forecast: no landmarks"]


def test_a_forecast_that_could_not_be_fitted_leaves_the_live_one(dated, event, evaluate, champion, found_once):
    first = evaluate(dated)["model"]
    champion["model"] = live(first, "2020-01-01T00:00:00+00:00")
    # The same search, of which the task that fits the forecast was lost.
    lost = found_once[0] | {"forecast": {"why": "its task did not finish", "tables": {}, "points": []}}

    verdict = evaluate(event | {"execution": "second", "search": put_search(lost)})

    pinned = metadata(verdict["model"])["forecast"]
    assert pinned == metadata(first)["forecast"]
    assert artifact.digest(files_of_layer(verdict["model"])["slipcast_model/forecast.json"]) == pinned["sha256"]
    assert storage.read_json(verdict["evaluation_uri"])["forecast"]["released"] == "live forecast"


@pytest.mark.parametrize("what", ["train", "holdout", "model"])
def test_landmarks_and_forecasts_that_were_changed_are_not_used(dated, evaluate, forecast_once, what):
    record = forecast_once[0]
    item = record["model"] if what == "model" else record["tables"][what]
    storage.write_bytes(item["uri"], b"other bytes")

    with pytest.raises(storage.DigestMismatchError, match="runs/first"):
        evaluate(dated)
