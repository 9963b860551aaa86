"""Forecast of one activity as of its data date: its features, as in training, and what is said of its finish.

Every door that gives forecasts applies it: the API, the protocols next to it, batch scoring. Standard library only: the
prediction function imports this module.
"""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

from slipcast.features.point_in_time import CURRENT, NOW
from slipcast.forecast.stage import Known, Stage, iso_day, next_day

if TYPE_CHECKING:
    from slipcast.forecast.distribution import FinishDistribution
    from slipcast.forecast.evaluator import Forecaster

# Why a forecast has a stage and no dates.
NO_MODEL = "the model was released without a forecast: it had too few landmarks to learn from"


class Forecast(NamedTuple):
    """Forecast of one activity; None where the model forecasts nothing.

    Attributes
    ----------
    data_date, stage, days_late
        as in `Known`
    probability_late
        probability of a finish after the baseline finish plus the tolerance
    expected_days_late
        mean of the calendar days by which the finish will lie after the baseline finish, one before it counting 0
    p10, p50, p80, p90
        first days by whose end the activity has finished with at least that probability
    """

    data_date: date
    stage: Stage
    days_late: int
    probability_late: float | None = None
    expected_days_late: float | None = None
    p10: date | None = None
    p50: date | None = None
    p80: date | None = None
    p90: date | None = None


def current(activity: Mapping[str, Any], facts: Known) -> dict[str, Any]:
    """Return an activity dated for its point-in-time features as of the data date (`CURRENT`)."""
    return {**activity, "start": next_day(facts.data_date), "history": None}


def features(
    at_start: Mapping[str, Any], activity: Mapping[str, Any], facts: Known, now: Mapping[str, float | None]
) -> dict[str, Any]:
    """Return the features of a forecast, as `landmarks.landmark_features` gives them in training.

    Parameters
    ----------
    at_start
        features of the prediction, as of `Known.feature_day`
    activity
        canonical columns, with ``baseline_finish`` and, if known, ``baseline_start``
    facts
        what is known of it
    now
        `point_in_time.CURRENT` as of the day after the data date, by these names
    """
    row = dict(at_start)
    for name, feature in zip(CURRENT, NOW, strict=True):
        row[feature] = now.get(name)
    planned = iso_day(activity.get("baseline_start"))
    duration = row["baseline_duration_days"]
    elapsed = None if facts.begun is None else (facts.data_date - facts.begun).days
    row["elapsed"] = elapsed
    row["to_finish"] = ((iso_day(activity.get("baseline_finish")) or date.max) - facts.data_date).days
    row["elapsed_share"] = None if elapsed is None or duration is None else elapsed / max(duration, 1)
    row["to_start"] = None if elapsed is not None or planned is None else (planned - facts.data_date).days
    return row


def finish(
    forecaster: "Forecaster", row: Mapping[str, Any], facts: Known, tolerance_days: int, judged: float
) -> "FinishDistribution":
    """Return the distribution of the days from the data date to the finish of an open activity.

    Parameters are those of `forecast`.
    """
    return forecaster.forecast(row, facts.stage, row["to_finish"] + tolerance_days, judged)


def stated(found: "FinishDistribution", row: Mapping[str, Any], facts: Known, tolerance_days: int) -> Forecast:
    """Return what is said of the finish of an open activity, given its distribution (`finish`)."""
    day, stage, days_late = facts[:3]
    return Forecast(
        day,
        stage,
        days_late,
        1.0 if stage is Stage.ALREADY_LATE else found.p_late(row["to_finish"] + tolerance_days),
        found.expected_days_late(row["to_finish"]),
        found.finish_date(day, 0.1),
        found.finish_date(day, 0.5),
        found.finish_date(day, 0.8),
        found.finish_date(day, 0.9),
    )


def forecast(
    forecaster: "Forecaster | None",
    row: Mapping[str, Any],
    facts: Known,
    tolerance_days: int,
    judged: float,
    actual_finish: date | None = None,
) -> Forecast:
    """Return the forecast of an activity.

    Parameters
    ----------
    forecaster
        forecast model; None if the release has none
    row
        `features`; not read without a forecaster
    facts
        what is known of the activity
    tolerance_days
        calendar days after the baseline finish that still count as on time
    judged
        probability of delay, judged at the start
    actual_finish
        finish of a complete activity: a fact is a forecast without any spread
    """
    day, stage, days_late = facts[:3]
    if stage is Stage.COMPLETE:
        fact = actual_finish
        return Forecast(
            day, stage, days_late, float(days_late > tolerance_days), float(days_late), fact, fact, fact, fact
        )
    if forecaster is None:
        return Forecast(day, stage, days_late, 1.0 if stage is Stage.ALREADY_LATE else None)
    return stated(finish(forecaster, row, facts, tolerance_days, judged), row, facts, tolerance_days)
