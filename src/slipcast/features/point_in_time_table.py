"""Point-in-time features of a table: `point_in_time.history_features` for many activities at once."""

from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from slipcast.features.point_in_time import (
    FEATURES,
    HISTORY,
    KEYS,
    PORTFOLIO,
    SEASON,
    SEASONS,
    SLIP_DAYS,
    AsOf,
    Series,
    Totals,
    key_text,
)

# Larger than any day since 1970 that `datetime64[ns]` can hold.
_DAY_SPAN = 1 << 20
_FIELDS = {name: index for index, name in enumerate(Totals._fields)}


class _Fact(NamedTuple):
    """Fact that became known: its rows, the day since 1970, and its additions to the totals."""

    row: np.ndarray
    day: np.ndarray
    change: dict[str, np.ndarray | int]


class _History(NamedTuple):
    """Totals of all values of one key, sorted by code and day.

    Attributes
    ----------
    place
        code and day in one number, ascending, of shape (n_entries,)
    totals
        of shape (n_totals, n_entries)
    """

    place: np.ndarray
    totals: np.ndarray

    def before(self, codes: np.ndarray, days: np.ndarray) -> Totals:
        """Return the totals of each code strictly before the day; zeros for a negative code."""
        if not len(self.place):
            return Totals(*np.zeros((len(_FIELDS), len(codes)), dtype="int64"))
        index = np.searchsorted(self.place, _place(codes, days)) - 1
        found = (index >= 0) & (codes >= 0)
        found &= self.place[index] // (2 * _DAY_SPAN) == codes
        return Totals(*np.where(found, self.totals[:, index], 0))


def build_series(table: pd.DataFrame, tolerance_days: int, names: Collection[str] = tuple(KEYS)) -> dict[str, Series]:
    """Return the series of every key value in a canonical table.

    Rows without a start, baseline finish or data date are left out, and so are facts after a row's data date.

    Parameters
    ----------
    table
        DataFrame of shape (n_activities, n_columns) with canonical columns, dates as ``datetime64``; each activity
        once, whether it has a label or not
    tolerance_days
        calendar days after the baseline finish that still count as on time
    names
        keys of `KEYS` to build

    Returns
    -------
    dict[str, Series]
        series by `key_text`
    """
    facts = _facts(table, tolerance_days)
    series: dict[str, Series] = {}
    for name in names:
        keys = _columns(table, KEYS[name])
        codes, first = _codes(keys, KEYS[name])
        history = _history(facts, codes)
        code, day = np.divmod(history.place, 2 * _DAY_SPAN)
        edges = np.flatnonzero(np.diff(code, prepend=-1, append=-1))
        labels = keys.iloc[first].to_dict("records")
        for begin, end in pairwise(edges):
            text = key_text(name, labels[code[begin]])
            totals = Totals(*history.totals[:, begin:end].tolist())
            series[str(text)] = Series((day[begin:end] - _DAY_SPAN).tolist(), totals)
    return series


def history_table(
    table: pd.DataFrame, rows: pd.DataFrame, tolerance_days: int, names: Collection[str] = HISTORY
) -> pd.DataFrame:
    """Return the point-in-time features of `rows`, given everything in `table`.

    Parameters
    ----------
    table
        as for `build_series`; it may contain `rows`; an activity never counts for itself
    rows
        DataFrame of shape (n_rows, n_columns) with canonical columns, dates as ``datetime64``
    tolerance_days
        calendar days after the baseline finish that still count as on time
    names
        features to compute

    Returns
    -------
    pd.DataFrame
        DataFrame of shape (n_rows, n_features), index as `rows`: the features `names` as float64, NaN where unknown
    """
    facts = _facts(table, tolerance_days)
    start = pd.to_datetime(rows["start"])
    dated, day = start.notna().to_numpy(), _days(start)
    wanted = [feature for feature in FEATURES if feature.name in names]
    columns = {name: _season(rows, *SEASONS[name]) for name in names if name in SEASONS}
    lookups: dict[tuple[str, int | None], Totals] = {}
    for key in dict.fromkeys([PORTFOLIO, *(feature.key for feature in wanted)]):
        codes, _ = _codes(pd.concat([_columns(table, KEYS[key]), _columns(rows, KEYS[key])]), KEYS[key])
        history = _history(facts, codes[: len(table)])
        for window in {feature.window_days for feature in wanted if key in (PORTFOLIO, feature.key)} | {None}:
            lookups[key, window] = history.before(codes[len(table) :], day - (window or 0))
    nothing = Totals(*np.zeros((len(_FIELDS), len(rows)), dtype="int64"))
    for feature in wanted:
        totals = []
        for key in (feature.key, PORTFOLIO):
            window = feature.window_days
            totals += [lookups[key, None], nothing if window is None else lookups[key, window]]
        value, known = feature.formula(AsOf(day, *totals))
        columns[feature.name] = np.where(known & dated, value, np.nan)
    return pd.DataFrame({name: columns[name] for name in names}, index=rows.index, dtype="float64")


