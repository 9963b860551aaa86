"""Rendering of the page from the template and the report of a dropped file."""

from typing import Any

from slipcast.csv_safety import neutral
from slipcast.ingest.report import Accepted, Refused
from slipcast.reports import formatting
from slipcast.reports.environment import environment
from slipcast.reports.intake import chart

# Names and notes that a page shows: it does not grow with the file.
MOST = 100
HOW = {
    "profile": "name in the profile",
    "synonym": "another name in the profile",
    "code": "type of activity code",
    "joined": "several columns joined",
    "file name": "name of the file",
    "derived": "derived",
    "absent": "not in the file",
}
# What is derived from what.
DERIVED = {
    "status": "from actual start and finish",
    "data_date": "from the last finish",
    "baseline_start": "from the plan of what has not started",
    "baseline_finish": "from the plan of what has not started",
    "baseline_duration_days": "from the dates of the baseline",
}
BASELINES = {
    "file": "in the file",
    "declared": "the file is the baseline",
    "first_seen": "the plan of activities that had not started",
    "earlier": "in an earlier file of the series",
    "none": "nowhere: started before the first file of the series",
}


def render(report: Accepted | Refused) -> str:
    """Return the page of a dropped file: no other file, no network and no script is needed to read it.

    Parameters
    ----------
    report
        As `slipcast.ingest.report.accepted` or ``refused`` returned it.

    Returns
    -------
    str
        The page; the same report makes the same text.

    Raises
    ------
    KeyError, jinja2.UndefinedError
        If the report lacks a field.
    """
    accepted = report["outcome"] == "accepted"
    gantt = report["understood"]["gantt"] if report["outcome"] == "accepted" else None
    return (
        environment("intake", _safe)
        .get_template("intake.html.j2")
        .render(
            r=report,
            accepted=accepted,
            headline=_headline(report),
            columns=report["understood"]["columns"] if report["outcome"] == "accepted" else report["columns"],
            chart=chart.draw(gantt) if gantt else None,
            how=HOW,
            derived=DERIVED,
            baselines=BASELINES,
            most=MOST,
        )
    )


def _headline(report: Accepted | Refused) -> str:
    if report["outcome"] == "refused":
        return "Refused"
    counts = report["counts"]
    rejected = f", {_number(counts['rejected'], 'row')} in quarantine" if counts["rejected"] else ""
    return f"{_number(counts['accepted'], 'activity', 'activities')} read{rejected}"


def _number(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def _safe(value: Any) -> Any:
    """Return text that is valid XML, and no formula once it is pasted into a spreadsheet."""
    return neutral(formatting.clean(value)) if type(value) is str else value
