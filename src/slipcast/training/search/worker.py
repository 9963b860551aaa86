"""One task of a search: parameter points fitted on folds, or the best point of a family fitted on all rows."""

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, brier_score_loss, confusion_matrix, log_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from slipcast.probability import CLIP
from slipcast.training.candidates import Candidate
from slipcast.training.pipeline import build_pipeline, build_preparation
from slipcast.training.search.data import SearchData


class Worker:
    """Worker for tasks on the same rows; it caches prepared folds for several tasks.

    The preparation of a fold's features does not depend on the parameter point: it is fitted once for each fold and
    share and used for every point of every family, where ``GridSearchCV`` over a pipeline fits it for each.

    Parameters
    ----------
    data
        the rows
    seed
        of models and of the shares
    keep
        number of prepared folds that are cached
    """

    def __init__(self, data: SearchData, seed: int, keep: int = 5):
        self.data, self.seed, self.keep = data, seed, keep
        self._prepared: dict[tuple[int, float, bool], tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = {}

    def search(
        self, candidate: Candidate, units: Sequence[tuple[int, int]], share: float
    ) -> tuple[list[dict[str, Any]], dict[tuple[int, int], np.ndarray]]:
        """Fit points on folds and measure them on the folds' test rows.

        Parameters
        ----------
        candidate
            the family
        units
            pairs of parameter point and fold, as numbers
        share
            of the training rows of each fold that is used

        Returns
        -------
        tuple[list[dict[str, Any]], dict[tuple[int, int], np.ndarray]]
            for each unit ``point``, ``fold``, ``seconds`` of fit and prediction, ``rows`` it was fitted on and
            ``brier``, ``auc``, ``log_loss``, ``accuracy``, or ``error`` instead; and the probabilities of the test rows
        """
        points = candidate.points()
        results, probabilities = [], {}
        # Fold by fold, so that a family with many points prepares each fold once even where only one is kept.
        for point, fold in sorted(units, key=lambda unit: (unit[1], unit[0])):
            began = time.perf_counter()
            result: dict[str, Any] = {"point": point, "fold": fold}
            try:
                fit_on, outcomes, test_on, truth = self._fold(fold, share, candidate.scale)
                began = time.perf_counter()
                model = _fit(candidate.build(self.seed, **points[point]), fit_on, outcomes)
                p = model.predict_proba(test_on)[:, 1]
                result |= {"rows": len(fit_on), **_measures(truth, p)}
                probabilities[point, fold] = p
            except Exception as error:
                # A point that cannot be fitted gets an error as its result; the others continue.
                result["error"] = f"{type(error).__name__}: {error}"[:500]
            results.append({**result, "seconds": time.perf_counter() - began})
        return results, probabilities

    def fit(self, candidate: Candidate, params: dict[str, Any]) -> tuple[Pipeline, np.ndarray, dict[str, Any]]:
        """Fit one point on all rows of the search.

        Returns
        -------
        tuple[Pipeline, np.ndarray, dict[str, Any]]
            pipeline, probabilities of the rows that the search did not use, and their ``accuracy``, ``auc``, ``brier``,
            ``log_loss`` and ``confusion`` (rows are the outcomes, columns the prediction at .5)
        """
        known, late = self.data.features.iloc[: self.data.fitted], self.data.late[: self.data.fitted]
        model = _fit(build_pipeline(candidate, self.seed, columns=known, **params), known, late)
        rest, truth = self.data.features.iloc[self.data.fitted :], self.data.late[self.data.fitted :]
        p = model.predict_proba(rest)[:, 1]
        confusion = confusion_matrix(truth, p >= 0.5, labels=[0, 1]).tolist()
        return model, p, {**_measures(truth, p), "confusion": confusion}

    def _fold(self, number: int, share: float, scale: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        key = (number, share, scale)
        if key not in self._prepared:
            while len(self._prepared) >= self.keep:
                self._prepared.pop(next(iter(self._prepared)))
            fold = self.data.folds[number]
            train = subset(fold.train, share, self.seed + number)
            preparation = build_preparation(self.data.features, scale=scale)
            fit_on = preparation.fit_transform(self.data.features.iloc[train])
            test_on = preparation.transform(self.data.features.iloc[fold.test])
            self._prepared[key] = (fit_on, self.data.late[train], test_on, self.data.late[fold.test])
        return self._prepared[key]


def subset(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return `share` of `rows`, drawn without replacement; a larger share holds every smaller one.

    Examples
    --------
    >>> subset(np.arange(8), 0.5, seed=1).tolist()
    [0, 1, 4, 5]
    """
    if share >= 1:
        return rows
    kept = np.random.default_rng(seed).permutation(len(rows))[: max(round(len(rows) * share), 2)]
    return rows[np.sort(kept)]


def _fit(model: Any, features: Any, late: np.ndarray) -> Any:
    model = clone(model)
    with warnings.catch_warnings():
        # A network that reaches its limit of epochs is judged by its score like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, late)


def _measures(late: np.ndarray, p: np.ndarray) -> dict[str, float | None]:
    if not np.isfinite(p).all():
        raise ValueError("the model gives probabilities that are not finite numbers")
    return {
        "brier": float(brier_score_loss(late, p)),
        "auc": float(roc_auc_score(late, p)) if len(np.unique(late)) == 2 else None,
        "log_loss": float(log_loss(late, np.clip(p, CLIP, 1 - CLIP), labels=[0, 1])),
        "accuracy": float(accuracy_score(late, p >= 0.5)),
    }
