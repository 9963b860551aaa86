"""Geometry of the Gantt chart: plain numbers that the template writes as SVG.

Not matplotlib: the function that takes files in does without it, and bars are rectangles.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

from slipcast.ingest.understanding import Bar, Gantt
from slipcast.reports.formatting import clean

# Pixels.
LABELS, TIME, ROW, TOP = 330, 650, 22, 26
NARROWEST = 2.0
LABEL = 68
# Columns of a label; a wide character of Chinese, Japanese or Korean takes two.
LONGEST_ID, LONGEST_NAME = 14, 31
MOST_TICKS = 8
MONTHS = (1, 2, 3, 6, 12, 24, 60, 120, 240)
DAYS = (1, 2, 7, 14)


class Span(NamedTuple):
    """A rectangle of a row: left end and width."""

    x: float
    width: float


class Row(NamedTuple):
    """An activity: where it stands, its labels, its bars (None if there is nothing to draw) and its description.

    ``ahead`` is the part of the bar after the data date, ``late`` that after the baseline.
    """

    y: int
    identifier: str
    name: str
    baseline: Span | None
    bar: Span | None
    ahead: Span | None
    late: Span | None
    description: str


class Tick(NamedTuple):
    """A line of the time axis; the label is empty where there is no room for it."""

    x: float
    label: str


class Chart(NamedTuple):
    """Everything that the template draws."""

    width: int
    height: int
    ticks: list[Tick]
    data_date: float
    rows: list[Row]


def draw(gantt: Gantt) -> Chart:
    """Return the chart of the activities."""
    day = date.fromisoformat(gantt["data_date"])
    bars = [(bar, _days(bar, day)) for bar in gantt["bars"]]
    known = [found for _, days in bars for found in days if found is not None] + [day]
    first, last = min(known), max(known) + timedelta(days=1)
    scale = TIME / max(1, (last - first).days)

    def at(moment: date) -> float:
        return round(LABELS + (moment - first).days * scale, 1)

    def span(start: date | None, finish: date | None) -> Span | None:
        if start is None or finish is None or finish < start:
            return None
        return Span(at(start), round(max(NARROWEST, ((finish - start).days + 1) * scale), 1))

    rows = []
    for place, (bar, (planned, due, start, finish)) in enumerate(bars):
        over = None if due is None else max(start, due + timedelta(days=1))
        # What is open is late at least until the data date.
        until = day if finish is None or (bar["status"] != "complete" and finish < day) else finish
        rows.append(
            Row(
                TOP + place * ROW,
                _short(bar["activity_id"], LONGEST_ID),
                _short(bar["activity_name"], LONGEST_NAME),
                span(planned, due),
                span(start, finish),
                None if bar["status"] == "complete" else span(max(start, day + timedelta(days=1)), finish),
                span(over, until),
                _described(bar),
            )
        )
    return Chart(LABELS + TIME, TOP + len(rows) * ROW + 8, _ticks(first, last, at), at(day), rows)


def _days(bar: Bar, day: date) -> tuple[date | None, date | None, date, date | None]:
    """Return start and finish of the baseline, then those of the activity: an open end is the data date."""
    planned, due, finish = (_date(bar[name]) for name in ("baseline_start", "baseline_finish", "finish"))
    start = date.fromisoformat(bar["start"])
    if finish is None and bar["status"] == "in_progress":
        finish = max(start, day)
    # Where the baseline has no start of its own, that of the activity is all that is known.
    return planned or (start if due and due >= start else due), due, start, finish


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _ticks(first: date, last: date, at: Callable[[date], float]) -> list[Tick]:
    span = (last - first).days
    for step in DAYS:
        if span / step <= MOST_TICKS:
            # Weeks begin on Mondays.
            begin = first - timedelta(days=first.weekday()) if step >= 7 else first
            days = (begin + timedelta(days=step * number) for number in range(MOST_TICKS + 2))
            return [_tick(at(day), day.isoformat()) for day in days if first <= day <= last]
    step = next((step for step in MONTHS if span / 30.4 / step <= MOST_TICKS), MONTHS[-1])
    return [
        _tick(at(day), f"{day:%Y-%m}" if step < 12 else f"{day.year}")
        for day in _months(first, last, step)
        if first <= day <= last
    ]


def _tick(x: float, label: str) -> Tick:
    return Tick(x, label if x + LABEL <= LABELS + TIME else "")


def _months(first: date, last: date, step: int) -> Iterator[date]:
    month = (first.year * 12 + first.month - 1) // step * step
    while month <= last.year * 12 + last.month - 1:
        yield date(month // 12, month % 12 + 1, 1)
        month += step


def _short(text: str, columns: int) -> str:
    """Return a text on one line that takes at most `columns` columns."""
    text = " ".join(clean(text).split())
    if sum(_columns(text)) <= columns:
        return text
    kept, used = [], 1
    for character, width in zip(text, _columns(text), strict=True):
        used += width
        if used > columns:
            break
        kept.append(character)
    return f"{''.join(kept)}…"


def _columns(text: str) -> Iterable[int]:
    return (2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _described(bar: Bar) -> str:
    parts = [f"{bar['activity_id']} {bar['activity_name']}".strip(), bar["status"].replace("_", " ")]
    parts.append(f"{bar['start']} to {bar['finish'] or 'open'}")
    if bar["baseline_finish"]:
        parts.append(f"baseline {bar['baseline_start'] or '?'} to {bar['baseline_finish']}")
    return ", ".join(parts)
