"""Answers to requests that read: projects, their activities, their forecasts."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

from projects.access import APPROVER, PLANNER, VIEWER, Caller
from projects.web import Refusal, Request, answer, invalid, not_modified
from slipcast.forecast.projects import identity, portfolio, sections, views
from slipcast_aws import projects as stored

# Items of a page: those that are given where the request names no limit, and the most that it may name.
PROJECTS, MOST_PROJECTS = 500, 1_000
ROWS, MOST_ROWS = 100, 1_000
# Of activities column by column.
COLUMNS = MOST_COLUMNS = 10_000
NOT_FOUND = "there is no such project, or you may not see it"
STAGES = ("complete", "already_late", "overdue", "in_progress", "not_started")


class Project(NamedTuple):
    """A project as the index knows it.

    Attributes
    ----------
    name
        its name in the source
    head
        what a list says of it
    summary
        the portfolio of its source
    key
        key of that portfolio: another one, another state
    """

    name: str
    head: Mapping[str, Any]
    summary: Mapping[str, Any]
    key: str

    @property
    def update(self) -> Mapping[str, Any]:
        """Return the latest update that names the project."""
        return self.of(self.head["data_date"])

    def of(self, data_date: str) -> Mapping[str, Any]:
        """Return the update of a data date."""
        for item in portfolio.updates_of(self.summary, self.name):
            if item["data_date"] == data_date:
                return item
        raise Refusal(HTTPStatus.NOT_FOUND, f"the project has no update of {data_date[:10]}")


def find(bucket: str, request: Request, caller: Caller) -> Project:
    """Return the project of a request.

    Raises
    ------
    Refusal
        404 if there is none, or if the caller may not see it: whoever may not see it does not learn that it is there.
    """
    caller.require(VIEWER, PLANNER, APPROVER)
    # A character that an id has needs no escape, but a client may escape any.
    asked = unquote(request.parameters.get("id", ""))
    found = identity.parts(asked)
    if found is None or not caller.sees(asked):
        raise Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND)
    source, name = found
    entry = stored.index(bucket).get(source)
    summary = stored.summary(bucket, entry["key"]) if entry else portfolio.empty(source)
    head = summary["projects"].get(name)
    if entry is None or head is None:
        raise Refusal(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return Project(name, head, summary, entry["key"])


def list_projects(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the projects that the caller may see."""
    caller.require(VIEWER, PLANNER, APPROVER)
    query = request.known("limit", "next")
    limit = request.number("limit", PROJECTS, MOST_PROJECTS)
    index = stored.index(bucket)
    tag = request.tag(*(entry["key"] for entry in index.values()), *caller.prefixes)
    if request.has(tag):
        return not_modified(tag)
    heads = {head["project_id"]: head for head in _heads(bucket, index) if caller.sees(head["project_id"])}
    ids = sorted(heads)
    found = _page(ids, range(len(ids)), query.get("next"), limit)
    return answer({"projects": [heads[ids[place]] for place in found.places], "next": found.next}, tag=tag)


def _heads(bucket: str, index: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in index.values():
        yield from stored.summary(bucket, entry["key"])["projects"].values()


def _page(keys: Any, places: Any, after: str | None, limit: int) -> views.Page:
    try:
        return views.page(keys, places, after, limit)
    except ValueError:
        raise invalid("query.next", "send the next of the page before, as it is") from None


def show(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return a project with its milestones, updates, phases and locations."""
    request.known()
    project = find(bucket, request, caller)
    tag = request.tag(project.key)
    if request.has(tag):
        return not_modified(tag)
    columns, forecast = (_part(bucket, project, section) for section in (sections.ROWS, sections.FORECAST))
    return answer(
        {
            **project.head,
            "milestones": forecast["milestones"],
            "updates": _updates(project),
            **{f"{name}s": views.distinct(columns[name]) for name in ("phase", "location")},
        },
        tag=tag,
    )


def updates(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the updates of a project, the earliest first."""
    request.known()
    project = find(bucket, request, caller)
    tag = request.tag(project.key)
    return not_modified(tag) if request.has(tag) else answer({"updates": _updates(project)}, tag=tag)


def _updates(project: Project) -> list[dict[str, Any]]:
    names = ("data_date", "dataset_version", "model_version", "execution")
    return [{name: item.get(name) for name in names} for item in portfolio.updates_of(project.summary, project.name)]


def activities(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the activities of a project, one by one or column by column."""
    query = request.known("at_risk", "stage", "q", "limit", "next", "layout")
    layout, stage = query.get("layout", "rows"), query.get("stage", "")
    if layout not in ("rows", "columns"):
        raise invalid("query.layout", "send rows or columns")
    if stage and stage not in STAGES:
        raise invalid("query.stage", f"send one of {', '.join(STAGES)}")
    usual, most = (COLUMNS, MOST_COLUMNS) if layout == "columns" else (ROWS, MOST_ROWS)
    limit, at_risk = request.number("limit", usual, most), request.flag("at_risk")
    project = find(bucket, request, caller)
    tag = request.tag(project.key)
    if request.has(tag):
        return not_modified(tag)
    columns = _part(bucket, project, sections.ROWS)
    places = views.matching(columns, at_risk=at_risk, stage=stage, query=query.get("q", ""))
    found = _page(columns["activity_id"], places, query.get("next"), limit)
    if layout == "columns":
        return answer({"columns": views.by_column(columns, found.places), "next": found.next}, tag=tag)
    return answer({"activities": views.rows(columns, found.places), "next": found.next}, tag=tag)


def activity(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return an activity with its distribution, reasons, history and neighbors in the network."""
    request.known()
    project = find(bucket, request, caller)
    tag = request.tag(project.key)
    if request.has(tag):
        return not_modified(tag)
    columns = _part(bucket, project, sections.ROWS)
    place = columns["activity_id"].index(_named(columns, request))
    details, history, network = (
        _part(bucket, project, section) for section in (sections.DETAILS, sections.HISTORY, sections.NETWORK)
    )
    return answer(views.activity(columns, place, details, history, network, project.head["data_date"]), tag=tag)


def named(bucket: str, project: Project, request: Request) -> str:
    """Return the id of the activity of a request.

    Raises
    ------
    Refusal
        404 if the project has no such activity.
    """
    return _named(_part(bucket, project, sections.ROWS), request)


def _named(columns: Mapping[str, Any], request: Request) -> str:
    # Whether API Gateway decodes a part of a path depends on what stands in it.
    asked = request.parameters.get("activity_id", "")
    for name in (asked, unquote(asked)):
        if name in columns["activity_id"]:
            return name
    raise Refusal(HTTPStatus.NOT_FOUND, "the project has no such activity")


def forecast(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return when a project is completed, and what drives that."""
    request.known()
    project = find(bucket, request, caller)
    tag = request.tag(project.key)
    if request.has(tag):
        return not_modified(tag)
    head = {name: project.head[name] for name in ("project_id", "data_date", "model_version")}
    return answer({**head, **_part(bucket, project, sections.FORECAST)}, tag=tag)


def _part(bucket: str, project: Project, section: str) -> Any:
    return stored.part(bucket, project.update, project.name, section)
