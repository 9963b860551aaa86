"""What the track function finds in the bucket, and an MLflow to log it to."""

import io
from pathlib import Path
from typing import Any

import joblib
from mlflow.tracking import MlflowClient
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from slipcast.model.artifact import digest
from slipcast_aws import storage
from slipcast_aws.tracking import outbox

EXPERIMENT = "slipcast"


def make_database(path: Path) -> Path:
    """Make an empty tracking database, whose tables take most of the time, and return its path."""
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


NAMES = ("auc", "average_precision", "brier", "log_loss", "accuracy", "balanced_accuracy", "majority_accuracy")


def metrics(brier: float) -> dict[str, Any]:
    """Return measures on a holdout."""
    measured = dict.fromkeys(NAMES, 0.7) | {"brier": brier, "calibration_slope": None, "calibration_intercept": 0.1}
    intervals = {
        f"{name}_ci": None if value is None else [value - 0.05, value + 0.05] for name, value in measured.items()
    }
    return {"n": 200, "n_late": 70, "late_rate": 0.35, "mean_score": 0.36, **measured, **intervals}


def candidate(family: str, cv_score: float, execution: str) -> dict[str, Any]:
    """Return what evaluate says of a candidate, with its model in the bucket."""
    buffer = io.BytesIO()
    pipeline = Pipeline([("model", LogisticRegression().fit([[0], [1], [0], [1]], [0, 1, 1, 1]))])
    joblib.dump(pipeline, buffer)
    uri = f"s3://data/runs/{execution}/candidates/{family}/model.joblib"
    return {
        **{"family": family, "best_params": {"max_depth": 4}, "cv_score": cv_score, "cv_auc": 0.71},
        **{"seconds": 1.5, "fit_seconds": 0.2, "points": [{"params": {"max_depth": 4}, "mean_brier": cv_score}]},
        "metrics": metrics(cv_score),
        "model": {"uri": uri, "sha256": storage.write_bytes(uri, buffer.getvalue())},
    }


def forecast(execution: str = "new-data-1") -> dict[str, Any]:
    """Return what evaluate says of a forecast, with the forecast in the bucket."""
    uri = f"s3://data/runs/{execution}/search/r1/t0002-forecast.json"
    own = {"method": "forecast", "crps": 42.5, "cover_80": 0.81, "auc_within": None}
    live = {"method": "live forecast", "crps": 44.0, "cover_80": 0.79, "auc_within": None}
    return {
        **{"why": "", "released": "forecast", "landmarks": {"train": 5804, "holdout": 2309}},
        "stages": [{"stage": name, "methods": [own, live]} for name in ("open, not yet late", "all open")],
        "search": {
            "params": {"min_samples_leaf": 10},
            "model": {"uri": uri, "sha256": storage.write_bytes(uri, b'{"kind": "finish_forest"}')},
        },
    }


def released(artifact: bytes, golden: dict[str, Any], forecast: bytes | None = None) -> dict[str, str]:
    """Leave the files of a release as evaluate does, and return its record of them."""
    sha256 = digest(artifact)
    prefix = f"s3://data/models/abc/{sha256}"
    found = {
        **{"model_id": "abc", "sha256": sha256},
        **{"artefact_uri": f"{prefix}/model.json", "golden_uri": f"{prefix}/golden.json"},
    }
    storage.write_bytes(found["artefact_uri"], artifact)
    storage.write_json(found["golden_uri"], golden)
    if forecast is not None:
        found["forecast_uri"] = f"{prefix}/forecast.json"
        storage.write_bytes(found["forecast_uri"], forecast)
    return found


def leave_execution(execution: str = "new-data-1", *, report: bool = True, **changes) -> dict:
    """Leave an evaluation as the evaluate function does, and the report beside it."""
    prefix = f"s3://data/reports/{execution}"
    manifest_uri = "s3://data/datasets/d1/manifest.json"
    source = {"uri": "s3://data/incoming/plan.csv", "version_id": "v1", "sha256": "7" * 64}
    storage.write_json(manifest_uri, {"sources": [{"uri": "s3://data/incoming/older.csv"}, source]})
    evaluation = {
        **{"execution": execution, "reason": "new_data", "protocol": "time", "cut": "2021-07-01"},
        "challenger": "decision_tree",
        "dataset": {
            **{"dataset_id": "d1", "sha256": "5" * 64, "uri": "s3://data/datasets/d1/table.parquet"},
            **{"rows": 900, "data_date": "2022-12-31", "manifest_uri": manifest_uri},
        },
        "reproducibility": {"code_version": "0.1.0+abc"},
        "tables": {"train": {"rows": 600}, "holdout": {"rows": 200}},
        "candidates": [candidate("decision_tree", 0.18, execution), candidate("logistic", 0.19, execution)],
        "metrics": metrics(0.17),
        "champion_metrics": metrics(0.21),
        "prior": metrics(0.22),
        "calibration": {"used": True, "slope": 0.5, "intercept": -0.2, "clip": 1e-6},
        "threshold": {"value": 0.3, "cost_per_activity": 0.4, "cost_ci": [0.3, 0.5], "precision": None},
        "slices": {"worst": {"column": "phase", "value": "Scope", "brier": 0.25, "n": 60}},
        "fairness": {"gaps": [{"column": "location", "measure": "selection_rate", "gap": 0.12}]},
        "decision": {
            **{"release": True, "rule": "a rule", "reasons": ["better than the champion"], "needed": None},
            "numbers": {"brier_gain": 0.04, "brier_gain_ci": [0.01, 0.07]},
            "limits": [{"name": "leakage: AUC, above", "value": 0.7, "limit": 0.95, "broken": False}],
        },
        "model": released(b"a model of a file without dates", {"activities": [], "scores": []}),
        **changes,
    }
    storage.write_json(f"{prefix}/evaluation.json", evaluation)
    if report:
        storage.write_bytes(f"{prefix}/report.html", b"<!doctype html>")
    outbox.put("data", f"{execution}-1-run", {"kind": "run", "evaluation_uri": f"{prefix}/evaluation.json"})
    return evaluation
