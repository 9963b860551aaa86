"""Outcomes that an update tells of an earlier one's forecast: what a model learns from it. Standard library only."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from statistics import median
from typing import Any

type Columns = Mapping[str, Sequence[Any]]
LEVELS = ("p50", "p80", "p90")


def outcomes(before: Columns, after: Columns, tolerance_days: int) -> dict[str, Any]:
    """Return how the forecast of an update did on the activities that had finished by a later one.

    Parameters
    ----------
    before, after
        The part `sections.ROWS` of each update.
    tolerance_days
        Calendar days after the baseline finish that still count as on time.

    Returns
    -------
    dict[str, Any]
        ``finished``, activities that were open with a forecast and are complete; ``late``, how many of them were late,
        and ``expected_late``, the sum of their probabilities; ``held``, by level how many finished by that day;
        ``days``, the median of finish minus P50, null if none finished.
    """
    finishes = {
        identifier: date.fromisoformat(finish)
        for identifier, stage, finish in zip(
            *(after[column] for column in ("activity_id", "stage", "finish")), strict=True
        )
        if stage == "complete" and finish
    }
    names = ("activity_id", "stage", "baseline_finish", "late_probability", *LEVELS)
    late, expected, differences = 0, 0.0, []
    held = dict.fromkeys(LEVELS, 0)
    for row in zip(*(before[column] for column in names), strict=True):
        said = dict(zip(names, row, strict=True))
        finish = finishes.get(said["activity_id"])
        if finish is None or said["stage"] == "complete" or any(said[level] is None for level in LEVELS):
            continue
        days = {level: date.fromisoformat(said[level]) for level in LEVELS}
        differences.append((finish - days["p50"]).days)
        for level, day in days.items():
            held[level] += finish <= day
        expected += said["late_probability"] or 0.0
        planned = said["baseline_finish"]
        late += planned is not None and finish > date.fromisoformat(planned) + timedelta(days=tolerance_days)
    return {
        "finished": len(differences),
        "late": late,
        "expected_late": round(expected, 2),
        "held": held,
        "days": median(differences) if differences else None,
    }
