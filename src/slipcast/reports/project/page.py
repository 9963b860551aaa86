"""Rendering of the page of a project from what is stored of it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from slipcast.reports.environment import environment

# Drivers, milestones and late activities of the page: it is one page.
DRIVERS, ROWS = 5, 8
# Size of the chart, and the room that its labels take.
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 220, 90, 30, 12
LEVELS = ("p50", "p80")


def render(head: Mapping[str, Any], forecast: Mapping[str, Any], columns: Mapping[str, Sequence[Any]]) -> str:
    """Return the page: no other file, no network and no script is needed to read it.

    Parameters
    ----------
    head
        what a list says of the project, with its trend
    forecast, columns
        the parts `sections.FORECAST` and `sections.ROWS` of its latest update
    """
    return (
        environment("project")
        .get_template("project.html.j2")
        .render(
            head=head,
            completion=forecast["completion"],
            forecast=forecast,
            headline=headline(head),
            drivers=forecast["drivers"][:DRIVERS],
            milestones=forecast["milestones"][:ROWS],
            late=_latest(columns),
            chart=chart(head["trend"], head["completion"]["baseline"]),
        )
    )


def headline(head: Mapping[str, Any]) -> str:
    """Return what happened to the P80 of the completion, in a sentence.

    Examples
    --------
    >>> trend = [{"data_date": "2026-05-31", "p80": "2027-01-04"}, {"data_date": "2026-07-31", "p80": "2027-01-25"}]
    >>> headline({"completion": {"p80": "2027-01-25", "baseline": None}, "trend": trend})
    'Completion P80 2027-01-25: 3 weeks later than said on 2026-05-31'
    """
    p80, baseline = head["completion"]["p80"], head["completion"]["baseline"]
    if p80 is None:
        return "No completion is forecast"
    known = [point for point in head["trend"] if point["p80"]]
    if len(known) > 1:
        return f"Completion P80 {p80}: {moved(known[0]['p80'], p80)} than said on {known[0]['data_date']}"
    if baseline is None:
        return f"Completion P80 {p80}"
    return f"Completion P80 {p80}: {moved(baseline, p80)} than the baseline"


def moved(before: str, after: str) -> str:
    """Return by how much a day lies later or earlier, in words.

    Examples
    --------
    >>> moved("2026-01-01", "2026-01-22"), moved("2026-01-10", "2026-01-09"), moved("2026-01-01", "2026-01-01")
    ('3 weeks later', '1 day earlier', 'no other')
    """
    days = (date.fromisoformat(after) - date.fromisoformat(before)).days
    if not days:
        return "no other"
    size, unit = (round(abs(days) / 7), "week") if abs(days) >= 14 else (abs(days), "day")
    return f"{size} {unit}{'s' * (size != 1)} {'later' if days > 0 else 'earlier'}"


def _latest(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the open activities that are late already, those that are most late first."""
    names = ("activity_id", "activity_name", "baseline_finish", "days_late", "p50", "p80", "stage")
    rows = [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]
    late = [row for row in rows if row["stage"] == "already_late"]
    return sorted(late, key=lambda row: (-row["days_late"], row["activity_id"]))[:ROWS]


def chart(trend: Sequence[Mapping[str, Any]], baseline: str | None) -> dict[str, Any] | None:
    """Return the places of a chart: the forecast completion over the data dates; None with fewer than two points."""
    known = [point for point in trend if all(point[level] for level in LEVELS)]
    if len(known) < 2:
        return None
    days = [date.fromisoformat(point["data_date"]).toordinal() for point in known]
    finishes = {level: [date.fromisoformat(point[level]).toordinal() for point in known] for level in LEVELS}
    ends = [*finishes["p50"], *finishes["p80"], *([date.fromisoformat(baseline).toordinal()] if baseline else [])]
    low, high = min(ends), max(max(ends), min(ends) + 1)

    def across(day: int) -> float:
        return round(LEFT + (WIDTH - LEFT - 20) * (day - days[0]) / max(days[-1] - days[0], 1), 1)

    def up(day: int) -> float:
        return round(TOP + (HEIGHT - BOTTOM - TOP) * (high - day) / (high - low), 1)

    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "lines": {
            level: " ".join(f"{across(day)},{up(end)}" for day, end in zip(days, values, strict=True))
            for level, values in finishes.items()
        },
        "baseline": None if baseline is None else up(date.fromisoformat(baseline).toordinal()),
        "ticks": [(up(day), date.fromordinal(day).isoformat()) for day in sorted({low, (low + high) // 2, high})],
        "dates": [
            (across(day), point["data_date"])
            for place, (day, point) in enumerate(zip(days, known, strict=True))
            if place in (0, len(known) - 1)
        ],
    }
