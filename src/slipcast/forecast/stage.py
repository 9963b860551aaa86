"""Stage of an activity as of a data date: what is a fact by then needs no model.

Every door applies it: the API and the protocols next to it, the queue, batch scoring, the edge scorer. Standard library
only, Python 3.9 and later: the prediction function and the edge scorer import this module.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any, NamedTuple

from slipcast.features.activity import baseline

_DAY = timedelta(days=1)


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
        """Lateness of the activity where that is a fact; None where it is open."""
        return True if self.stage is Stage.ALREADY_LATE else None


def state(
    *,
    data_date: date,
    baseline_finish: date | None,
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
        finish in the baseline; None if it lies beyond the calendar
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
    due = baseline_finish or date.max
    if actual_finish is not None and actual_finish <= data_date:
        return State(Stage.COMPLETE, max((actual_finish - due).days, 0))
    # Open at the end of a day means that the finish is a later one: on the last day in time, lateness is known.
    days_late = (data_date - due).days
    if days_late >= 0:
        return State(Stage.ALREADY_LATE if days_late >= tolerance_days else Stage.OVERDUE, days_late)
    begun = started and start is not None and start <= data_date
    return State(Stage.IN_PROGRESS if begun else Stage.NOT_STARTED, 0)


def feature_day(data_date: date, start: date | None) -> date:
    """Return the day as of which features are computed: min(start, day after the data date).

    A feature takes what was known strictly before that day: nothing of the activity itself once it has started, and
    nothing after the data date for one that has not.
    """
    tomorrow = next_day(data_date)
    return tomorrow if start is None else min(start, tomorrow)


def next_day(data_date: date) -> date:
    """Return the day after the data date; the data date itself at the end of the calendar."""
    return data_date + _DAY if data_date < date.max else data_date


class Known(NamedTuple):
    """Facts about an activity at the end of its data date.

    Attributes
    ----------
    data_date
        day that the activity is described on
    stage
        stage of the activity
    days_late
        whole calendar days by which the finish, or the data date of an open activity, lies after the baseline finish
    begun
        actual start; None if the activity has not started
    feature_day
        day as of which features are computed: what became known on it or later is no part of them
    """

    data_date: date
    stage: Stage
    days_late: int
    begun: date | None
    feature_day: date

    def probability(self, judged: float) -> float:
        """Return the probability of delay: 1 where late is a fact, else the one that was judged at the start."""
        return 1.0 if self.stage is Stage.ALREADY_LATE else judged


def known(
    *,
    data_date: date,
    start: date | None,
    baseline_finish: date | None,
    tolerance_days: int,
    status: str | None = None,
    actual_finish: date | None = None,
) -> Known:
    """Return what is known of an activity at the end of `data_date`.

    Parameters
    ----------
    data_date
        day that the activity is described on
    start
        actual start, else planned start
    baseline_finish
        finish in the baseline; None if it lies beyond the calendar
    tolerance_days
        calendar days after the baseline finish that still count as on time
    status
        one of `slipcast.schema.STATUSES`; where absent, a start up to the data date is an actual start
    actual_finish
        finish; one after the data date is a plan

    Examples
    --------
    >>> found = known(
    ...     data_date=date(2026, 3, 31), start=date(2026, 1, 5), baseline_finish=date(2026, 3, 1), tolerance_days=30
    ... )
    >>> found.stage.value, found.days_late, found.probability(0.89)
    ('already_late', 30, 1.0)
    """
    begun = start if start is not None and start <= data_date and status != "not_started" else None
    stage, days_late = state(
        data_date=data_date,
        baseline_finish=baseline_finish,
        tolerance_days=tolerance_days,
        start=begun,
        actual_finish=actual_finish,
    )
    return Known(data_date, stage, days_late, begun, feature_day(data_date, begun))


def known_of_columns(columns: Mapping[str, Sequence[Any]], tolerance_days: int) -> list[Known]:
    """Return what is known of each activity, given by canonical columns, each of length n_activities."""
    return [
        known(
            data_date=day,
            start=start,
            baseline_finish=finish,
            tolerance_days=tolerance_days,
            status=status,
            actual_finish=actual,
        )
        for day, start, finish, status, actual in zip(
            *(columns[name] for name in ("data_date", "start", "baseline_finish", "status", "actual_finish")),
            strict=True,
        )
    ]


def as_of(activity: Mapping[str, Any], data_date: date, tolerance_days: int) -> tuple[dict[str, Any], Known]:
    """Return an activity as the features take it, and what is known of it.

    Duration and finish are derived from each other before the start becomes `Known.feature_day`, from which the
    point-in-time features count; ``duration_from`` keeps the day that the duration counts from. Where that lies after
    the baseline finish, the duration is unknown.

    Parameters
    ----------
    activity
        canonical columns; days as `datetime.date` or ISO 8601 text; absent means unknown
    data_date
        day that the activity is described on, where it names none
    tolerance_days
        calendar days after the baseline finish that still count as on time

    Raises
    ------
    ValueError
        If a date is not an ISO 8601 day.
    """
    day = {
        name: iso_day(activity.get(name))
        for name in ("data_date", "start", "baseline_start", "baseline_finish", "actual_finish")
    }
    days = activity.get("baseline_duration_days")
    begin, finish = day["baseline_start"] or day["start"], day["baseline_finish"]
    if begin is not None and (days is not None or (finish is not None and finish >= begin)):
        days, finish = baseline(begin, days, finish)
    found = known(
        data_date=day["data_date"] or data_date,
        start=day["start"],
        baseline_finish=finish,
        tolerance_days=tolerance_days,
        status=activity.get("status"),
        actual_finish=day["actual_finish"],
    )
    dated = {
        "start": found.feature_day,
        "duration_from": begin,
        "baseline_duration_days": days,
        "baseline_finish": finish,
    }
    return {**activity, **dated}, found


def today() -> date:
    """Return the day in UTC: the data date of an activity that names none."""
    return datetime.now(timezone.utc).date()  # noqa: UP017 - Python 3.9 has no datetime.UTC


def iso_day(value: Any) -> date | None:
    """Return a day that is given as `datetime.date`, or as ISO 8601 text; None where it is empty."""
    return date.fromisoformat(value) if isinstance(value, str) and value else value or None
