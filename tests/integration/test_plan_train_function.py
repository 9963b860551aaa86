"""Plan and train: the split of a dataset by time, and the search, round by round."""

import hashlib
import io
import json

import joblib
import numpy as np
import pandas as pd
import pytest

from slipcast.datasets import tables
from slipcast.features.table import feature_table
from slipcast.forecast import completion, landmarks, network_table
from slipcast.forecast import training as forecast_training
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.network_model import NetworkModel
from slipcast_aws import storage
from slipcast_aws.release import versions
from support import schedules
from support.network_portfolio import Portfolio
from support.once import once

SETTINGS = {
    "DATA_BUCKET": "data",
    "TOLERANCE_DAYS": "30",
    "HOLDOUT_MONTHS": "18",
    "RANDOM_SEED": "20240101",
    "SEARCH_BUDGET_SECONDS": "0",
    "PAPER_PROTOCOL": "false",
    "TOLERATED_FAILURE_SHARE": "0.25",
    "INLINE_TASKS": "100",
    "TRAIN_MEMORY_MB": "3008",
}
JUDGING = {
    **{"PREDICT_FUNCTION": "slipcast-predict", "MISSED_DELAY_COST": "2", "FALSE_ALARM_COST": "1"},
    **{"FAIRNESS_COLUMNS": "", "MAX_SELECTION_RATE_GAP": "1", "MAX_FALSE_NEGATIVE_RATE_GAP": "1"},
    **{"MAX_CALIBRATION_GAP": "1", "MIN_FORECAST_COVERAGE": "0.7", "MAX_FORECAST_COVERAGE": "0.9"},
    **{"MAX_MODEL_AGE_DAYS": "365", "NON_INFERIORITY_MARGIN": "0.005"},
}
# Declared slower than they are, so that there are several tasks.
COST = {"seconds": 20.0, "growth": 1.0}
TREE = {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "grid": {"max_depth": [2, 4]}, "cost": COST}
LOGIT = {
    "name": "logit",
    "estimator": "sklearn.linear_model.LogisticRegression",
    "scale": True,
    "params": {"max_iter": 2000},
    "grid": {"C": [0.01, 0.1]},
    "cost": COST,
}
# One whose parameters scikit-learn refuses, and a family that is too large for the rows.
BROKEN = {**TREE, "name": "broken", "grid": {"max_depth": [-1]}}
HUGE = {**TREE, "name": "huge", "max_rows": 10}
FORECAST = {"params": {"n_estimators": 5}, "grid": {"min_samples_leaf": [40, 80]}}


@pytest.fixture(scope="module", autouse=True)
def computed_once():
    """Most tests here are of the search for the classifier, and each of them plans."""
    with once((landmarks, "landmark_table"), (forecast_training, "fit")):
        yield


@pytest.fixture
def manifest(s3):
    """The manifest of the example, as prepare returns it, with its table in the bucket."""
    schedule = schedules.example("nyc_sca_2022-12.csv")
    uri = "s3://data/datasets/d1/table.parquet"
    sha256 = storage.write_bytes(uri, schedule.parquet)
    return {"dataset_id": "d1", "data_date": schedule.data_date.isoformat(), "uri": uri, "sha256": sha256}


@pytest.fixture
def declare(s3):
    return lambda *families: storage.write_bytes("s3://data/config/candidates.json", json.dumps(families).encode())


@pytest.fixture
def plan(load_app, manifest, lambda_context, declare):
    app = load_app("plan", **SETTINGS)
    declare(TREE, LOGIT)

    def run(execution: str = "new-data-1", **changed: str) -> dict:
        return app.handler({"execution": execution, "dataset": manifest | changed}, lambda_context)

    run.declare_forecast = lambda declared: storage.write_bytes(
        "s3://data/config/forecast.json", json.dumps(declared).encode()
    )
    run.declare_forecast(FORECAST)
    run.after = lambda step: app.handler({"round": step["round"]}, lambda_context)
    return run


