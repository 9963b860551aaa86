"""Evaluation records as the report reads them: models fitted to an example schedule, every figure measured on them."""

import copy
import hashlib
import json
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from sklearn import metrics as sk
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, TimeSeriesSplit, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from slipcast.datasets.labels import label
from slipcast.datasets.splits import holdout_cut, split
from slipcast.evaluation import forecast, gate
from slipcast.evaluation.data_profile import data_profile, moved
from slipcast.evaluation.fairness import fairness_report
from slipcast.evaluation.guardrails import fairness_limits, leakage_limits, protocol_limit
from slipcast.evaluation.importance import dependence, permutation
from slipcast.evaluation.leakage import leakage_report
from slipcast.evaluation.slices import slice_report
from slipcast.evaluation.threshold import cost_threshold, threshold_report
from slipcast.features.point_in_time_table import history_table
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.forecast import training as forecast_training
from slipcast.metrics.curves import curves
from slipcast.metrics.scores import evaluate
from slipcast.monitoring.reference_profile import profile
from slipcast.training.calibration import recalibrate
from slipcast.training.pipeline import build_preparation
from support.forecast_portfolio import landmarks
from support.schedules import example

SEED, TOLERANCE, BOOT = 7, 30, 60
COSTS = (2.0, 1.0)
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "hist_gradient_boosting": (HistGradientBoostingClassifier(max_iter=25, random_state=SEED), {"max_iter": 25}),
    "logistic_regression": (LogisticRegression(C=0.1, max_iter=2000), {"C": 0.1}),
    "decision_tree": (DecisionTreeClassifier(max_depth=4, min_samples_leaf=20, random_state=SEED), {"max_depth": 4}),
    "random_forest": (RandomForestClassifier(25, min_samples_leaf=10, random_state=SEED), {"min_samples_leaf": 10}),
    "naive_bayes": (GaussianNB(var_smoothing=0.01), {"var_smoothing": 0.01}),
}
SCALED = {"logistic_regression", "naive_bayes"}
COLUMNS = {"numeric": list(NUMERIC), "categorical": list(CATEGORICAL)}


def record() -> dict[str, Any]:
    """Return a full ``evaluation.json``: time protocol, a champion, drift, the paper's protocol beside it."""
    return copy.deepcopy(_full())


def first_release() -> dict[str, Any]:
    """Return a record without a champion, and without what comes of one."""
    found = record()
    y, p, prior = _scores()["holdout"], _scores()["challenger"], _scores()["late_rate"]
    decided = gate.decide(y, p, None, prior, seed=SEED, n_boot=BOOT).as_dict()
    without = forecast.assess(
        forecast.Found(why="the dataset has no landmarks"),
        _half,
        None,
        forecast.Bounds(),
        seed=SEED,
        champion_live=False,
    )
    return {
        **{**found, "champion": None, "champion_metrics": None, "drift": None, "paper": None, "decision": decided},
        "forecast": without.record,
    }


def undated() -> dict[str, Any]:
    """Return a record of a dataset without dates: rows split at random, nothing released."""
    found = first_release()
    y, p, prior = _scores()["holdout"], _scores()["challenger"], _scores()["late_rate"]
    limits = [protocol_limit("paper")]
    found["decision"] = gate.decide(y, p, None, prior, seed=SEED, n_boot=BOOT, limits=limits).as_dict()
    found["search"]["folds"] = [{**fold, "begin": None, "end": None} for fold in found["search"]["folds"]]
    found["dataset"] = {**found["dataset"], "data_date": None, "dated": False}
    return {**found, "protocol": "paper", "cut": None, "paper": record()["paper"]}


