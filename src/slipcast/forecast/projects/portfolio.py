"""Portfolio: what is known of the projects of a source over its updates. Standard library only."""

from collections.abc import Mapping, Sequence
from typing import Any

# Updates of a source that stay in its portfolio, the latest ones: three years of monthly updates.
UPDATES = 36
# Finished activities of a source that the reference class of others counts.
FINISHED = 2_000

type Summary = Mapping[str, Any]


def empty(source: str) -> dict[str, Any]:
    """Return the portfolio of a source without updates."""
    return {"source": source, "updates": [], "projects": {}, "finished": []}


def merged(
    before: Summary,
    update: Mapping[str, Any],
    heads: Mapping[str, Mapping[str, Any]],
    finished: Sequence[tuple[str, float]],
) -> dict[str, Any]:
    """Return a portfolio with an update: in the place of the one of its data date, if there was one.

    Parameters
    ----------
    before
        as `empty` or `merged` returns it
    update
        ``data_date``, and where its projects are stored
    heads
        by project what a list says of it (`documents.documents`)
    finished
        project and actual over planned duration of its finished activities

    Notes
    -----
    What a list says of a project is what its latest update says. The same updates lead to the same portfolio in any
    order, but for what only the latest one of a project knows.
    """
    day = update["data_date"]
    others = [item for item in before["updates"] if item["data_date"] != day]
    updates = sorted([*others, dict(update)], key=lambda item: str(item["data_date"]))[-UPDATES:]
    last = updates[-1]["data_date"] == day
    projects = dict(before["projects"])
    for name, head in heads.items():
        known = projects.get(name)
        trend = [point for point in (known["trend"] if known else ()) if point["data_date"] != day]
        completion = head["completion"]
        point = {"data_date": day, "p50": completion["p50"], "p80": completion["p80"]}
        points = sorted([*trend, point], key=lambda item: str(item["data_date"]))[-UPDATES:]
        present = known if known and known["data_date"] > day else head
        projects[name] = {**present, "trend": points}
    ratios = [[name, round(ratio, 4)] for name, ratio in finished][:FINISHED]
    return {
        "source": before["source"],
        "updates": updates,
        "projects": projects,
        "finished": ratios if last else before["finished"],
    }


def updates_of(summary: Summary, project: str) -> list[Mapping[str, Any]]:
    """Return the updates that name a project, the earliest first."""
    days = {point["data_date"] for point in summary["projects"][project]["trend"]}
    return [item for item in summary["updates"] if item["data_date"] in days]
