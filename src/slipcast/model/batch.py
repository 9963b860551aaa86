"""Batch scoring: the open activities of a schedule with their probability of delay, as a table for people."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from slipcast.csv_safety import neutral
from slipcast.model.explain import contributions
from slipcast.model.explain.phrases import sentence
from slipcast.model.scorer import Scorer

COLUMNS = (
    *("project_id", "activity_id", "activity_name", "status", "start", "baseline_finish"),
    *("probability", "risk_band", "at_risk", "reasons", "model_version", "model_id"),
)
# Number of activities whose features are looked up and held in memory at a time.
CHUNK = 1_000
# Number of activities that get reasons: a forest takes about 30 ms for each, and the Lambda function's time is limited.
EXPLAINED = 10_000
BANDS = ("low", "medium", "high")


def risk_band(probability: float, threshold: float) -> str:
    """Return ``high`` from the threshold on, ``medium`` from half of it on, else ``low``.

    The threshold is the probability from which a warning costs less than an unexpected delay.

    Examples
    --------
    >>> [risk_band(p, 0.4) for p in (0.1, 0.3, 0.5)]
    ['low', 'medium', 'high']
    """
    return BANDS[(probability >= threshold / 2) + (probability >= threshold)]


def score(
    activities: Iterable[Mapping[str, Any]],
    scorer: Scorer,
    history: Callable[[Sequence[Mapping[str, Any]]], Sequence[Mapping[str, Any]]],
    *,
    model_version: str,
    own_names: Mapping[str, str] | None = None,
    explained: int = EXPLAINED,
    log: Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]], Sequence[float]], None] | None = None,
) -> list[dict[str, Any]]:
    """Return a prediction for each activity, the highest probability first.

    Parameters
    ----------
    activities
        canonical columns of open activities
    history
        adds point-in-time features to a list of activities
    model_version
        version of the function that serves the model
    own_names
        canonical column → name in the user's schedule, for the reasons
    explained
        number of activities that get reasons: those with the highest probabilities
    log
        called with activities, the features that the model saw and their probabilities, chunk by chunk in their order

    Returns
    -------
    list[dict[str, Any]]
        rows with `COLUMNS`; ``reasons`` is empty if the model gives none
    """
    rows: list[dict[str, Any]] = []
    chunk: list[Mapping[str, Any]] = []
    # Rows that may get reasons, with their features: never many more than needed.
    urgent: list[tuple[dict[str, Any], Mapping[str, Any]]] = []
    if contributions.unavailable(scorer) is not None:
        explained = 0

    def flush() -> None:
        known = [scorer.features(activity) for activity in history(chunk)]
        probabilities = scorer.score(known)
        if log:
            log(chunk, known, probabilities)
        for activity, features, probability in zip(chunk, known, probabilities, strict=True):
            given = {name: activity.get(name) for name in COLUMNS[:6]}
            row = {
                **given,
                "probability": probability,
                "risk_band": risk_band(probability, scorer.threshold),
                "at_risk": probability >= scorer.threshold,
                "reasons": "",
                "model_version": model_version,
                "model_id": scorer.metadata["model_id"],
            }
            rows.append(row)
            urgent.append((row, features))
        chunk.clear()
        urgent.sort(key=lambda item: _urgency(item[0]))
        del urgent[explained:]

    for activity in activities:
        chunk.append(activity)
        if len(chunk) == CHUNK:
            flush()
    if chunk:
        flush()
    for row, features in urgent:
        reasons = contributions.contributions_of(scorer, features)
        if reasons is not None:
            row["reasons"] = sentence(reasons, features, own_names)
    return sorted(rows, key=_urgency)


def _urgency(row: Mapping[str, Any]) -> tuple[float, str, str]:
    return -row["probability"], str(row["project_id"]), str(row["activity_id"])


def to_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return predictions as CSV for a spreadsheet: probabilities with four digits, no cell is a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = {name: neutral(value) for name, value in row.items()}
        cells["probability"] = f"{row['probability']:.4f}"
        cells["at_risk"] = "yes" if row["at_risk"] else "no"
        writer.writerow([cells[name] for name in COLUMNS])
    return buffer.getvalue().encode()