def one_family() -> dict[str, Any]:
    """Return a record in which every family but one failed, and nothing could be measured beyond its figures."""
    found = record()
    survivor, *lost = found["candidates"]
    failed = [{"family": item["family"], "status": "failed", "why": "MemoryError: no"} for item in lost]
    return {
        **{**found, "candidates": [survivor], "failed": found["failed"] + failed, "paper": None, "drift": None},
        "curves": {"roc": [], "pr": [], "reliability": []},
        "slices": {"columns": [], "rows": [], "worst": None},
        "fairness": {"columns": [], "threshold": found["threshold"]["value"], "groups": [], "gaps": []},
        **{"importance": [], "partial_dependence": []},
        "leakage": {**found["leakage"], "features": []},
        "search": {
            **found["search"],
            "rounds": [],
            "budget": {**found["search"]["budget"], "curve": [], "not_tried": [], "one_more": None},
        },
    }


VARIANTS: dict[str, Callable[[], dict[str, Any]]] = {
    "full": record,
    "first_release": first_release,
    "undated": undated,
    "one_family": one_family,
}


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _pipeline(family: str) -> Pipeline:
    return make_pipeline(build_preparation(scale=family in SCALED), clone(FAMILIES[family][0]))


def _late(pipeline: Pipeline, features: pd.DataFrame) -> np.ndarray:
    return pipeline.predict_proba(features)[:, 1]