@pytest.fixture
def train(load_app, manifest, lambda_context):
    app = load_app("train", **SETTINGS)
    return lambda step, task: app.handler({"task": task, "round": step["round"]}, lambda_context)


@pytest.fixture
def search(plan, train):
    """Carry a search through as the state machine does.

    `lose` names tasks of the first round, or kinds of tasks, that never end.
    """

    def run(execution: str = "new-data-1", lose: tuple[str, ...] = ()) -> dict:
        step = plan(execution)
        while step["next"] != "evaluate":
            kinds = {task["id"]: task["kind"] for task in storage.read_json(step["round"]["uri"])["tasks"]}
            for task in step["tasks"]:
                if kinds[task] not in lose and ("/r0/" not in step["round"]["uri"] or task not in lose):
                    train(step, task)
            step = plan.after(step)
        return storage.read_json(step["search"]["uri"], sha256=step["search"]["sha256"])

    return run


def table(item: dict) -> pd.DataFrame:
    return tables.from_bytes(storage.read_bytes(item["uri"], sha256=item["sha256"]))


def planned(step: dict) -> dict:
    document = storage.read_json(step["round"]["uri"], sha256=step["round"]["sha256"])
    return storage.read_json(document["plan"]["uri"], sha256=document["plan"]["sha256"])


def family(found: dict, name: str) -> dict:
    return next(item for item in found["families"] if item["family"] == name)


def test_the_first_round_covers_every_point_and_fold_once(plan):
    step = plan()
    document = storage.read_json(step["round"]["uri"])
    units = [tuple(unit) for task in document["tasks"] if task["kind"] == "search" for unit in task["units"]]

    assert step["next"] == "inline"
    assert sorted(units) == [(name, point, fold) for name in ("logit", "tree") for point in (0, 1) for fold in range(5)]
    # Step Functions carries 256 KiB: tables and tasks travel as URIs.
    assert len(json.dumps(step)) < 2_000


def test_more_tasks_than_an_execution_can_hold_are_distributed(plan, monkeypatch):
    monkeypatch.setenv("INLINE_TASKS", "2")

    assert plan()["next"] == "distributed"


def test_nothing_of_after_the_cut_is_in_the_training_table(plan):
    found = planned(plan())

    assert found["cut"] == "2021-07-01"
    cut = pd.Timestamp(found["cut"])
    train, holdout = (table(found["tables"][name]) for name in ("train", "holdout"))
    assert train["start"].max() < cut
    assert train["matured_at"].max() < cut
    assert holdout["start"].min() >= cut
    assert (len(train), len(holdout)) == tuple(found["tables"][name]["rows"] for name in ("train", "holdout"))
    assert min(len(train), len(holdout)) > 100
    assert not set(train["activity_id"]) & set(holdout["activity_id"])
    assert set(train["is_late"]) == set(holdout["is_late"]) == {0, 1}


def test_landmarks_before_the_cut_know_nothing_of_after_it_and_hold_what_is_still_open(plan):
    found = planned(plan())
    last = pd.Timestamp(found["cut"]) - pd.Timedelta(days=1)
    train, holdout = (table(found["forecast"]["tables"][name]) for name in ("train", "holdout"))

    assert train["landmark"].max() < last
    assert (train["landmark"] + pd.to_timedelta(train["remaining"].fillna(0), unit="D")).max() <= last
    assert (train["landmark"] + pd.to_timedelta(train["follow_up"], unit="D")).unique().tolist() == [last]
    assert holdout["landmark"].min() == last
    assert set(holdout["landmark"].dt.quarter) == {1, 2, 3, 4}
    # Not only what has a label: leaving out the slow ones would make every forecast too early.
    labelled = set(table(found["tables"]["train"])["activity_id"])
    assert set(train.loc[train["remaining"].isna(), "activity_id"]) - labelled
    assert holdout["remaining"].isna().any()


