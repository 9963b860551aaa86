"""Uploads from a browser straight to the bucket, and what became of them."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from projects.access import APPROVER, PLANNER, VIEWER, Caller
from projects.offering import SECONDS, Offer
from projects.settings import Settings
from projects.web import Refusal, Request, answer, invalid
from slipcast.forecast.projects.identity import project_id
from slipcast.ingest.files import file_names
from slipcast.training.retraining import execution_name
from slipcast_aws import links, storage, waiting
from slipcast_aws.control import audit

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

LONGEST_NAME = 200
INCOMING = "incoming/"
_FOLDER = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_EXECUTION = re.compile(r"[A-Za-z0-9_-]{1,80}")
# Error of the state machine that a refused file is.
REFUSED = "ScheduleRefused"
# Events of a history that are read; those of a long search are many more, and its tasks are no steps of the pipeline.
EVENTS = 5_000
# States that a person waits for; the others are decisions that take no time.
_STEP = re.compile(r"(Task|Map|Parallel)State(Entered|Exited)")


@cache
def _states() -> "SFNClient":
    return boto3.client("stepfunctions", config=waiting.QUICK)


def upload(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return a form by which a browser posts a file to ``incoming/``."""
    caller.require(PLANNER)
    request.known()
    settings, document = Settings.from_environment(), request.body()
    for field in document:
        if field not in ("name", "size", "source"):
            raise invalid(field[:40], "there is no such field; there are name, size, source")
    name, folder, size = document.get("name"), document.get("source"), document.get("size")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "/" in name or not name.isprintable():
        raise invalid("name", f"send the name of a file, without folders, of at most {LONGEST_NAME} characters")
    if name.startswith(".") or name.strip() != name:
        raise invalid("name", "send a name that begins and ends with a character that is seen, and not with a point")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size <= settings.max_bytes:
        raise invalid("size", f"send a whole number of bytes from 1 to {settings.max_bytes}")
    if folder is not None and not (isinstance(folder, str) and _FOLDER.fullmatch(folder) and folder.strip(".")):
        raise invalid("source", "send the name of a profile or series: letters, digits, points, dashes, underscores")
    source = file_names.source(name, folder or "")
    # A project of the file may have another name: what is known before it is read is the series.
    if not caller.sees(project_id(source, source)):
        raise Refusal(HTTPStatus.FORBIDDEN, f"your groups have no project whose id begins like {source}")
    key = f"{INCOMING}{folder}/{name}" if folder else f"{INCOMING}{name}"
    form = links.client().generate_presigned_post(
        bucket, key, Conditions=[["content-length-range", 1, settings.max_bytes]], ExpiresIn=SECONDS
    )
    record = {"what": "upload", "detail": f"s3://{bucket}/{key}", "outcome": "offered", "identity": request.user}
    audit.audit(settings.control_table, identity=request.request_id, record=record, now=datetime.now(UTC))
    return answer({**form, "key": key}, status=HTTPStatus.CREATED)


def by_key(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return the execution that an upload started."""
    caller.require(VIEWER, PLANNER, APPROVER)
    key = request.known("key").get("key", "")
    if not key.startswith(INCOMING) or len(key) > 1024:
        raise invalid("query.key", "send the key that the upload was given")
    may_see(caller, key)
    try:
        found = storage.client().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "403", "NoSuchKey"):
            raise
        raise Refusal(HTTPStatus.NOT_FOUND, "nothing was uploaded under this key") from None
    # As the trigger names it.
    name = execution_name("new_data", bucket, key, found.get("VersionId", ""))
    try:
        return _described(bucket, name, request, caller)
    except Refusal:
        # The event that starts it is on its way.
        return answer(
            {
                "execution": name,
                "status": "PENDING",
                "steps": [],
                "intake_url": None,
                "rejected_url": None,
                "corrections_url": None,
                "outcome": None,
            }
        )


def by_name(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return an execution by its name."""
    caller.require(VIEWER, PLANNER, APPROVER)
    request.known()
    name = request.parameters.get("id", "")
    if not _EXECUTION.fullmatch(name):
        raise Refusal(HTTPStatus.NOT_FOUND, "there is no such execution")
    return _described(bucket, name, request, caller)


def sees(caller: Caller, key: str) -> bool:
    """Return whether the caller may see an upload: that of a series that its groups name."""
    folder, _, name = key.removeprefix(INCOMING).rpartition("/")
    source = file_names.source(name, folder)
    return caller.sees(project_id(source, source))


def may_see(caller: Caller, key: str) -> None:
    """Refuse, as if it were not there, an upload of a series that the caller may not see."""
    if not sees(caller, key):
        raise Refusal(HTTPStatus.NOT_FOUND, "there is no such execution")


def _described(bucket: str, name: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return status, steps, links to the intake page and its files, and outcome of an execution."""
    settings = Settings.from_environment()
    arn = f"{settings.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
    try:
        found = _states().describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        raise Refusal(HTTPStatus.NOT_FOUND, "there is no such execution") from None
    source = json.loads(found.get("input") or "{}").get("source") or {}
    # What no file has started, such as a training by schedule, is of all projects.
    may_see(caller, source.get("key") or "")
    file = file_names.stem(PurePosixPath(source.get("key") or "").name)
    pages = {
        "intake_url": f"reports/{name}/intake.html",
        "rejected_url": f"quarantine/{name}/rejected.csv",
        "corrections_url": f"quarantine/{name}/corrections/{file}.xlsx",
    }
    offer = Offer(request)
    offered = {of: offer.link(f"s3://{bucket}/{key}") for of, key in pages.items()}
    # Whoever waits for an execution asks for it again and again: that is one entry for each user.
    if found["status"] == "RUNNING":
        offer.record(identity=f"{name}-{request.user}", now=found["startDate"])
    else:
        offer.record()
    return answer(
        {
            "execution": name,
            "status": found["status"],
            "steps": _steps(arn),
            **offered,
            "outcome": _outcome(found),
        }
    )


def _outcome(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what came of an execution, and why; None while it runs. A refused file fails its execution."""
    if "error" in found:
        outcome = "refused" if found["error"] == REFUSED else "failed"
        return {"outcome": outcome, "why": found.get("cause") or found["error"]}
    output = json.loads(found.get("output") or "null")
    return None if output is None else {key: output.get(key) for key in ("outcome", "why")}


def _steps(arn: str) -> list[dict[str, Any]]:
    """Return the states that an execution has entered, each with its status and times, in their order."""
    steps: list[dict[str, Any]] = []
    pages = (
        _states()
        .get_paginator("get_execution_history")
        .paginate(executionArn=arn, includeExecutionData=False, PaginationConfig={"MaxItems": EVENTS})
    )
    for event in (event for page in pages for event in page["events"]):
        match = _STEP.fullmatch(event["type"])
        if match is None:
            continue
        moment = event["timestamp"].astimezone(UTC).isoformat(timespec="milliseconds")
        if match[2] == "Entered":
            name = event["stateEnteredEventDetails"]["name"]
            steps.append({"name": name, "status": "RUNNING", "started": moment, "ended": None})
        else:
            name = event["stateExitedEventDetails"]["name"]
            # Of tasks that run side by side the first that is open is the one that ends.
            step = next((item for item in steps if item["name"] == name and item["ended"] is None), None)
            if step is not None:
                step |= {"status": "SUCCEEDED", "ended": moment}
    return steps
