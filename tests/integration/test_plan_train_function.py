"""Plan and train: the split of a dataset by time, and one family searched on it."""

import hashlib
import io
import json

import joblib
import pandas as pd
import pytest
import schedules

from slipcast import dataset
from slipcast.candidates import load_candidates
from slipcast.feature_table import feature_table
from slipcast_aws import storage

SETTINGS = {"DATA_BUCKET": "data", "TOLERANCE_DAYS": "30", "HOLDOUT_MONTHS": "18", "RANDOM_SEED": "20240101"}


@pytest.fixture
def manifest(s3):
    """The manifest of the example, as prepare returns it, with its table in the bucket."""
    schedule = schedules.example("nyc_sca_2022-12.csv")
    uri = "s3://data/datasets/d1/table.parquet"
    sha256 = storage.write_bytes(uri, schedule.parquet)
    return {"dataset_id": "d1", "data_date": schedule.data_date.isoformat(), "uri": uri, "sha256": sha256}


@pytest.fixture
def plan(load_app, manifest, lambda_context):
    app = load_app("plan", **SETTINGS)

    def run(execution: str = "new-data-1", **changed: str) -> dict:
        return app.handler({"execution": execution, "dataset": manifest | changed}, lambda_context)

    return run


@pytest.fixture
def train(load_app, manifest, lambda_context):
    app = load_app("train", **SETTINGS)
    return lambda task, execution="new-data-1": app.handler({"execution": execution, **task}, lambda_context)


def table(item: dict) -> pd.DataFrame:
    return dataset.from_bytes(storage.read_bytes(item["uri"], sha256=item["sha256"]))


def task_of(planned: dict, family: str) -> dict:
    return next(item for item in planned["tasks"] if item["family"] == family)


def test_there_is_a_task_for_each_family(plan):
    planned = plan()

    assert [task["family"] for task in planned["tasks"]] == [candidate.name for candidate in load_candidates()]
    assert all(task["train"] == planned["tables"]["train"] for task in planned["tasks"])
    # Step Functions carries 256 KiB: tables travel as URIs.
    assert len(json.dumps(planned)) < 10_000


def test_nothing_of_after_the_cut_is_in_the_training_table(plan):
    planned = plan()

    assert planned["cut"] == "2021-07-01"
    cut = pd.Timestamp(planned["cut"])
    train, holdout = (table(planned["tables"][name]) for name in ("train", "holdout"))
    assert train["start"].max() < cut
    assert train["label_known_at"].max() < cut
    assert holdout["start"].min() >= cut
    assert (len(train), len(holdout)) == tuple(planned["tables"][name]["rows"] for name in ("train", "holdout"))
    assert min(len(train), len(holdout)) > 100
    assert not set(train["activity_id"]) & set(holdout["activity_id"])
    assert set(train["is_late"]) == set(holdout["is_late"]) == {0, 1}


def test_the_tables_of_an_execution_are_its_own_and_repeatable(plan):
    first, again, other = plan("e1"), plan("e1"), plan("e2")

    assert first == again
    assert first["tables"]["train"]["uri"] == "s3://data/runs/e1/train.csv.gz"
    assert other["tables"]["train"]["uri"] == "s3://data/runs/e2/train.csv.gz"
    assert other["tables"]["train"]["sha256"] == first["tables"]["train"]["sha256"]


def test_the_length_of_the_holdout_is_a_setting(plan, monkeypatch):
    monkeypatch.setenv("HOLDOUT_MONTHS", "12")

    assert plan()["cut"] == "2022-01-01"


def test_a_history_that_leaves_nothing_to_train_on_is_refused(plan, monkeypatch):
    monkeypatch.setenv("HOLDOUT_MONTHS", "600")

    with pytest.raises(ValueError, match=r"leaves 0 activities to train on .* lower HoldoutMonths"):
        plan()

    assert list(storage.list_uris("s3://data/runs/")) == []


def test_a_dataset_with_another_digest_is_not_planned(plan):
    with pytest.raises(storage.DigestMismatchError, match="datasets/d1"):
        plan(sha256="0" * 64)


def test_a_family_is_searched_and_its_pipeline_stored(plan, train):
    planned = plan()
    result = train(task_of(planned, "decision_tree"))

    assert result["family"] == "decision_tree"
    assert result["model"]["uri"] == "s3://data/runs/new-data-1/candidates/decision_tree/model.joblib"
    raw = storage.read_bytes(result["model"]["uri"])
    assert hashlib.sha256(raw).hexdigest() == result["model"]["sha256"]
    assert storage.read_json("s3://data/runs/new-data-1/candidates/decision_tree/result.json") == result
    candidate = next(item for item in load_candidates() if item.name == "decision_tree")
    points = 1
    for values in candidate.grid.values():
        points *= len(values)
    assert len(result["cv"]) == points
    best = min(result["cv"], key=lambda point: point["mean_brier"])
    assert result["best_params"] == best["params"]
    assert 0 < best["mean_brier"] < 0.25
    model = joblib.load(io.BytesIO(raw))
    scores = model.predict_proba(feature_table(table(planned["tables"]["holdout"])))[:, 1]
    assert scores.min() < scores.max()


def test_the_same_search_finds_the_same(plan, train):
    task = task_of(plan(), "decision_tree")
    first, again = train(task), train(task, "new-data-2")

    assert again["best_params"] == first["best_params"]
    assert again["cv"] == first["cv"]
    assert again["model"]["sha256"] == first["model"]["sha256"]


def test_a_training_table_with_another_digest_is_not_used(plan, train):
    task = task_of(plan(), "decision_tree")
    storage.write_bytes(task["train"]["uri"], b"other rows")

    with pytest.raises(storage.DigestMismatchError, match=r"runs/new-data-1/train\.csv\.gz"):
        train(task)

    assert list(storage.list_uris("s3://data/runs/new-data-1/candidates/")) == []