def test_the_forecast_is_measured_and_fitted_by_tasks_of_the_same_rounds(search):
    found = search()["forecast"]

    best = min(found["points"], key=lambda point: point["pinball"])
    assert [point["params"]["min_samples_leaf"] for point in found["points"]] == [40, 80]
    assert (found["params"], found["why"]) == (best["params"], "")
    document = json.loads(storage.read_bytes(found["model"]["uri"], sha256=found["model"]["sha256"]))
    assert len(document["trees"]) == 5
    row = table(found["tables"]["holdout"]).query("stage == 'in_progress'").iloc[0].to_dict()
    said = Forecaster(document).forecast(row, row["stage"], row["limit"], 0.5)
    assert 0 < said.quantile(0.1) < said.quantile(0.9)


def test_the_networks_of_a_dataset_teach_completions_and_activities(search, manifest, tmp_path, monkeypatch):
    monkeypatch.setattr(network_table, "FEWEST_PROJECTS", 8)
    monkeypatch.setattr(network_table, "FEWEST_JUDGED", 4)
    monkeypatch.setattr(network_table, "MOST_UPDATES", 3)
    monkeypatch.setattr(network_table, "JUDGED_DRAWS", 40)
    monkeypatch.setattr(completion, "ITERATIONS", 5)
    stored = {}
    for name, file in Portfolio(20, begin="2018-09", every=3).write(tmp_path).items():
        uri = f"s3://data/datasets/d1/{name}.parquet"
        stored[name] = {"uri": uri, "sha256": storage.write_bytes(uri, file.read_bytes())}
    manifest["manifest_uri"] = "s3://data/datasets/d1/manifest.json"
    storage.write_json(manifest["manifest_uri"], {"network": stored})

    found = search()["forecast"]

    assert (found["why"], found["networks"]["why"]) == ("", "")
    rows = {name: table(item) for name, item in found["networks"]["tables"].items()}
    assert (
        rows["projects-train"]["data_date"].max()
        < pd.Timestamp("2021-07-01")
        <= rows["projects-holdout"]["data_date"].min()
    )
    model = NetworkModel(json.loads(storage.read_bytes(**found["model"]))["network"])
    assert model.projects == rows["projects-train"]["project_id"].nunique() >= 8
    said = model.completion(rows["projects-holdout"].iloc[0].to_dict())
    assert 0 < said[0] <= said[3]


def test_a_dataset_with_few_networks_has_a_forecast_without_them_and_says_why(search):
    found = search()["forecast"]

    assert found["networks"] == {"why": "no schedule of the dataset has a network", "tables": {}}
    assert "network" not in json.loads(storage.read_bytes(**found["model"]))


@pytest.mark.parametrize("kind", ["forecast_search", "forecast_fit"])
def test_a_forecast_task_that_never_ended_costs_no_classifier(search, kind):
    found = search(lose=(kind,))

    assert {item["status"] for item in found["families"]} == {"fitted"}
    if kind == "forecast_search":
        # Nothing says which point is better: the first is fitted.
        assert {point["error"][:14] for point in found["forecast"]["points"]} == {"did not finish"}
        assert found["forecast"]["params"] == found["forecast"]["points"][0]["params"]
    else:
        assert found["forecast"]["why"] == "its task did not finish"
        assert "model" not in found["forecast"]


def test_the_tables_of_an_execution_are_its_own_and_repeatable(plan):
    first, again, other = plan("e1"), plan("e1"), plan("e2")

    assert first == again
    one, two = planned(first), planned(other)
    assert one["tables"]["train"]["uri"] == "s3://data/runs/e1/train.csv.gz"
    assert two["tables"]["train"]["uri"] == "s3://data/runs/e2/train.csv.gz"
    assert two["tables"]["train"]["sha256"] == one["tables"]["train"]["sha256"]
    assert two["tracks"]["main"]["data"]["sha256"] == one["tracks"]["main"]["data"]["sha256"]


def test_the_length_of_the_holdout_is_a_setting(plan, monkeypatch):
    monkeypatch.setenv("HOLDOUT_MONTHS", "12")

    assert planned(plan())["cut"] == "2022-01-01"