def _measure(y: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    return evaluate(y, p, seed=SEED, n_boot=BOOT)


@cache
def _tables() -> tuple[pd.DataFrame, pd.DataFrame, str]:
    found = example("nyc_sca_2025-06.csv")
    labelled = label(found.table, TOLERANCE).sort_values("start", kind="stable").reset_index(drop=True)
    labelled = labelled.join(history_table(found.table, labelled, TOLERANCE))
    cut = holdout_cut(found.data_date, 18)
    return *split(labelled, cut), cut.isoformat()


@cache
@threadpool_limits.wrap(limits=1)
def _scores() -> dict[str, Any]:
    """Outcomes and probabilities of the holdout, for decisions of the variants."""
    train, holdout, _ = _tables()
    model = _pipeline("hist_gradient_boosting").fit(feature_table(train), train["is_late"].to_numpy())
    return {
        "holdout": holdout["is_late"].to_numpy(),
        "challenger": _late(model, feature_table(holdout)),
        "late_rate": float(train["is_late"].mean()),
    }


@cache
@threadpool_limits.wrap(limits=1)
def _full() -> dict[str, Any]:
    train, holdout, cut = _tables()
    features, held = feature_table(train), feature_table(holdout)
    y, truth = train["is_late"].to_numpy(), holdout["is_late"].to_numpy()
    folds = list(TimeSeriesSplit(3).split(features))
    candidates, fitted, curve = [], {}, []
    for family in FAMILIES:
        candidate, fitted[family] = _candidate(family, features, y, folds, (held, truth))
        candidates.append(candidate)
        spent = sum(item["seconds"] for item in candidates)
        curve.append([spent, min(item["cv_score"] for item in candidates)])
    candidates.sort(key=lambda item: item["cv_score"])
    challenger = "hist_gradient_boosting"
    model, old = fitted[challenger], fitted["decision_tree"]
    rows = np.concatenate([test for _, test in folds])
    oof = np.concatenate([_late(_pipeline(challenger).fit(features.iloc[a], y[a]), features.iloc[b]) for a, b in folds])
    number = np.repeat(np.arange(len(folds)), [len(test) for _, test in folds])
    line, calibration = recalibrate(y[rows], oof, number)
    p, champion_p = line.apply(_late(model, held)), _late(old, held)
    half = slice(0, len(features) // 2)
    reference = profile(features[half], _late(old, features[half]), y[half])
    fairness = fairness_report(
        holdout,
        truth,
        p,
        columns=["phase", "location"],
        threshold=cost_threshold(*COSTS),
        limits={"selection_rate": 0.2, "false_negative_rate": 0.3, "calibration_gap": 0.2},
        seed=SEED,
        n_boot=BOOT,
    )
    leakage = leakage_report(features, y, held, truth, p, **COLUMNS)
    limits = [protocol_limit("time"), *leakage_limits(leakage), *fairness_limits(fairness)]
    projects = pd.concat([train["project_id"], holdout["project_id"]])
    important = permutation(model, held, truth, list(held.columns), seed=SEED, repeats=3)
    shown = [item["feature"] for item in important[:3]] + ["location"]
    return {
        **{"execution": "new-data-1", "reason": "new_data", "created_at": "2025-07-01T08:30:00+00:00"},
        "dataset": {
            **{"dataset_id": _digest("dataset")[:12], "uri": "s3://data/datasets/d/table.parquet", "dated": True},
            **{"data_date": "2025-06-30", "rows": 3523, "manifest_uri": "s3://data/datasets/d/manifest.json"},
        },
        **{"protocol": "time", "cut": cut, "seed": SEED},
        "tables": {
            name: {"uri": f"s3://data/runs/new-data-1/{name}.csv.gz", "sha256": _digest(name), "rows": len(part)}
            for name, part in (("train", train), ("holdout", holdout))
        },
        "reproducibility": {
            **{"code_version": "0.1.0+3f2a9c01d7be", "lock_sha256": _digest("lock"), "seed": SEED},
            **{"dataset_id": _digest("dataset")[:12], "python": "3.13.5", "scikit_learn": "1.9.1"},
            "model_sha256": _digest("model"),
        },
        "search": _search(train, folds, candidates, curve),
        "champion": {"version": "4", "model_id": _digest("old")[:12], "trained_at": "2025-04-01", "age_days": 91.0},
        "model": {"model_id": _digest("new")[:12], "family": challenger, "sha256": _digest("model")},
        **{"challenger": challenger, "candidates": candidates},
        "failed": [
            {"family": "rbf_svc", "status": "skipped", "why": "60,100 rows, it is only tried up to 20,000"},
            {"family": "mlp", "status": "failed", "why": "States.Timeout: the task ran longer than 900 seconds"},
        ],
        **{"metrics": _measure(truth, p), "prior": _measure(truth, np.full(len(truth), y.mean()))},
        **{"champion_metrics": _measure(truth, champion_p), "calibration": calibration},
        "threshold": threshold_report(truth, p, costs=COSTS, seed=SEED, n_boot=BOOT),
        "curves": curves(truth, p),
        "slices": slice_report(holdout, truth, p, known_projects=projects, seed=SEED, n_boot=BOOT),
        **{"fairness": fairness, "leakage": leakage, "importance": important},
        "partial_dependence": dependence(model, held, shown, numeric=COLUMNS["numeric"], seed=SEED),
        "data_profile": data_profile(features, y, **COLUMNS),
        "drift": {
            "against": f"training rows of model {_digest('old')[:12]}, version 4",
            "features": moved(reference, features, _late(model, features)),
        },
        "paper": _paper(features, y),
        "forecast": _forecast(),
        "decision": gate.decide(
            truth,
            p,
            champion_p,
            float(y.mean()),
            seed=SEED,
            limits=limits,
            n_boot=BOOT,
            needed=gate.need("alarm", 91, 99),
        ).as_dict(),
    }


def _half(rows: pd.DataFrame) -> np.ndarray:
    return np.full(len(rows), 0.5)


def _forecast() -> dict[str, Any]:
    train, holdout = landmarks(900, seed=SEED), landmarks(500, seed=SEED + 1, follow_up=(30, 500))
    raw, worse = (
        json.dumps(forecast_training.fit(train, SEED, n_estimators=trees, min_samples_leaf=leaf).document()).encode()
        for trees, leaf in ((10, 40), (3, 300))
    )
    points = [
        {"point": place, "params": {"min_samples_leaf": leaf}, "pinball": 20.0 + place, "seconds": 0.5, "error": None}
        for place, leaf in enumerate((40, 300))
    ]
    search = {"points": points, "params": points[0]["params"]}
    found = forecast.Found(train, holdout, raw, "", search, worse)
    return dict(forecast.assess(found, _half, _half, forecast.Bounds(), seed=SEED, champion_live=True).record)


def _candidate(
    family: str, features: pd.DataFrame, y: np.ndarray, folds: list[Any], held: tuple[pd.DataFrame, np.ndarray]
) -> tuple[dict[str, Any], Pipeline]:
    started, scores = time.perf_counter(), []
    for train, test in folds:
        p = _late(_pipeline(family).fit(features.iloc[train], y[train]), features.iloc[test])
        scores.append((sk.brier_score_loss(y[test], p), sk.roc_auc_score(y[test], p)))
    searched = time.perf_counter()
    fitted = _pipeline(family).fit(features, y)
    done = time.perf_counter()
    score, auc = (float(value) for value in np.mean(scores, axis=0))
    params = FAMILIES[family][1]
    described = {
        **{"family": family, "best_params": params, "cv_score": score, "cv_auc": auc},
        "points": [{"params": params, "share": 1, "folds": len(folds), "mean_brier": score, "mean_auc": auc}],
        **{"seconds": done - started, "fit_seconds": done - searched},
        "model": {"uri": f"s3://data/runs/new-data-1/{family}.joblib", "sha256": _digest(family)},
        "metrics": _measure(held[1], _late(fitted, held[0])),
    }
    return described, fitted


def _search(train: pd.DataFrame, folds: list[Any], candidates: list[Any], curve: list[Any]) -> dict[str, Any]:
    days, spent = train["start"].dt.date.astype(str), curve[-1][0]
    return {
        **{"uri": "s3://data/runs/new-data-1/search/search.json", "sha256": _digest("search"), "mode": "inline"},
        **{"grain": {item["family"]: 1 for item in candidates}, "select_by": "brier"},
        "tasks": {"planned": len(candidates) + 1, "failed": 1, "failed_share": 1 / 6, "tolerated_share": 0.2},
        "rounds": [
            {"share": 1 / 3, "points": 9, "kept": 5, "seconds": spent / 4},
            {"share": 1, "points": 5, "kept": 5, "seconds": spent * 3 / 4},
        ],
        "budget": {
            **{"limit_seconds": spent * 1.2, "spent_seconds": spent, "estimated_seconds": spent * 1.1, "curve": curve},
            "not_tried": [{"family": "extra_trees", "params": {"max_features": 0.5}, "estimated_seconds": spent / 2}],
            "one_more": "one point of extra trees; its family was 0.01 behind when it was left out",
        },
        "folds": [
            {"train": len(rows), "test": len(test), "purged": 0, "begin": days[test[0]], "end": days[test[-1]]}
            for rows, test in folds
        ],
    }


def _paper(features: pd.DataFrame, y: np.ndarray) -> dict[str, Any]:
    """The paper's protocol: rows shuffled, 20 % to test, the best accuracy wins."""
    order = np.random.default_rng(SEED).permutation(len(y))
    test, train = order[: len(y) // 5], order[len(y) // 5 :]
    found = []
    for family in ("logistic_regression", "decision_tree"):
        splitter = StratifiedKFold(3, shuffle=True, random_state=SEED)
        scores = cross_val_score(_pipeline(family), features.iloc[train], y[train], cv=splitter)
        p = _late(_pipeline(family).fit(features.iloc[train], y[train]), features.iloc[test])
        measured = {name: value for name, value in _measure(y[test], p).items() if name in ("accuracy", "auc", "brier")}
        confusion = sk.confusion_matrix(y[test], p >= 0.5).tolist()
        found.append(
            {
                **{"family": family, "best_params": FAMILIES[family][1], "cv_accuracy": float(scores.mean())},
                **{"cv_accuracy_std": float(scores.std()), "test": {**measured, "confusion": confusion}},
            }
        )
    return {
        "rows": {"train": len(train), "test": len(test)},
        "majority_accuracy": float(max(y[test].mean(), 1 - y[test].mean())),
        "chosen": max(found, key=lambda item: item["cv_accuracy"])["family"],
        "families": found,
    }
