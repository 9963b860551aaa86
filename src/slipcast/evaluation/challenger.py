"""Challenger: the best family by cross-validation that can be served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from slipcast.model.export.pipeline import servable


class AssessmentError(ValueError):
    """The candidates cannot be judged; the message says why."""


@dataclass(frozen=True)
class Challenger:
    """Family that may go live.

    Attributes
    ----------
    family, best_params
        as in ``search.json``
    pipeline
        fitted to all training rows
    oof
        ``row`` (position in the training table), ``fold`` and ``p``: out-of-fold probabilities
    unservable
        reason why a family with a better score cannot be served, by name
    """

    family: str
    best_params: dict[str, Any]
    pipeline: Pipeline
    oof: Mapping[str, np.ndarray]
    unservable: dict[str, str]


def ranked(search: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fitted families of a search, best cross-validated score first, ties in the order of names."""
    sign = -1 if search["select_by"] == "accuracy" else 1
    fitted = [item for item in search["families"] if item["status"] == "fitted"]
    return sorted(fitted, key=lambda item: (sign * item["cv_score"], item["family"]))


def choose(
    search: Mapping[str, Any],
    load_pipeline: Callable[[dict[str, Any]], Pipeline],
    load_oof: Callable[[dict[str, Any]], Mapping[str, np.ndarray]],
) -> Challenger:
    """Return the best family by cross-validation among those that can be served; only as many as needed are loaded.

    Raises
    ------
    AssessmentError
        If no family was fitted or none of them can be served.
    """
    unservable: dict[str, str] = {}
    for item in ranked(search):
        pipeline = load_pipeline(item)
        why = servable(pipeline)
        if why is None:
            return Challenger(item["family"], item["best_params"], pipeline, load_oof(item), unservable)
        unservable[item["family"]] = why
    said = unservable or {item["family"]: item["why"] for item in search["families"]}
    raise AssessmentError("no family can be challenger: " + "; ".join(f"{name}: {why}" for name, why in said.items()))