def test_a_history_that_leaves_nothing_to_train_on_is_refused(plan, monkeypatch):
    monkeypatch.setenv("HOLDOUT_MONTHS", "600")

    with pytest.raises(ValueError, match=r"leaves 0 activities to train on .* lower HoldoutMonths"):
        plan()

    assert list(storage.list_uris("s3://data/runs/")) == []


def test_a_dataset_with_another_digest_is_not_planned(plan):
    with pytest.raises(storage.DigestMismatchError, match="datasets/d1"):
        plan(sha256="0" * 64)


def test_a_declaration_that_is_wrong_names_its_object_and_the_remedy(plan, declare):
    declare({**TREE, "depth": 3})

    with pytest.raises(ValueError, match=r"s3://data/config/candidates\.json: tree: unknown field depth; there are "):
        plan()


def test_a_declaration_of_the_forecast_that_is_wrong_names_its_object(plan):
    plan.declare_forecast({"leaf": [10]})

    with pytest.raises(ValueError, match=r"s3://data/config/forecast\.json: .* the fields params and grid"):
        plan()


def test_rows_that_do_not_fit_into_the_function_are_refused_before_it_runs(plan, monkeypatch):
    monkeypatch.setenv("TRAIN_MEMORY_MB", "1")

    with pytest.raises(ValueError, match="raise the parameter TrainMemoryMb"):
        plan()


def test_a_search_fits_the_best_point_of_each_family_and_says_how_the_others_did(search, declare):
    declare(TREE, LOGIT, BROKEN, HUGE)
    found = search()

    assert {item["family"]: item["status"] for item in found["families"]} == {
        **{"tree": "fitted", "logit": "fitted"},
        **{"broken": "failed", "huge": "skipped"},
    }
    assert "max_depth" in family(found, "broken")["why"]
    assert "max_rows of 10" in family(found, "huge")["why"]
    for name in ("tree", "logit"):
        item = family(found, name)
        best = min(item["points"], key=lambda point: point["mean_brier"])
        assert (item["best_params"], item["cv_score"]) == (best["params"], best["mean_brier"])
        assert len(item["points"]) == 2
        assert 0 < item["cv_score"] < 0.3
    assert found["tasks"]["failed_fits"] == 5
    assert found["tasks"]["failed_share"] == 0.2


def test_what_is_stored_of_a_family_is_what_the_record_says(search):
    found = search()
    train, holdout = (table(found["tables"][name]) for name in ("train", "holdout"))
    for item in found["families"]:
        raw = storage.read_bytes(item["model"]["uri"], sha256=item["model"]["sha256"])
        model = joblib.load(io.BytesIO(raw))
        p = np.load(io.BytesIO(storage.read_bytes(**item["holdout_p"])))
        np.testing.assert_array_equal(model.predict_proba(feature_table(holdout))[:, 1], p)
        with np.load(io.BytesIO(storage.read_bytes(**item["oof"]))) as oof:
            assert len(oof["row"]) == sum(fold["test"] for fold in found["folds"])
            late = train["is_late"].to_numpy()[oof["row"]]
            briers = [np.mean((oof["p"] - late)[oof["fold"] == fold] ** 2) for fold in range(5)]
        assert np.mean(briers) == pytest.approx(item["cv_score"], abs=1e-12)


def test_the_same_search_finds_the_same(search):
    first, again = search(), search("new-data-2")

    for one, two in zip(first["families"], again["families"], strict=True):
        assert two["cv_score"] == one["cv_score"]
        assert two["model"]["sha256"] == one["model"]["sha256"]
        assert two["oof"]["sha256"] == one["oof"]["sha256"]


def test_a_task_that_never_ended_is_counted_and_told(search, plan, monkeypatch):
    # Eight tasks: the lost one holds fits of one family.
    monkeypatch.setenv("TOLERATED_FAILURE_SHARE", "0.6")
    found = search(lose=("t0000",))

    assert found["tasks"]["failed"] == 1
    errors = [point["error"] for item in found["families"] for point in item["points"] if point["error"]]
    assert errors
    assert all(error.startswith("did not finish") for error in errors)


