"""Stage of an open activity as of the data date: the state that comes before every model.

An activity that is open after its baseline finish and the tolerance is late: that is known, and no model is asked.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class Stage(StrEnum):
    """Stage of an open activity.

    Attributes
    ----------
    NOT_STARTED, IN_PROGRESS : its baseline finish is still ahead
    OVERDUE : its baseline finish has passed, the tolerance has not
    ALREADY_LATE : the tolerance has passed as well
    """

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    OVERDUE = "overdue"
    ALREADY_LATE = "already_late"


@dataclass(frozen=True)
class State:
    """State of an open activity.

    Attributes
    ----------
    stage : its stage
    days_late : calendar days from the baseline finish to the data date; 0 while the baseline finish is ahead
    """

    stage: Stage
    days_late: int

    @property
    def probability(self) -> float | None:
        """Probability of being late where it is known: 1 if it already is, else None."""
        return 1.0 if self.stage is Stage.ALREADY_LATE else None


def state(
    data_date: date,
    baseline_finish: date,
    *,
    actual_start: date | None = None,
    actual_finish: date | None = None,
    tolerance_days: int = 30,
) -> State | None:
    """Return the state of an activity at the end of the data date; None if it is complete by then.

    The limits are those of `slipcast.datasets.labels.rule`: what is open at the end of the last day in time is late. An
    actual date after the data date is not known yet.

    Parameters
    ----------
    tolerance_days : calendar days after the baseline finish that still count as on time

    Raises
    ------
    ValueError
        If the tolerance is negative.
    """
    if tolerance_days < 0:
        raise ValueError(f"the tolerance is {tolerance_days} days, it must not be negative")
    if actual_finish is not None and actual_finish <= data_date:
        return None
    days = (data_date - baseline_finish).days
    if days >= 0:
        return State(Stage.ALREADY_LATE if days >= tolerance_days else Stage.OVERDUE, days)
    started = actual_start is not None and actual_start <= data_date
    return State(Stage.IN_PROGRESS if started else Stage.NOT_STARTED, 0)


def features_as_of(start: date, data_date: date) -> date:
    """Return the day that features of the past are as of: the start, or the day after the data date if that is earlier.

    A planned start after the data date knows nothing that the day after the data date does not.
    """
    return min(start, data_date + timedelta(days=1))
