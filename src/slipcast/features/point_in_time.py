"""Point-in-time features: values known strictly before the day on which an activity starts.

One definition for training and for prediction. The history of a *key* (a project, a location, ...) is a `Series`:
cumulative totals at the end of each day on which a fact became known. A feature takes the last entry from before the
activity's start, so neither the activity itself nor any fact of the same day counts.
`point_in_time_table.history_table` computes the same for a whole table; a test compares the two. Standard library only:
the prediction function imports this module.

A label counts from the last day in time on, late or not. If timely labels counted from the finish on, every recent rate
would look good, because late ones become known later; it would also depend on the data date, because an activity that
finished early has no label before it matures.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

PORTFOLIO = "portfolio"

# Canonical columns whose values, together, are a key.
KEYS: dict[str, tuple[str, ...]] = {
    PORTFOLIO: (),
    "project": ("project_id",),
    "phase": ("phase",),
    "work_type": ("work_type",),
    "location": ("location",),
    "phase_work_type": ("phase", "work_type"),
    "activity_name": ("phase", "activity_name"),
}

# One activity that is years late must not outweigh all others of its key.
SLIP_DAYS = (-365, 730)
# Number of activities at which a key's rate has the same weight as the portfolio's.
PRIOR_COUNT = 10

_EPOCH = date(1970, 1, 1).toordinal()


class Totals(NamedTuple):
    """Totals of a key at the end of a day; integers, or int64 arrays of one shape.

    Attributes
    ----------
    labels, late
        matured activities, and those of them that were late
    finishes, slip
        finished activities, and the sum of their slips (days after the baseline finish, in `SLIP_DAYS`)
    started
        activities that have started
    due
        sum of the baseline finishes of the activities under way (days since 1970)
    overdue
        activities under way whose baseline finish has passed
    last_slip, last_finish
        largest slip of the last day with a finish, and that day; 0 if there is none
    """

    labels: Any
    late: Any
    finishes: Any
    slip: Any
    started: Any
    due: Any
    overdue: Any
    last_slip: Any
    last_finish: Any


NOTHING = Totals(*[0] * len(Totals._fields))


class Series(NamedTuple):
    """The history of a key.

    Attributes
    ----------
    days
        days since 1970 on which a fact became known, ascending, of length n_days
    totals
        columns of length n_days: totals at the end of each day
    """

    days: list[int]
    totals: Totals

    def before(self, day: int) -> Totals:
        """Return the totals known strictly before `day` (days since 1970)."""
        index = bisect_left(self.days, day) - 1
        return Totals(*[column[index] for column in self.totals]) if index >= 0 else NOTHING


class AsOf(NamedTuple):
    """Inputs of a feature's formula: numbers for one activity, or arrays for many.

    Attributes
    ----------
    start
        day of the start (days since 1970)
    key, key_earlier
        totals of the feature's key before the start, and before the feature's window
    portfolio, portfolio_earlier
        the same of the whole portfolio
    """

    start: Any
    key: Totals
    key_earlier: Totals
    portfolio: Totals
    portfolio_earlier: Totals


# The formulas use only operators that numbers and arrays share, so the same code gives the same bits for both.


def _larger(a: Any, b: Any) -> Any:
    return a * (a >= b) + b * (b > a)


def _clip(days: Any) -> Any:
    low, high = SLIP_DAYS
    return -_larger(-_larger(days, low), -high)


def _quotient(part: Any, count: Any) -> Any:
    return part / (count + (count == 0))


def _deviation(part: Any, count: Any, all_parts: Any, all_counts: Any) -> tuple[Any, Any]:
    """Return the key's mean less the portfolio's, shrunk towards 0, and whether the portfolio has one."""
    return (part - count * _quotient(all_parts, all_counts)) / (count + PRIOR_COUNT), all_counts > 0


def _late_rate(known: AsOf) -> tuple[Any, Any]:
    return _deviation(
        known.key.late - known.key_earlier.late,
        known.key.labels - known.key_earlier.labels,
        known.portfolio.late - known.portfolio_earlier.late,
        known.portfolio.labels - known.portfolio_earlier.labels,
    )


def _mean_slip(known: AsOf) -> tuple[Any, Any]:
    return _deviation(
        known.key.slip - known.key_earlier.slip,
        known.key.finishes - known.key_earlier.finishes,
        known.portfolio.slip - known.portfolio_earlier.slip,
        known.portfolio.finishes - known.portfolio_earlier.finishes,
    )


def _under_way(known: AsOf) -> tuple[Any, Any]:
    return known.key.started - known.key.finishes, True


def _recent_starts(known: AsOf) -> tuple[Any, Any]:
    return known.key.started - known.key_earlier.started, True


def _overdue_share(known: AsOf) -> tuple[Any, Any]:
    count = known.key.started - known.key.finishes
    return _quotient(known.key.overdue, count), count > 0


def _slip_so_far(known: AsOf) -> tuple[Any, Any]:
    """Return the larger of the last slip and the mean overrun of the activities under way, in days."""
    key = known.key
    count = key.started - key.finishes
    nothing_finished, nothing_open = key.finishes == 0, count == 0
    lowest = SLIP_DAYS[0]
    last = key.last_slip + lowest * nothing_finished
    passed = _clip(known.start - _quotient(key.due, count)) * (count > 0) + lowest * nothing_open
    return _larger(last, passed), key.started > 0


def _gap(known: AsOf) -> tuple[Any, Any]:
    """Return the days since the last finish, 0 while an activity is under way."""
    key = known.key
    return (known.start - key.last_finish) * (key.started == key.finishes), key.started > 0


class Feature(NamedTuple):
    """Feature computed from the history of one key.

    Attributes
    ----------
    name
        column of the feature table
    group
        group of features that are kept or left out together
    key
        name in `KEYS`
    formula
        returns the value, and whether it is known
    window_days
        length of its window in days; None for the whole history
    """

    name: str
    group: str
    key: str
    formula: Callable[[AsOf], tuple[Any, Any]]
    window_days: int | None = None


FEATURES = (
    Feature("project_slip_days", "project", "project", _slip_so_far),
    Feature("project_gap_days", "project", "project", _gap),
    Feature("location_late_rate", "location", "location", _late_rate, 365),
    Feature("activity_name_late_rate", "activity name", "activity_name", _late_rate, 730),
    Feature("project_late_rate", "project rates", "project", _late_rate),
    Feature("project_mean_slip", "project rates", "project", _mean_slip),
    Feature("phase_late_rate", "phase and work type", "phase", _late_rate, 365),
    Feature("work_type_late_rate", "phase and work type", "work_type", _late_rate, 365),
    Feature("phase_work_type_late_rate", "phase and work type", "phase_work_type", _late_rate, 365),
    Feature("phase_mean_slip", "mean slips", "phase", _mean_slip, 365),
    Feature("work_type_mean_slip", "mean slips", "work_type", _mean_slip, 365),
    Feature("location_mean_slip", "mean slips", "location", _mean_slip, 365),
    Feature("project_under_way", "load", "project", _under_way),
    Feature("location_under_way", "load", "location", _under_way),
    Feature("location_recent_starts", "load", "location", _recent_starts, 90),
    Feature("portfolio_recent_starts", "portfolio", PORTFOLIO, _recent_starts, 90),
    Feature("portfolio_overdue_share", "portfolio", PORTFOLIO, _overdue_share),
)

# Sine and cosine of the month's place in the year, so that December is next to January. Rounded, because the cosines of
# March and September differ only in the last bits: trees split there, and values from JSON fell on the other side.
SEASON = tuple(
    (round(math.sin(angle), 9) + 0.0, round(math.cos(angle), 9) + 0.0)
    for angle in (math.tau * month / 12 for month in range(1, 13))
)
SEASONS = {
    "finish_season_sin": ("baseline_finish", 0),
    "finish_season_cos": ("baseline_finish", 1),
    "start_season_sin": ("start", 0),
    "start_season_cos": ("start", 1),
}

GROUPS: dict[str, tuple[str, ...]] = {
    "finish season": ("finish_season_sin", "finish_season_cos"),
    "start season": ("start_season_sin", "start_season_cos"),
    **{
        group: tuple(item.name for item in FEATURES if item.group == group)
        for group in dict.fromkeys(f.group for f in FEATURES)
    },
}

# Features kept by cross-validation in time: four groups by benchmarks/point_in_time.py, the last by
# benchmarks/feature_groups.py on two histories. A value of the whole portfolio is the same for all activities that
# start on a day. It encodes the date: it lowers one period's Brier score and ranks no activity better.
KEPT_GROUPS = ("project", "finish season", "location", "activity name", "project rates")
HISTORY = tuple(name for group in KEPT_GROUPS for name in GROUPS[group])
# Point-in-time features of a forecast, as of the day after its data date, next to those of the start: a project goes on
# while its activities run. None of the portfolio, for the same reason. `NOW` are their names as features of a forecast.
CURRENT = tuple(feature.name for feature in FEATURES if feature.key != PORTFOLIO)
NOW = tuple(f"now_{name}" for name in CURRENT)


def key_text(name: str, activity: Mapping[str, Any]) -> str | None:
    """Return the text form of a key of `activity`, None where one of its columns is missing.

    ``phase=Design``, ``phase=Design&activity_name=Roof%20%26%20walls``; the text of a key without columns is its name.

    Parameters
    ----------
    name
        name in `KEYS`
    activity
        canonical columns

    Examples
    --------
    >>> key_text("phase_work_type", {"phase": "Design", "work_type": "Roof & walls"})
    'phase=Design&work_type=Roof%20%26%20walls'
    >>> key_text("phase", {}) is None
    True
    """
    # Imported here: predict makes no keys for a request that brings its history, and this takes a tenth of its start.
    from urllib.parse import quote

    parts = []
    for column in KEYS[name]:
        value = activity.get(column)
        if value is None or value == "" or value != value:
            return None
        parts.append(f"{column}={quote(str(value), safe='')}")
    return "&".join(parts) or name


def keys_of(activity: Mapping[str, Any], names: Collection[str] = HISTORY) -> list[str]:
    """Return the text forms of the keys whose series the features `names` of `activity` need, each once."""
    keys = (PORTFOLIO, *(feature.key for feature in FEATURES if feature.name in names))
    texts = (key_text(key, activity) for key in dict.fromkeys(keys))
    return [text for text in texts if text is not None]


def history_features(
    activity: Mapping[str, Any], series_by_key: Mapping[str, Series], names: Collection[str] = HISTORY
) -> dict[str, float | None]:
    """Return the point-in-time features of one activity.

    Rates and mean slips are deviations from the portfolio's in the same window, shrunk towards it: 0 for a key that is
    new, missing or not in `series_by_key`.

    Parameters
    ----------
    activity
        canonical columns; dates as `datetime.date` or ISO 8601 text; absent means unknown
    series_by_key
        series by text form, at least those of `keys_of` that exist
    names
        features to compute

    Returns
    -------
    dict[str, float | None]
        the features `names`, in their order; None if unknown: no start, no earlier fact in the project, or no label in
        the portfolio

    Raises
    ------
    ValueError
        If a date is not an ISO 8601 day.
    """
    start = _date(activity.get("start"))
    values: dict[str, float | None] = dict.fromkeys(names)
    for name in names:
        if name in SEASONS:
            column, part = SEASONS[name]
            day = _date(activity.get(column))
            values[name] = SEASON[day.month - 1][part] if day else None
    if start is None:
        return values
    number = start.toordinal() - _EPOCH
    for feature in FEATURES:
        if feature.name in values:
            totals: list[Totals] = []
            for key in (feature.key, PORTFOLIO):
                text = key_text(key, activity)
                series = series_by_key.get(text) if text is not None else None
                totals += _totals(series, number, feature.window_days)
            value, known = feature.formula(AsOf(number, *totals))
            values[feature.name] = float(value) if known else None
    return values


def _totals(series: Series | None, day: int, window_days: int | None) -> tuple[Totals, Totals]:
    if series is None:
        return NOTHING, NOTHING
    return series.before(day), NOTHING if window_days is None else series.before(day - window_days)


def _date(value: Any) -> date | None:
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else date.fromisoformat(value)
