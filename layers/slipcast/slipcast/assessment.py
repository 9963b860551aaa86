"""One execution's verdict: the candidates on the holdout, the challenger, the gate's decision, what a release needs."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from slipcast import scorer
from slipcast.evaluation import cost_threshold, evaluate
from slipcast.export import export
from slipcast.feature_table import feature_table
from slipcast.gate import decide
from slipcast.history import HISTORY
from slipcast.profile import profile
from slipcast.schema import FEATURE_COLUMNS
from slipcast.split import random_split

GOLDEN_ROWS = 20


@dataclass(frozen=True)
class Assessment:
    """What `assess` found.

    Attributes
    ----------
    challenger : family with the lowest cross-validated Brier score
    model_id : first 12 hex digits of the SHA-256 of the artefact without metadata: the same data, code and seed
        give the same id
    artefact : the serving artefact
    profile : reference for the monitor, from the training table
    golden : activities and their probabilities by scikit-learn, for the check of a release
    record : JSON-able metrics of every candidate and of the champion, and the gate's decision
    """

    challenger: str
    model_id: str
    artefact: bytes
    profile: dict[str, Any]
    golden: dict[str, Any]
    record: dict[str, Any]


def assess(
    *,
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    candidates: list[dict[str, Any]],
    champion_artefact: bytes | None,
    champion_sha256: str | None,
    costs: tuple[float, float],
    seed: int,
    metadata: dict[str, Any],
) -> Assessment:
    """Measure candidates and champion on the holdout and decide.

    The challenger is chosen by cross-validation on the training table alone, so the holdout's figures are those of a
    model that was not chosen by them.

    Parameters
    ----------
    train, holdout : labelled tables, DataFrames of shape (n_activities, n_columns)
    candidates : each with ``family``, ``best_params``, ``cv``, ``seconds`` and the fitted ``pipeline``
    champion_artefact, champion_sha256 : the live model and its digest; None before the first release
    costs : cost of a missed delay and of a false alarm, any unit
    metadata : what the artefact says about its origin
    """
    y = holdout["is_late"].to_numpy()
    late_rate = float(train["is_late"].mean())
    table = feature_table(holdout)
    scores = {item["family"]: item["pipeline"].predict_proba(table)[:, 1] for item in candidates}
    challenger = min(candidates, key=_cv_brier)
    p = scores[challenger["family"]]
    activities = _requests(holdout)
    champion_p = None
    if champion_artefact is not None:
        champion_p = np.asarray(scorer.load(champion_artefact, champion_sha256).predict_proba(activities))
    decision = decide(y, p, champion_p, late_rate, seed=seed).as_dict()
    measured = evaluate(y, p, seed=seed)
    threshold = cost_threshold(*costs)
    bare = export(challenger["pipeline"], family=challenger["family"], threshold=threshold, metadata={})
    model_id = sha256(bare).hexdigest()[:12]
    artefact = export(
        challenger["pipeline"],
        family=challenger["family"],
        threshold=threshold,
        metadata={
            **metadata,
            "model_id": model_id,
            "family": challenger["family"],
            "params": challenger["best_params"],
            "training_rows": len(train),
            "metrics": measured,
        },
    )
    train_features = feature_table(train)
    train_scores = challenger["pipeline"].predict_proba(train_features)[:, 1]
    record = {
        "challenger": challenger["family"],
        "candidates": [
            {
                **{name: item[name] for name in ("family", "best_params", "cv", "seconds", "model")},
                "cv_brier": _cv_brier(item),
                "metrics": evaluate(y, scores[item["family"]], seed=seed),
            }
            for item in sorted(candidates, key=_cv_brier)
        ],
        "prior": evaluate(y, np.full(len(y), late_rate), seed=seed),
        "random_split": _random_split(challenger["pipeline"], pd.concat([train, holdout]), seed),
        "champion_metrics": None if champion_p is None else evaluate(y, champion_p, seed=seed),
        "decision": decision,
    }
    return Assessment(
        challenger["family"],
        model_id,
        artefact,
        profile(train_features, train_scores, train["is_late"].to_numpy()),
        {"activities": activities[:GOLDEN_ROWS], "scores": [float(value) for value in p[:GOLDEN_ROWS]]},
        record,
    )


def _random_split(pipeline: Pipeline, labelled: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Measure the challenger's recipe on a shuffled 80/20 split: the flattering figure that others report."""
    fitted_on, held = random_split(labelled, 0.2, seed)
    model = clone(pipeline).fit(feature_table(fitted_on), fitted_on["is_late"])
    return evaluate(held["is_late"].to_numpy(), model.predict_proba(feature_table(held))[:, 1], seed=seed)


def _cv_brier(candidate: dict[str, Any]) -> float:
    return min(point["mean_brier"] for point in candidate["cv"])


def _requests(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as prediction requests: feature columns only, ISO dates, nothing that is missing."""
    columns = [column for column in (*FEATURE_COLUMNS, *HISTORY) if column in table]
    rows = []
    for row in table[columns].to_dict("records"):
        present = {name: value for name, value in row.items() if not pd.isna(value)}
        request: dict[str, Any] = {
            name: value.date().isoformat() if isinstance(value, pd.Timestamp) else value
            for name, value in present.items()
            if name not in HISTORY
        }
        # Given, so that the answer does not depend on what the feature store has learnt since.
        request["history"] = {name: present[name] for name in HISTORY if name in present}
        rows.append(request)
    return rows
