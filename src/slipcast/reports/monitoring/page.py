"""Rendering of the page from template, charts and a record."""

from collections.abc import Iterable
from typing import Any

from slipcast.reports.environment import environment
from slipcast.reports.monitoring import charts
from slipcast.reports.monitoring.advice import BAD, HEADLINES, advice, feature, moved
from slipcast.reports.monitoring.past import past

# In the order of the page: anchor, heading.
SECTIONS = (
    ("moved", "What changed"),
    ("timeline", "Scores and outcomes over time"),
    ("realised", "Realized outcomes"),
    ("estimated", "Without outcomes"),
    ("features", "All features"),
    ("rule", "How it was decided"),
)
MOST_MOVED = 12


def render(record: dict[str, Any], earlier: Iterable[dict[str, Any]] = ()) -> str:
    """Return the page of a run of the monitor: no other file, no network and no script is needed to read it.

    Parameters
    ----------
    record
        as `slipcast.monitoring.record.Record.as_dict` returned it
    earlier
        records of runs before it, for the timeline

    Returns
    -------
    str
        the page; the same records make the same text

    Raises
    ------
    KeyError, jinja2.UndefinedError
        If the record lacks a field.
    """
    names, before = moved(record), past(record, earlier)
    shown = [(name, feature(record, name)) for name in names[:MOST_MOVED]]
    return (
        environment("monitoring")
        .get_template("monitor.html.j2")
        .render(
            r=record,
            sections=SECTIONS,
            headline=HEADLINES[record["conclusion"]],
            bad=record["conclusion"] in BAD,
            advice=advice(record),
            moved=[(name, item, charts.distribution(name, item)) for name, item in shown],
            more=names[MOST_MOVED:],
            features=charts.by_index(record),
            parts=charts.by_gap(record),
            past=before,
            charts={
                "timeline": charts.timeline(record, before),
                "indices": charts.indices(record),
                "slices": charts.slices(record),
            },
        )
    )
