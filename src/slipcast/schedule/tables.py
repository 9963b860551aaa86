"""The network of a file or of a dataset version (`slipcast.datasets.network`) as what is scheduled."""

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from slipcast.datasets.calendars import Calendar
from slipcast.datasets.network_columns import TABLES
from slipcast.schedule.network import (
    Activity,
    Constraint,
    ConstraintKind,
    Key,
    Kind,
    Network,
    Project,
    Relation,
    Status,
)
from slipcast.schedule.options import FloatKind, Options, OutOfSequence
from slipcast.schedule.working_time import minute_of

type Row = Mapping[str, Any]
_KINDS = {kind.value: kind for kind in Kind}
_STATUSES = {status.value: status for status in Status}
_CONSTRAINTS = {kind.value: kind for kind in ConstraintKind}
_RELATIONS = frozenset({"FS", "SS", "FF", "SF"})
# A schedule is no history: other years are errors of data.
_YEARS = range(1950, 2150)


def read_folder(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Return the rows by table that a `slipcast.datasets.network.Writer` has written."""
    rows = {}
    for name, columns in TABLES.items():
        with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as source:
            rows[name] = list(csv.DictReader(source, ("project_id", *columns)))
    return rows


def network_of(rows: Mapping[str, Iterable[Row]]) -> Network:
    """Return a network from rows of `slipcast.datasets.network_columns.TABLES`, text or typed.

    A status that contradicts the actual dates gives way to them. Relations of an unknown kind count as FS. The lag of a
    relation in per cent counts on the duration of its predecessor.

    Raises
    ------
    ValueError
        If a project has activities and neither a data date nor any planned start.
    """
    activities = {item.key: item for item in map(_activity, rows.get("activities", ()))}
    projects = {_text(row, "project_id"): row for row in rows.get("projects", ())}
    return Network(
        {name: _project(name, projects.get(name, {}), activities) for name in {key.project for key in activities}},
        activities,
        [_relation(row, activities) for row in rows.get("relations", ())],
        {_text(row, "calendar_id"): _calendar(row) for row in rows.get("calendars", ())},
    )


def _project(name: str, row: Row, activities: Mapping[Key, Activity]) -> Project:
    data_date = _minute(row, "data_time")
    planned_start = _minute(row, "planned_start")
    if data_date is None:
        data_date = planned_start
    if data_date is None:
        starts = [item.planned_start for key, item in activities.items() if key.project == name and item.planned_start]
        if not starts:
            raise ValueError(f"project {name!r} has no data date and no planned dates")
        data_date = min(starts)
    defaults = Options()
    options = Options(
        out_of_sequence=OutOfSequence(_text(row, "out_of_sequence") or defaults.out_of_sequence),
        lag_from_actual_start=_flag(row, "lag_from_actual_start", defaults.lag_from_actual_start),
        open_ends_critical=_flag(row, "open_ends_critical", defaults.open_ends_critical),
        float_to_own_finish=_flag(row, "float_to_own_finish", defaults.float_to_own_finish),
        float_kind=FloatKind(_text(row, "float_kind") or defaults.float_kind),
    )
    return Project(data_date, planned_start, _minute(row, "must_finish"), options)


def _activity(row: Row) -> Activity:
    kind = _KINDS.get(_text(row, "activity_type"), Kind.TASK)
    actual_start, actual_finish = _minute(row, "actual_start"), _minute(row, "actual_finish")
    status = _STATUSES.get(_text(row, "status"), Status.NOT_STARTED)
    if actual_finish is not None:
        status = Status.COMPLETE
    elif actual_start is not None and status is Status.NOT_STARTED:
        status = Status.IN_PROGRESS
    duration = _whole(row, "planned_minutes") or 0
    remaining = _whole(row, "remaining_minutes")
    if remaining is None:
        remaining = duration
    if status is Status.COMPLETE or kind in (Kind.START_MILESTONE, Kind.FINISH_MILESTONE):
        remaining = 0
    pairs = (("constraint_type", "constraint_date"), ("second_constraint_type", "second_constraint_date"))
    constraints = [
        Constraint(_CONSTRAINTS[_text(row, name)], minute)
        for name, moment in pairs
        if _text(row, name) in _CONSTRAINTS and (minute := _minute(row, moment)) is not None
    ]
    return Activity(
        Key(_text(row, "project_id"), _text(row, "activity_id")),
        _text(row, "calendar_id"),
        max(duration, 0),
        max(remaining, 0),
        _text(row, "activity_name"),
        kind,
        status,
        actual_start,
        actual_finish,
        _minute(row, "planned_start"),
        _minute(row, "planned_finish"),
        tuple(constraints),
        any(_text(row, name) == "as_late_as_possible" for name, _ in pairs),
        *(
            _minute(row, name)
            for name in ("expected_finish", "suspended", "resumed", "external_early_start", "external_late_finish")
        ),
    )


def _relation(row: Row, activities: Mapping[Key, Activity]) -> Relation:
    project = _text(row, "project_id")
    before = Key(_text(row, "predecessor_project_id") or project, _text(row, "predecessor_id"))
    lag = _whole(row, "lag_minutes") or 0
    percent = _text(row, "lag_percent")
    if percent and before in activities:
        lag = round(activities[before].duration * float(percent) / 100)
    kind = _text(row, "relation_type")
    calendar = None if _text(row, "lag_calendar") == "elapsed" else _text(row, "lag_calendar_id")
    after = Key(project, _text(row, "successor_id"))
    return Relation(before, after, kind if kind in _RELATIONS else "FS", lag, calendar)


def _calendar(row: Row) -> Calendar:
    week = tuple(tuple((begin, end) for begin, end in day) for day in json.loads(_text(row, "week") or "[]"))
    found = json.loads(_text(row, "exceptions") or "{}")
    exceptions = {
        date.fromisoformat(day): tuple((begin, end) for begin, end in spans)
        for day, spans in found.items()
        if int(day[:4]) in _YEARS
    }
    hours = (_number(row, name) for name in ("hours_per_day", "hours_per_week"))
    return Calendar(week, exceptions, *hours)


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value)


def _flag(row: Row, name: str, default: bool) -> bool:
    text = _text(row, name).lower()
    return text == "true" if text else default


def _number(row: Row, name: str) -> float | None:
    try:
        return float(_text(row, name))
    except ValueError:
        return None


def _whole(row: Row, name: str) -> int | None:
    value = _number(row, name)
    # Nothing of this size is a duration.
    return None if value is None or not abs(value) < 1e8 else round(value)


def _minute(row: Row, name: str) -> int | None:
    value = row.get(name)
    if not value:
        return None
    if not isinstance(value, datetime):
        try:
            value = datetime.fromisoformat(str(value))
        except ValueError:
            return None
    return minute_of(value) if value.year in _YEARS else None
