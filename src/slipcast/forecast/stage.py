"""Stage of an activity as of a data date: what is a fact by then needs no model.

Standard library only: the prediction function imports this module.
"""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """Stage of an activity at the end of the data date.

    `ALREADY_LATE` is open past the last day in time, whether it has started or not: that it is late is a fact.
    `OVERDUE` is open past its baseline finish, inside the tolerance.
    """

    COMPLETE = "complete"
    ALREADY_LATE = "already_late"
    OVERDUE = "overdue"
    IN_PROGRESS = "in_progress"
    NOT_STARTED = "not_started"


class State(NamedTuple):
    """Facts about an activity at the end of the data date.

    Attributes
    ----------
    stage
        stage of the activity
    days_late
        calendar days by which the finish, or the data date of an open activity, lies after the baseline finish; 0 if
        it does not
    """

    stage: Stage
    days_late: int

    @property
    def late(self) -> bool | None:
        """Whether the activity is late where that is a fact; None where it is open."""
        return True if self.stage is Stage.ALREADY_LATE else None


def state(
    *,
    data_date: date,
    baseline_finish: date,
    tolerance_days: int,
    start: date | None = None,
    actual_finish: date | None = None,
    started: bool = True,
) -> State:
    """Return the state of an activity at the end of `data_date`; later facts and planned dates change nothing.

    Parameters
    ----------
    data_date
        day that the schedule describes; what happened on it is known
    baseline_finish
        finish in the baseline
    tolerance_days
        calendar days after the baseline finish that still count as on time
    start
        actual start, else planned start; None if unknown
    actual_finish
        finish; None while the activity is open
    started
        whether `start` is an actual start; a planned start that has passed does not start an activity

    Raises
    ------
    ValueError
        If `tolerance_days` is negative.

    Examples
    --------
    >>> state(data_date=date(2026, 3, 31), baseline_finish=date(2026, 3, 1), tolerance_days=30, start=date(2026, 1, 5))
    State(stage=<Stage.ALREADY_LATE: 'already_late'>, days_late=30)
    """
    if tolerance_days < 0:
        raise ValueError(f"the tolerance is {tolerance_days} days, it must not be negative")
    if actual_finish is not None and actual_finish <= data_date:
        return State(Stage.COMPLETE, max((actual_finish - baseline_finish).days, 0))
    # Open at the end of a day means that the finish is a later one: on the last day in time, lateness is known.
    days_late = max((data_date - baseline_finish).days, 0)
    if baseline_finish + timedelta(days=tolerance_days) <= data_date:
        return State(Stage.ALREADY_LATE, days_late)
    if baseline_finish <= data_date:
        return State(Stage.OVERDUE, days_late)
    begun = started and start is not None and start <= data_date
    return State(Stage.IN_PROGRESS if begun else Stage.NOT_STARTED, 0)


def feature_day(data_date: date, start: date | None) -> date:
    """Return the day as of which features are computed: min(start, day after the data date).

    A feature takes what was known strictly before that day: nothing of the activity itself once it has started, and
    nothing after the data date for one that has not.
    """
    tomorrow = data_date + timedelta(days=1)
    return tomorrow if start is None else min(start, tomorrow)
