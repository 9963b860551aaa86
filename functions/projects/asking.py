"""Answers to requests that compute: what changed between updates, and what if a schedule were another."""

from datetime import date
from typing import Any

from projects.access import PLANNER, Caller
from projects.reading import Project, find
from projects.web import Request, answer, invalid, not_modified
from slipcast.forecast.projects import changes, learned, portfolio, sections
from slipcast_aws import projects as stored

# Slips and the like of a comparison that an answer has.
SHOWN = 1_000


def compare(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return what changed between two updates of a project: the latest two, unless the query names others."""
    query = request.known("from", "to")
    project = find(bucket, request, caller)
    days = [item["data_date"] for item in portfolio.updates_of(project.summary, project.name)]
    end = query.get("to", days[-1])
    earlier = [day for day in days if day < end]
    begin = query.get("from", earlier[-1] if earlier else None)
    if begin is None:
        raise invalid("query.from", "the project has one update: there is nothing to compare it with")
    for name, day in (("from", begin), ("to", end)):
        if day not in days:
            raise invalid(f"query.{name}", f"send the data date of an update: {', '.join(days)}")
    if begin >= end:
        raise invalid("query.from", "send a data date before that of to")
    tag = request.tag(project.key)
    if request.has(tag):
        return not_modified(tag)
    before, after = (
        (_part(bucket, project, day, sections.ROWS), _part(bucket, project, day, sections.NETWORK))
        for day in (begin, end)
    )
    found = changes.compare(project.name, before, after)
    lists = {name: value[:SHOWN] if isinstance(value, list) else value for name, value in found.items()}
    counts = {name: len(value) for name, value in found.items() if isinstance(value, list)}
    tolerance = _part(bucket, project, end, sections.FORECAST)["tolerance_days"]
    lessons = {
        **learned.outcomes(before[0], after[0], tolerance),
        "models": [project.of(day).get("model_version") for day in (begin, end)],
    }
    return answer({"from": begin, "to": end, **lists, "counts": counts, "learned": lessons}, tag=tag)


def what_if(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return completion and activities before and after changes of the latest update; nothing is stored."""
    # Imported here: numpy takes longer to load than any other answer to make.
    from slipcast.forecast.projects import what_if as scenarios

    caller.require(PLANNER)
    request.known()
    project = find(bucket, request, caller)
    day = project.head["data_date"]
    try:
        asked = scenarios.question(request.body())
        columns, details, network, forecast = (
            _part(bucket, project, day, section)
            for section in (sections.ROWS, sections.DETAILS, sections.NETWORK, sections.FORECAST)
        )
        update = scenarios.Stored(
            project.name, date.fromisoformat(day), forecast["tolerance_days"], columns, details, network
        )
        return answer(scenarios.answer(update, asked))
    except scenarios.WhatIfError as error:
        raise invalid(error.field, error.message) from error


def _part(bucket: str, project: Project, data_date: str, section: str) -> Any:
    return stored.part(bucket, project.of(data_date), project.name, section)
