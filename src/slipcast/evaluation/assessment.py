"""Assessment of one execution: candidates on the holdout, challenger, gate's decision, files of a release."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from slipcast.evaluation import forecast as forecasts
from slipcast.evaluation import gate, golden
from slipcast.evaluation.challenger import AssessmentError, Challenger, ranked
from slipcast.evaluation.data_profile import data_profile, moved
from slipcast.evaluation.fairness import MEASURES, fairness_report
from slipcast.evaluation.guardrails import fairness_limits, leakage_limits, protocol_limit
from slipcast.evaluation.importance import dependence, permutation
from slipcast.evaluation.leakage import Context, leakage_report
from slipcast.evaluation.slices import slice_report
from slipcast.evaluation.threshold import cost_threshold, threshold_report
from slipcast.features.table import feature_table
from slipcast.metrics.curves import curves
from slipcast.metrics.scores import evaluate
from slipcast.model import scorer
from slipcast.model.artifact import ArtifactError
from slipcast.model.export.pipeline import export
from slipcast.monitoring.reference_profile import profile
from slipcast.training.calibration import CalibratedPipeline, Calibration, recalibrate
from slipcast.training.search.protocols import own_features

TOP_FEATURES = 6
# A refit that would take longer is left out: the function that evaluates has 900 s for everything.
MAX_REFIT_SECONDS = 300.0
# Stored probabilities of the challenger and those of its pipeline may differ in the last bits only.
SAME = 1e-9


@dataclass(frozen=True)
class Policy:
    """Decisions of the stack's owner.

    Attributes
    ----------
    missed_delay_cost, false_alarm_cost
        any unit
    fairness_columns
        columns whose groups are compared
    max_gaps
        largest allowed gap by measure of `fairness`; 1 can never be exceeded
    max_model_age_days
        age from which a champion is replaced
    non_inferiority_margin
        Brier score that a needed challenger may be worse by
    forecast
        limits of the forecast
    """

    missed_delay_cost: float
    false_alarm_cost: float
    fairness_columns: tuple[str, ...] = ()
    max_gaps: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(MEASURES, 1.0))
    max_model_age_days: float = 365
    non_inferiority_margin: float = 0.005
    forecast: forecasts.Bounds = field(default_factory=forecasts.Bounds)


@dataclass(frozen=True)
class Champion:
    """Live model: artifact with digest, held-out twin, profile of its training rows, and age if known.

    A model that was fitted again after its evaluation has seen labels of the holdout. `twin` is the one that was
    evaluated, `twin_sha256` its digest; empty if the live model is that model itself.
    """

    version: str
    model_id: str
    sha256: str
    artifact: bytes
    twin: bytes = b""
    twin_sha256: str = ""
    profile: dict[str, Any] | None = None
    age_days: float | None = None


@dataclass(frozen=True)
class Assessment:
    """Result of `assess`.

    Attributes
    ----------
    model_id
        first 12 hex digits of the SHA-256 of the artifact without metadata: the same data, code and seed give the same
        id
    artifact
        the serving artifact: of a release, fitted to all matured labels
    twin
        artifact of the model that was evaluated, for the comparison with later challengers; None if it is `artifact`
    refitted
        pipeline of `artifact`; None if it is the challenger's own
    profile
        reference for the monitor, from the training table
    golden
        what `golden.golden` returns, for the check of a release; empty without dates
    forecast
        bytes of the ``forecast.json`` of a release; None if it has none
    record
        JSON-able: every figure of ``evaluation.json`` that is measured here
    """

    model_id: str
    artifact: bytes
    twin: bytes | None
    refitted: Pipeline | None
    profile: dict[str, Any]
    golden: dict[str, Any]
    forecast: bytes | None
    record: dict[str, Any]


def assess(
    *,
    search: Mapping[str, Any],
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    holdout_p: Mapping[str, np.ndarray],
    challenger: Challenger,
    champion: Champion | None,
    policy: Policy,
    reason: str,
    metadata: Mapping[str, Any],
    forecast: forecasts.Found,
    between: pd.DataFrame | None = None,
    pending: pd.DataFrame | None = None,
) -> Assessment:
    """Measure candidates and champion on the holdout, decide, and fit what is released to all matured labels.

    The challenger is chosen by cross-validation and recalibrated by out-of-fold probabilities, both on the training
    table alone, so the holdout's figures are those of a model that has not seen it. A champion is compared by its own
    twin, which has not seen it either.

    Parameters
    ----------
    search
        ``search.json``
    train, holdout
        labelled tables, DataFrames of shape (n_activities, n_columns)
    holdout_p
        probabilities of the holdout by family, before recalibration
    champion
        None before the first release
    reason
        reason of the execution
    metadata
        the artifact's record of its origin; ``tolerance_days`` is that of the forecast
    forecast
        what the search found for the forecast
    between
        labelled activities of neither table (`splits.between`); None: nothing is fitted again
    pending
        activities that started and have no label, with the columns of `train`; None: not known

    Raises
    ------
    AssessmentError
        If the stored probabilities of the challenger are not those of its pipeline.
    """
    seed, timed = int(search["seed"]), search["protocol"] == "time"
    numeric, categorical = search["features"]["numeric"], search["features"]["categorical"]
    y_train, y = train["is_late"].to_numpy(), holdout["is_late"].to_numpy()
    features_of = feature_table if timed else own_features
    train_features, features = features_of(train)[numeric + categorical], features_of(holdout)[numeric + categorical]
    raw = challenger.pipeline.predict_proba(features)[:, 1]
    if np.abs(raw - holdout_p[challenger.family]).max() > SAME:
        raise AssessmentError(
            f"{challenger.family}: the stored probabilities of the holdout are not those of the stored model; "
            "start the execution again"
        )
    oof = challenger.oof
    line, calibration = recalibrate(y_train[oof["row"]], oof["p"], oof["fold"])
    p = line.apply(raw)
    model = CalibratedPipeline(challenger.pipeline, line.slope, line.intercept, line.clip)
    threshold = cost_threshold(policy.missed_delay_cost, policy.false_alarm_cost)
    prior = np.full(len(y), y_train.mean())
    context = None
    if timed and pending is not None:
        pending_features = feature_table(pending)[numeric + categorical]
        context = Context(train, holdout, pending, pending_features, search.get("fills") or {})
    leakage = leakage_report(
        train_features, y_train, features, y, p, numeric=numeric, categorical=categorical, context=context
    )
    fairness = fairness_report(
        holdout,
        y,
        p,
        columns=list(policy.fairness_columns),
        threshold=threshold,
        limits=policy.max_gaps,
        seed=seed,
    )
    # An undated holdout lacks the columns that the champion reads.
    champion_p, unreadable = None, None
    if champion and timed:
        try:
            champion_p = _champion_p(champion, holdout)
        except ArtifactError as error:
            # A wall otherwise: no later model could ever be compared with it.
            unreadable = f"the champion, version {champion.version}, cannot be read: {error}"
    dates = forecasts.assess(
        forecast,
        lambda rows: np.asarray(model.predict_proba(rows[numeric + categorical])[:, 1]),
        _scorer(champion) if champion and unreadable is None else None,
        policy.forecast,
        seed=seed,
        champion_live=champion is not None,
    )
    decision = gate.decide(
        y,
        p,
        champion_p,
        float(y_train.mean()),
        seed=seed,
        limits=[protocol_limit(search["protocol"]), *leakage_limits(leakage), *fairness_limits(fairness)],
        needed=gate.need(reason, champion.age_days if champion else None, policy.max_model_age_days, dates.improved),
        margin=policy.non_inferiority_margin,
        unreadable=unreadable,
        better_forecast=dates.improved is not None,
    )
    measured = evaluate(y, p, seed=seed)
    important = permutation(model, features, y, numeric + categorical, seed=seed)
    shown = [item["feature"] for item in important if item["mean"] > 0][:TOP_FEATURES]
    train_scores = model.predict_proba(train_features)[:, 1]
    projects = [part["project_id"] for part in (train, holdout) if "project_id" in part]
    record = {
        "challenger": challenger.family,
        "candidates": [_candidate(item, y, holdout_p[item["family"]], seed) for item in ranked(search)],
        "failed": _failed(search, challenger.unservable),
        "metrics": measured,
        "prior": evaluate(y, prior, seed=seed),
        "champion_metrics": None if champion_p is None else evaluate(y, champion_p, seed=seed),
        "calibration": calibration,
        "threshold": threshold_report(y, p, costs=(policy.missed_delay_cost, policy.false_alarm_cost), seed=seed),
        "curves": curves(y, p),
        "slices": slice_report(holdout, y, p, known_projects=pd.concat(projects) if projects else None, seed=seed),
        "fairness": fairness,
        "leakage": leakage,
        "importance": important,
        "partial_dependence": dependence(model, features, shown, numeric=numeric, seed=seed),
        "data_profile": data_profile(train_features, y_train, numeric=numeric, categorical=categorical),
        "drift": _drift(champion, train_features, train_scores),
        "forecast": dates.record,
        "decision": decision.as_dict(),
    }
    pinned: dict[str, Any] = {}
    if dates.released is not None:
        pinned["forecast"] = {
            "sha256": sha256(dates.released).hexdigest(),
            "tolerance_days": metadata["tolerance_days"],
        }
    described = {**metadata, **pinned, "metrics": measured}
    model_id, encoded = _artifact(challenger, challenger.pipeline, line, train_features, threshold, described)
    learned = _Learned(train, train_features, y_train, oof["row"], line.apply(oof["p"]), p)
    twin: bytes | None = None
    refitted: Pipeline | None = None
    record["refit"] = {"why": "nothing is released" if not decision.release else "the search left no further labels"}
    if decision.release and between is not None:
        fitted = next(item for item in search["families"] if item["family"] == challenger.family)
        every = pd.concat([train, between, holdout], ignore_index=True)
        expected = float(fitted["fit_seconds"]) * (len(every) / len(train)) ** 2
        record["refit"] = {"why": f"it would take about {expected:.0f} s, more than {MAX_REFIT_SECONDS:.0f} s"}
        if expected <= MAX_REFIT_SECONDS:
            # To the refitted model the holdout is one more window of the past.
            windows = (np.append(y_train[oof["row"]], y), np.append(oof["p"], raw), _with_holdout(oof["fold"], len(y)))
            line, calibration = recalibrate(*windows)
            began = time.perf_counter()
            refitted = clone(challenger.pipeline)
            all_features, outcomes = feature_table(every)[numeric + categorical], every["is_late"].to_numpy()
            refitted.fit(all_features, outcomes)
            record["refit"] = {
                "why": "",
                "rows": len(every),
                "seconds": time.perf_counter() - began,
                "calibration": calibration,
            }
            twin = encoded
            pins = {"twin": {"sha256": sha256(twin).hexdigest(), "training_rows": len(train)}}
            model_id, encoded = _artifact(challenger, refitted, line, all_features, threshold, {**described, **pins})
            held = np.arange(len(every) - len(y), len(every))
            released_p = line.apply(refitted.predict_proba(features)[:, 1])
            scored = np.append(oof["row"], held)
            learned = _Learned(every, all_features, outcomes, scored, line.apply(windows[1]), released_p)
    return Assessment(
        model_id,
        encoded,
        twin,
        refitted,
        {
            "data_date": metadata.get("data_date"),
            **profile(
                learned.features,
                learned.scores,
                learned.y,
                numeric=numeric,
                categorical=categorical,
                days=learned.table.get("start"),
                projects=learned.table.get("project_id"),
                score_rows=learned.score_rows,
                holdout=measured,
            ),
        },
        golden.golden(holdout, learned.holdout_p, encoded, dates.released)
        if timed
        else {"activities": [], "scores": []},
        dates.released,
        record,
    )


@dataclass(frozen=True)
class _Learned:
    """Rows that the released model learned from, with probabilities of models that had not seen the activity.

    Attributes
    ----------
    table, features, y
        of shape (n_activities, ...)
    score_rows, scores
        positions of the activities with such probabilities, and those
    holdout_p
        the released model's own probabilities of the holdout
    """

    table: pd.DataFrame
    features: pd.DataFrame
    y: np.ndarray
    score_rows: np.ndarray
    scores: np.ndarray
    holdout_p: np.ndarray


def _with_holdout(fold: np.ndarray, n: int) -> np.ndarray:
    values: np.ndarray = np.append(np.asarray(fold, dtype="int64"), np.full(n, int(np.max(fold)) + 1))
    return values


def _candidate(item: Mapping[str, Any], y: np.ndarray, p: np.ndarray, seed: int) -> dict[str, Any]:
    kept = ("family", "best_params", "cv_score", "points", "seconds", "fit_seconds", "model")
    best: dict[str, Any] = next((point for point in item["points"] if point["params"] == item["best_params"]), {})
    return {
        **{name: item[name] for name in kept},
        "cv_auc": best.get("mean_auc"),
        "metrics": evaluate(y, p, seed=seed),
    }


def _failed(search: Mapping[str, Any], unservable: Mapping[str, str]) -> list[dict[str, Any]]:
    lost = [item for item in search["families"] if item["status"] != "fitted"]
    return [
        *({"family": item["family"], "status": item["status"], "why": item["why"]} for item in lost),
        *({"family": name, "status": "not servable", "why": why} for name, why in unservable.items()),
    ]


def _held_out(champion: Champion) -> Any:
    """Return the scorer of the champion as it was evaluated.

    Raises
    ------
    slipcast.model.artifact.ArtifactError
        If its bytes are gone or were changed.
    """
    if champion.twin_sha256:
        return scorer.load(champion.twin, champion.twin_sha256)
    return scorer.load(champion.artifact, champion.sha256)


def _champion_p(champion: Champion, holdout: pd.DataFrame) -> np.ndarray:
    return np.asarray(_held_out(champion).predict_proba(golden.requests(holdout)))


def _scorer(champion: Champion) -> Callable[[pd.DataFrame], np.ndarray]:
    def p_at_start(rows: pd.DataFrame) -> np.ndarray:
        return np.asarray(_held_out(champion).score(rows.to_dict("records")))

    return p_at_start


def _drift(champion: Champion | None, features: pd.DataFrame, scores: np.ndarray) -> dict[str, Any] | None:
    if champion is None or champion.profile is None:
        return None
    found = moved(champion.profile, features, scores)
    return {"against": f"training rows of model {champion.model_id}, version {champion.version}", "features": found}


def _artifact(
    challenger: Challenger,
    pipeline: Pipeline,
    line: Calibration,
    features: pd.DataFrame,
    threshold: float,
    metadata: Mapping[str, Any],
) -> tuple[str, bytes]:
    """Return the id and the artifact of a pipeline that was fitted to `features`."""
    shared: dict[str, Any] = {
        "family": challenger.family,
        "threshold": threshold,
        "calibration": line,
        "training": features,
    }
    model_id = sha256(export(pipeline, metadata={}, **shared)).hexdigest()[:12]
    described = {
        **metadata,
        "model_id": model_id,
        "family": challenger.family,
        "params": challenger.best_params,
        "training_rows": len(features),
    }
    return model_id, export(pipeline, metadata=described, **shared)
