"""A finished search as the evaluation finds it: real pipelines fitted to a small history, their objects and record."""

import hashlib
import io
from collections.abc import Callable, Iterable
from typing import Any

import joblib
import numpy as np
import pandas as pd

from slipcast.datasets import tables as dataset
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline

FOLDS = 3
PARAMS: dict[str, dict[str, Any]] = {
    "logistic_regression": {"C": 0.1},
    "decision_tree": {"max_depth": 4, "min_samples_leaf": 20},
    "hist_gradient_boosting": {"learning_rate": 0.1, "max_leaf_nodes": 8},
    "k_nearest_neighbours": {"n_neighbors": 15},
}
Write = Callable[[str, bytes], str]


def labelled_rows(n: int = 700, seed: int = 0) -> pd.DataFrame:
    """Return matured activities in the order of their start; long ones and those of one district tend to be late."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2018-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 1500, n)), unit="D")
    days = rng.integers(30, 400, n)
    finish = start + pd.to_timedelta(days, unit="D")
    location = rng.choice(["north", "south", "east"], n)
    late = rng.random(n) < np.where(days > 200, 0.75, 0.15) + np.where(location == "south", 0.1, 0)
    return pd.DataFrame(
        {
            "activity_id": [f"A{i}" for i in range(n)],
            "project_id": [f"P{i}" for i in rng.integers(0, n // 4, n)],
            "start": start,
            "baseline_finish": finish,
            "actual_finish": pd.NaT,
            "status": "complete",
            "phase": rng.choice(["Scope", "Design"], n),
            "location": location,
            "budget": np.where(rng.random(n) < 0.1, np.nan, rng.uniform(1e3, 1e6, n)),
            "matured_at": finish + pd.Timedelta(days=30),
            "is_late": late.astype(int),
        }
    )


def tables(n: int = 700, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return a training table and a holdout table that begins after it."""
    rows = labelled_rows(n, seed)
    cut = int(n * 0.65)
    return {"train": rows.iloc[:cut].reset_index(drop=True), "holdout": rows.iloc[cut:].reset_index(drop=True)}


def search_record(
    parts: dict[str, pd.DataFrame],
    write: Write,
    *,
    execution: str = "first",
    families: Iterable[str] = ("decision_tree", "logistic_regression"),
    cv_scores: dict[str, float] | None = None,
    protocol: str = "time",
    features: dict[str, list[str]] | None = None,
    bucket: str = "data",
    forecast: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Fit the families to ``parts["train"]``, write their objects and return the document ``search.json``.

    Parameters
    ----------
    parts : ``train`` and ``holdout``
    write : puts bytes at a URI and returns their SHA-256
    cv_scores : mean Brier score of a family instead of the one that its folds give
    forecast : what `slipcast.training.search.forecast.conclude` returns
    features : names of the columns of an undated table (protocol ``paper``) that are its features
    """
    prefix = f"s3://{bucket}/runs/{execution}"

    def put(name: str, raw: bytes) -> dict[str, str]:
        uri = f"{prefix}/{name}"
        return {"uri": uri, "sha256": write(uri, raw)}

    fitted = [_family(name, parts, put, (cv_scores or {}).get(name), features) for name in families]
    train = parts["train"]
    return {
        "execution": execution,
        "protocol": protocol,
        "select_by": "brier",
        "seed": 1,
        "cut": parts["holdout"]["start"].min().date().isoformat() if protocol == "time" else None,
        "tables": {
            name: {**put(f"{name}.csv.gz", dataset.to_bytes(part)), "rows": len(part)} for name, part in parts.items()
        },
        "features": features or {"numeric": list(NUMERIC), "categorical": list(CATEGORICAL)},
        "folds": [
            {
                "train": int((fold_of(train) < number).sum()),
                "test": int((fold_of(train) == number).sum()),
                **{"purged": 0, "begin": None, "end": None},
            }
            for number in range(1, FOLDS + 1)
        ],
        "grain": {"family": len(fitted)},
        "mode": "inline",
        "tasks": {"planned": len(fitted), "failed": 0, "failed_share": 0.0, "tolerated_share": 0.2},
        "rounds": [{"share": 1, "points": len(fitted), "kept": len(fitted), "seconds": 1.0}],
        "budget": {
            **{"limit_seconds": None, "spent_seconds": 1.0, "estimated_seconds": 1.0},
            **{"not_tried": [], "curve": [[1.0, min(item["cv_score"] for item in fitted)]], "one_more": None},
        },
        "families": [
            *fitted,
            {"family": "rbf_svc", "status": "failed", "why": "States.Timeout", "scale": True, "points": []},
        ],
        "paper": None,
        "forecast": forecast or {"why": "no landmarks", "tables": {}, "points": []},
    }


def fold_of(train: pd.DataFrame) -> np.ndarray:
    """Return the fold of each training row in the order of time; fold 0 is only trained on."""
    return np.arange(len(train)) * (FOLDS + 1) // len(train)


def _family(
    name: str,
    parts: dict[str, pd.DataFrame],
    put: Callable[[str, bytes], dict[str, str]],
    score: float | None,
    own: dict[str, list[str]] | None,
) -> dict[str, Any]:
    candidate = next(item for item in load_candidates() if item.name == name)
    params, train = PARAMS[name], parts["train"]
    y, fold = train["is_late"].to_numpy(), fold_of(train)
    features, held = (
        feature_table(part) if own is None else part[[*own["numeric"], *own["categorical"]]] for part in parts.values()
    )
    p = np.full(len(train), np.nan)
    for number in range(1, FOLDS + 1):
        model = build_pipeline(candidate, 1, columns=features, **params).fit(features[fold < number], y[fold < number])
        p[fold == number] = model.predict_proba(features[fold == number])[:, 1]
    rows = np.flatnonzero(fold > 0)
    loss = float(np.mean((p[rows] - y[rows]) ** 2)) if score is None else score
    fitted = build_pipeline(candidate, 1, columns=features, **params).fit(features, y)
    point = {
        **{"params": params, "share": 1, "folds": FOLDS, "seconds": 0.5, "error": None},
        **{"mean_brier": loss, "std_brier": 0.01, "mean_auc": 0.7, "mean_log_loss": 0.5, "mean_accuracy": 0.7},
    }
    model, oof, holdout_p = io.BytesIO(), io.BytesIO(), io.BytesIO()
    joblib.dump(fitted, model, compress=3)
    np.savez(oof, row=rows, fold=fold[rows], p=p[rows])
    np.save(holdout_p, fitted.predict_proba(held)[:, 1])
    return {
        **{"family": name, "status": "fitted", "why": None, "scale": candidate.scale, "points": [point]},
        **{"best_params": params, "cv_score": loss, "seconds": 0.5, "fit_seconds": 0.1},
        "model": put(f"candidates/{name}/model.joblib", model.getvalue()),
        "oof": put(f"candidates/{name}/oof.npz", oof.getvalue()),
        "holdout_p": put(f"candidates/{name}/holdout_p.npy", holdout_p.getvalue()),
    }


def in_memory() -> tuple[dict[str, bytes], Write]:
    """Return an empty store of objects and the function that writes to it."""
    objects: dict[str, bytes] = {}

    def write(uri: str, raw: bytes) -> str:
        objects[uri] = raw
        return hashlib.sha256(raw).hexdigest()

    return objects, write