def test_more_failures_than_tolerated_stop_the_search(search, declare):
    declare(TREE, BROKEN)

    with pytest.raises(RuntimeError, match=r"5 of 15 fits failed, more than the tolerated share of 25%.*max_depth"):
        search()


def test_beside_the_protocol_in_time_stands_that_of_the_literature(search, monkeypatch):
    monkeypatch.setenv("PAPER_PROTOCOL", "true")
    found = search()
    paper = found["paper"]

    assert paper["rows"]["train"] == round((paper["rows"]["train"] + paper["rows"]["test"]) * 0.8)
    assert {item["family"] for item in paper["families"]} == {"tree", "logit"}
    assert paper["chosen"] == paper["families"][0]["family"]
    for item in paper["families"]:
        (tn, fp), (fn, tp) = item["test"]["confusion"]
        assert tn + fp + fn + tp == paper["rows"]["test"]
        assert item["test"]["accuracy"] == pytest.approx((tn + tp) / paper["rows"]["test"])
    assert found["select_by"] == "brier"


def test_a_file_without_dates_is_searched_by_the_protocol_of_the_literature(search, manifest, plan):
    schedule = schedules.example("exports/schedule_management.csv")
    manifest["sha256"] = storage.write_bytes(manifest["uri"], schedule.parquet)
    manifest["data_date"] = None
    found = search()

    assert (found["protocol"], found["select_by"], found["cut"]) == ("paper", "accuracy", None)
    assert found["features"] == {
        "numeric": ["project_schedules", "construction_activity_data"],
        "categorical": [],
    }
    assert (found["tables"]["train"]["rows"], found["tables"]["holdout"]["rows"]) == (80, 20)
    assert {item["status"] for item in found["families"]} == {"fitted"}


def test_the_random_labels_of_the_literature_are_found_to_hold_no_signal(
    search, manifest, load_app, lambda_context, monkeypatch
):
    schedule = schedules.example("exports/schedule_management.csv")
    manifest["sha256"] = storage.write_bytes(manifest["uri"], schedule.parquet)
    manifest["data_date"] = None
    found = search()
    uri = "s3://data/runs/new-data-1/search/found.json"
    evaluate = load_app("evaluate", **SETTINGS, **JUDGING)
    monkeypatch.setattr(versions, "live_model", lambda function: None)
    verdict = evaluate.handler(
        {
            **{"execution": "new-data-1", "reason": "new_data", "dataset": {**manifest, "dataset_id": "d1"}},
            "search": {"uri": uri, "sha256": storage.write_json(uri, found)},
        },
        lambda_context,
    )
    evaluation = storage.read_json(verdict["evaluation_uri"])

    assert not verdict["release"]
    assert "no signal" in verdict["why"]
    broken = {limit["name"] for limit in evaluation["decision"]["limits"] if limit["broken"]}
    assert any(name.startswith("signal: ") for name in broken)
    assert evaluation["metrics"]["accuracy"] <= evaluation["metrics"]["majority_accuracy"]


def test_rows_with_another_digest_are_not_used(plan, train):
    step = plan()
    storage.write_bytes("s3://data/runs/new-data-1/search/main.npz", b"other rows")

    with pytest.raises(storage.DigestMismatchError, match=r"runs/new-data-1/search/main\.npz"):
        train(step, "t0000")

    assert list(storage.list_uris("s3://data/runs/new-data-1/search/r0/")) == [step["round"]["uri"]]


def test_a_round_with_another_digest_is_not_run(plan, train):
    step = plan()
    storage.write_bytes(step["round"]["uri"], b"{}")

    with pytest.raises(storage.DigestMismatchError, match=r"r0/round\.json"):
        train(step, "t0000")


def test_the_digest_of_a_model_is_that_of_its_bytes(search):
    for item in search()["families"]:
        assert hashlib.sha256(storage.read_bytes(item["model"]["uri"])).hexdigest() == item["model"]["sha256"]
