"""Training outside AWS: ``python -m slipcast`` beside the pipeline's functions, one dataset version, one digest."""

import json
import os
import subprocess
import sys

import pytest

from slipcast.datasets import versions
from slipcast.datasets.network_columns import TABLES
from slipcast.model.artifact import digest
from slipcast_aws import storage
from support import schedules
from support.network_portfolio import Portfolio
from support.portable_bundle import ask, served

pytestmark = pytest.mark.slow

EXAMPLE = "nyc_sca_2022-12.csv"
NETWORK = "annex/ps118_annex_2025-02-28.xer"
COST = {"seconds": 20.0, "growth": 1.0}
CANDIDATES = [
    {"name": "tree", "estimator": "sklearn.tree.DecisionTreeClassifier", "grid": {"max_depth": [2, 4]}, "cost": COST},
    {"name": "naive", "estimator": "sklearn.naive_bayes.GaussianNB", "grid": {"var_smoothing": [0.01]}, "cost": COST},
]
FORECAST = {"params": {"n_estimators": 4}, "grid": {"min_samples_leaf": [80]}}
PLANNING = {
    **{"DATA_BUCKET": "data", "TOLERANCE_DAYS": "30", "HOLDOUT_MONTHS": "18", "RANDOM_SEED": "20240101"},
    **{"SEARCH_BUDGET_SECONDS": "0", "PAPER_PROTOCOL": "false", "TOLERATED_FAILURE_SHARE": "0.25"},
    **{"INLINE_TASKS": "100", "TRAIN_MEMORY_MB": "3008"},
}
JUDGING = {
    **{"PREDICT_FUNCTION": "slipcast-predict", "MISSED_DELAY_COST": "2", "FALSE_ALARM_COST": "1"},
    **{"FAIRNESS_COLUMNS": "location", "MAX_SELECTION_RATE_GAP": "1", "MAX_FALSE_NEGATIVE_RATE_GAP": "1"},
    **{"MAX_CALIBRATION_GAP": "1", "MIN_FORECAST_COVERAGE": "0.7", "MAX_FORECAST_COVERAGE": "0.9"},
    **{"MAX_MODEL_AGE_DAYS": "365", "NON_INFERIORITY_MARGIN": "0.005"},
}


def run(*arguments, **environment):
    """Run the command as another platform's container does."""
    return subprocess.run(
        [sys.executable, "-m", "slipcast", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def declared(tmp_path):
    for name, document in {"candidates": CANDIDATES, "forecast": FORECAST}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return ["--candidates", str(tmp_path / "candidates.json"), "--forecast", str(tmp_path / "forecast.json")]


@pytest.mark.parametrize("networks", [False, True])
def test_the_same_dataset_gives_the_digest_of_the_pipeline(
    s3, load_app, lambda_context, declared, tmp_path, monkeypatch, networks
):
    data, out = tmp_path / "data", tmp_path / "model"
    assert run("prepare", "--data", str(schedules.EXAMPLES / EXAMPLE), "--out", str(data)).returncode == 0
    manifest = json.loads((data / "manifest.json").read_text())
    if networks:
        # As many projects as teach a model of networks, on both sides of the cut.
        files = Portfolio(42, begin="2018-07", every=6, apart=1).write(data)
        manifest = versions.with_network(manifest, files, tmp_path)
        (data / "manifest.json").write_text(json.dumps(manifest))
    done = run("train", *declared, SM_CHANNEL_TRAINING=str(data), SM_MODEL_DIR=str(out))
    assert done.returncode == 0, done.stderr

    storage.write_bytes("s3://data/config/candidates.json", json.dumps(CANDIDATES).encode())
    storage.write_bytes("s3://data/config/forecast.json", json.dumps(FORECAST).encode())
    uri = "s3://data/datasets/d1/table.parquet"
    sha256 = storage.write_bytes(uri, (data / "table.parquet").read_bytes())
    dataset = {
        "dataset_id": manifest["dataset_id"],
        "data_date": manifest["data_date"][:10],
        "uri": uri,
        "sha256": sha256,
    }
    if networks:
        for name, item in manifest["network"].items():
            item["uri"] = f"s3://data/datasets/d1/{name}.parquet"
            storage.write_bytes(item["uri"], files[name].read_bytes())
    dataset["manifest_uri"] = "s3://data/datasets/d1/manifest.json"
    storage.write_json(dataset["manifest_uri"], manifest)
    plan, train = load_app("plan", **PLANNING), load_app("train")
    step = plan.handler({"execution": "e1", "dataset": dataset}, lambda_context)
    while step["next"] != "evaluate":
        for task in step["tasks"]:
            train.handler({"round": step["round"], "task": task}, lambda_context)
        step = plan.handler({"round": step["round"]}, lambda_context)
    evaluate = load_app("evaluate", **JUDGING)
    monkeypatch.setattr(evaluate.versions, "live_model", lambda function: None)
    verdict = evaluate.handler(
        {"execution": "e1", "reason": "manual", "dataset": dataset, "search": step["search"]}, lambda_context
    )

    model = verdict["model"]
    assert digest((out / "model.json").read_bytes()) == model["sha256"]
    assert (out / "forecast.json").read_bytes() == storage.read_bytes(model["forecast_uri"])
    assert ("network" in json.loads((out / "forecast.json").read_text())) is networks
    assert json.loads((out / "profile.json").read_text()) == storage.read_json(model["profile_uri"])

    judged = run("evaluate", "--model", str(out), "--out", str(tmp_path / "verdict"))
    found = json.loads((tmp_path / "verdict/evaluation.json").read_text())
    assert (found["release"], found["model_sha256"]) == (verdict["release"], model["sha256"])
    assert judged.returncode == (0 if verdict["release"] else 3)
    with served(out) as url:
        row = {"start": "2030-01-01", "baseline_duration_days": 20, "data_date": "2029-12-01"}
        assert ask(f"{url}/invocations", {"instances": [row]}).status == 200


def test_a_schedule_with_a_network_is_prepared_with_it(tmp_path):
    data = tmp_path / "data"
    assert run("prepare", "--data", str(schedules.EXAMPLES / NETWORK), "--out", str(data)).returncode == 0
    manifest = json.loads((data / "manifest.json").read_text())

    assert {name: item["sha256"] for name, item in manifest["network"].items()} == {
        name: versions.sha256(data / f"{name}.parquet") for name in TABLES
    }
    assert manifest["network"]["relations"]["rows"] > 0
    (data / "relations.parquet").unlink()
    refused = run("train", "--data", str(data), "--out", str(tmp_path / "model"))
    assert refused.returncode == 2
    assert "relations.parquet is not the table that manifest.json describes" in refused.stderr


def test_what_cannot_be_used_is_refused_without_a_traceback(tmp_path):
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    refused = run("prepare", "--data", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "data"))
    nothing = run("train", "--out", str(tmp_path / "model"))

    assert (refused.returncode, nothing.returncode) == (2, 2)
    assert "Traceback" not in refused.stderr + nothing.stderr
    assert nothing.stderr.startswith("error: name the folder")