def _facts(table: pd.DataFrame, tolerance_days: int) -> list[_Fact]:
    """Return the facts about the rows of `table`, each with the day from which it was known."""
    dates = {name: pd.to_datetime(table[name]) for name in ("start", "baseline_finish", "data_date", "actual_finish")}
    usable = np.logical_and.reduce([dates[name].notna() for name in ("start", "baseline_finish", "data_date")])
    start, due, data_day, finish = (_days(day) for day in dates.values())
    finished = usable & dates["actual_finish"].notna().to_numpy() & (finish <= data_day)
    # A finish before the start counts on the day of the start: an activity cannot end before it begins.
    end = np.where(finished, np.maximum(finish, start), np.iinfo("int64").max)
    limit = due + tolerance_days
    late = np.where(finished, finish, end) > limit
    # As in `labels.label`: a label given by the file takes precedence.
    given = pd.to_numeric(_columns(table, ("schedule_adherence",))["schedule_adherence"]).to_numpy(dtype="float64")
    late = np.where(np.isnan(given), late, given == 0)
    slip = np.where(finished, np.clip(finish - due, *SLIP_DAYS), 0)
    overdue_from = np.maximum(due + 1, start)
    overdue = usable & (end > overdue_from)
    # No fact about an activity is known before its start, so it never counts for itself.
    facts: tuple[tuple[np.ndarray, np.ndarray, dict[str, int | np.ndarray]], ...] = (
        (usable, np.maximum(limit, start), {"labels": 1, "late": late}),
        (usable, start, {"started": 1, "due": due}),
        (finished, end, {"finishes": 1, "slip": slip, "due": -due}),
        (overdue, overdue_from, {"overdue": 1}),
        (overdue & finished, end, {"overdue": -1}),
    )
    known = []
    for mask, day, changes in facts:
        row = np.flatnonzero(mask & (day <= data_day))
        change = {name: value if isinstance(value, int) else value[row] for name, value in changes.items()}
        known.append(_Fact(row, day[row], change))
    return known


def _history(facts: list[_Fact], codes: np.ndarray) -> _History:
    """Return the totals of each code at the end of each day with facts."""
    places = np.concatenate([_place(codes[fact.row], fact.day) for fact in facts])
    # Negative codes give negative places: they sort first and are cut off afterwards.
    order = np.argsort(places)
    ordered = places[order]
    new = np.diff(ordered, prepend=-_DAY_SPAN * 4) != 0
    entry = np.empty(len(places), dtype="int64")
    entry[order] = np.cumsum(new) - 1
    place = ordered[new]
    change = np.zeros((len(_FIELDS), len(place)), dtype="int64")
    last_slip, last_finish = np.full(len(place), np.iinfo("int64").min), place % (2 * _DAY_SPAN) - _DAY_SPAN
    begin = 0
    for fact in facts:
        where = entry[begin : begin + len(fact.row)]
        begin += len(fact.row)
        for name, value in fact.change.items():
            weights = None if isinstance(value, int) else value
            counted = np.bincount(where, weights, len(place)).astype("int64")
            change[_FIELDS[name]] += counted * (value if isinstance(value, int) else 1)
        if "finishes" in fact.change:
            np.maximum.at(last_slip, where, fact.change["slip"])
    kept = int(np.searchsorted(place, 0))
    place, change, last_slip, last_finish = place[kept:], change[:, kept:], last_slip[kept:], last_finish[kept:]
    first = np.flatnonzero(np.diff(place // (2 * _DAY_SPAN), prepend=-1))
    group = np.repeat(first, np.diff(first, append=len(place)))
    totals = np.cumsum(change, axis=1)
    totals -= (totals - change)[:, group]
    # The last day with a finish, up to each entry of the same code.
    seen = np.maximum.accumulate(np.where(change[_FIELDS["finishes"]] > 0, np.arange(len(place)), -1))
    for name, values in {"last_slip": last_slip, "last_finish": last_finish}.items():
        totals[_FIELDS[name]] = np.where(seen >= group, values[seen], 0)
    return _History(place, totals)


def _place(codes: np.ndarray, days: np.ndarray) -> np.ndarray:
    values: np.ndarray = codes * (2 * _DAY_SPAN) + days + _DAY_SPAN
    return values


def _codes(table: pd.DataFrame, columns: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return a number for each row's values in `columns`, -1 where one is missing, and each number's first row."""
    codes = np.zeros(len(table), dtype="int64")
    for column in columns:
        code, values = pd.factorize(table[column])
        # By their text, as in `key_text`: the number 7 and the text "7" are one key, and an empty text is none.
        same, texts = pd.factorize(np.array([str(value) or None for value in values], dtype=object))
        code = np.append(same, -1)[code]
        codes = np.where((codes >= 0) & (code >= 0), codes * max(len(texts), 1) + code, -1)
    numbers, _ = pd.factorize(np.where(codes >= 0, codes, np.nan)) if len(columns) > 1 else (codes, None)
    row = np.flatnonzero(numbers >= 0)[::-1]
    first = np.zeros(numbers.max(initial=-1) + 1, dtype="int64")
    first[numbers[row]] = row
    return numbers.astype("int64"), first


def _columns(table: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    """Return `columns` of the table, empty where it has none."""
    return table.reindex(columns=list(columns))


def _days(dates: pd.Series) -> np.ndarray:
    """Return days since 1970, 0 where missing."""
    values: np.ndarray = dates.fillna(pd.Timestamp(0)).to_numpy().astype("datetime64[D]").astype("int64")
    return values


def _season(rows: pd.DataFrame, column: str, part: int) -> np.ndarray:
    if column not in rows:
        return np.full(len(rows), np.nan)
    month = pd.to_datetime(rows[column]).dt.month
    values: np.ndarray = month.map({number + 1: pair[part] for number, pair in enumerate(SEASON)}).to_numpy(
        dtype="float64"
    )
    return values
