"""One run of the monitor: the logged predictions of a window against the profile of the model that made them."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from slipcast.drift import DriftReport, compare
from slipcast.features import CATEGORICAL, NUMERIC


def summarise(
    items: Iterable[dict[str, Any]], profile: dict[str, Any], *, model_version: str, min_n: int
) -> DriftReport:
    """Compare the logged predictions of one model version with its training profile.

    Parameters
    ----------
    items : logged predictions with ``activity_id``, ``model_version``, ``features`` and ``score``; delivered at least
        once, so one may come again
    profile : training profile of that version
    model_version : predictions of other versions are left out
    min_n : with fewer predictions the state is ``insufficient_data``
    """
    # An activity that is asked about every hour is one observation, not twenty-four: a few of them, repeated, would
    # pass for a large sample that looks nothing like the training data. An identifier alone may be that of several
    # projects.
    own = {
        (item["activity_id"], json.dumps(item["features"], sort_keys=True)): item
        for item in items
        if item["model_version"] == model_version
    }
    rows = list(own.values())
    features = pd.DataFrame([row["features"] for row in rows], columns=[*NUMERIC, *CATEGORICAL])
    scores = np.array([row["score"] for row in rows], dtype="float64")
    return compare(profile, features, scores, min_n=min_n)


def metrics(report: DriftReport) -> dict[str, float]:
    """Return the CloudWatch metrics of a run; with insufficient data there is no verdict to report."""
    values: dict[str, float] = {"MonitorRuns": 1, "MonitoredPredictions": report.n}
    if report.state == "insufficient_data":
        return values
    return values | {
        "Drift": float(report.state == "drift"),
        "MaxPSI": report.max_psi,
        "DriftedFeatureShare": report.drifted_share,
        "ScoreMean": report.score_mean,
        "ScoreShift": report.score_mean - report.score_reference_mean,
    }
