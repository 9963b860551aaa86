"""Scenarios: what-if questions that somebody saved under a name, next to the documents of their project.

The question is stored, not its answer: opened again it is asked of the latest update.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from projects.access import PLANNER, Caller
from projects.reading import Project, find
from projects.settings import Settings
from projects.web import Refusal, Request, answer, invalid, not_modified
from slipcast_aws import projects as stored
from slipcast_aws import storage
from slipcast_aws.control import audit

# Scenarios of a project, and characters of a name.
MOST, LONGEST = 100, 100

type Scenarios = dict[str, dict[str, Any]]


def saved(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the scenarios of a project, the latest first."""
    request.known()
    project = find(bucket, request, caller)
    return _listed(_read(bucket, project), request)


def save(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Store a question under a name that the project does not have yet."""
    # Imported here: numpy takes longer to load than any other answer to make.
    from slipcast.forecast.projects import what_if

    caller.require(PLANNER)
    request.known()
    document = request.body()
    for field in document:
        if field not in ("name", "question"):
            raise invalid(field[:40], "there is no such field; there are name, question")
    name, question = document.get("name"), document.get("question")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST or not name.isprintable():
        raise invalid("name", f"send a name of at most {LONGEST} characters")
    if not isinstance(question, dict):
        raise invalid("question", "send the body of a what-if question")
    project = find(bucket, request, caller)
    try:
        what_if.question(question)
    except what_if.WhatIfError as error:
        raise invalid(f"question.{error.field}", error.message) from error
    name, now = name.strip(), datetime.now(UTC)
    identity = hashlib.sha256(name.casefold().encode()).hexdigest()[:16]
    scenario = {
        **{"id": identity, "name": name, "by": request.person, "saved_at": now.isoformat(timespec="seconds")},
        **{"data_date": project.head["data_date"], "question": question},
    }

    def added(found: Scenarios) -> Scenarios:
        if identity in found:
            raise Refusal(HTTPStatus.CONFLICT, f"there is a scenario {name} already: delete it, or take another name")
        if len(found) >= MOST:
            raise Refusal(HTTPStatus.CONFLICT, f"the project has {MOST} scenarios: delete one first")
        return {**found, identity: scenario}

    _change(bucket, project, added)
    _record(request, project, "saved", name, now)
    return answer(scenario, status=HTTPStatus.CREATED)


def delete(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Delete a scenario and return those that remain."""
    caller.require(PLANNER)
    request.known()
    project = find(bucket, request, caller)
    identity = request.parameters.get("scenario_id", "")
    names: list[str] = []

    def removed(found: Scenarios) -> Scenarios:
        if identity not in found:
            raise Refusal(HTTPStatus.NOT_FOUND, "the project has no such scenario")
        names.append(found[identity]["name"])
        return {key: value for key, value in found.items() if key != identity}

    _change(bucket, project, removed)
    _record(request, project, "deleted", names[-1], datetime.now(UTC))
    return _listed(_read(bucket, project), request)


def _uri(bucket: str, project: Project) -> str:
    digest = hashlib.sha256(project.name.encode()).hexdigest()[:16]
    return f"s3://{bucket}/{stored.PREFIX}{project.head['source']}/scenarios/{digest}.json"


def _read(bucket: str, project: Project) -> Scenarios:
    uri = _uri(bucket, project)
    found: Scenarios = storage.read_json(uri) if storage.exists(uri) else {}
    return found


def _change(bucket: str, project: Project, change: Callable[[Scenarios], Scenarios]) -> None:
    storage.change_json(_uri(bucket, project), lambda present: change(present or {}))


def _listed(found: Scenarios, request: Request) -> dict[str, Any]:
    tag = request.tag(json.dumps(found, sort_keys=True))
    if request.has(tag):
        return not_modified(tag)
    return answer({"scenarios": sorted(found.values(), key=lambda item: item["saved_at"], reverse=True)}, tag=tag)


def _record(request: Request, project: Project, outcome: str, name: str, now: datetime) -> None:
    record = {"what": "scenario", "outcome": outcome, "identity": request.user}
    record |= {"detail": f"{project.head['project_id']}: {name}"}
    audit.audit(Settings.from_environment().control_table, identity=request.request_id, record=record, now=now)
