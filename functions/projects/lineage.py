"""Lineage of a forecast: the update that it is of with its file, and the model that made it with its training."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from projects.access import Caller
from projects.offering import Offer
from projects.reading import Project, find, named
from projects.settings import Settings
from projects.uploading import sees
from projects.web import Request, answer
from slipcast_aws import storage
from slipcast_aws.control import releases
from slipcast_aws.release import approvals


def show(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return where the forecast of an activity comes from; `slipcast lineage` also checks each digest."""
    request.known()
    project = find(bucket, request, caller)
    activity_id = named(bucket, project, request)
    offer = Offer(request)
    found = {
        "project_id": project.head["project_id"],
        "activity_id": activity_id,
        "prediction_id": f"{project.head['source']}/{project.head['data_date']}/{activity_id}",
        "update": _update(bucket, project, caller, offer),
        "model": _model(bucket, project.update.get("model_version"), caller, offer),
    }
    offer.record()
    return answer(found)


def _update(bucket: str, project: Project, caller: Caller, offer: Offer) -> dict[str, Any]:
    update = project.update
    file = update.get("file") or {}
    key = storage.split_uri(file["uri"])[1] if "uri" in file else None
    page = f"s3://{bucket}/reports/{update['execution']}/intake.html" if update.get("execution") else None
    return {
        **{name: update.get(name) for name in ("data_date", "dataset_version", "execution")},
        "file": PurePosixPath(key).name if key else None,
        "file_version": file.get("version_id"),
        # The page is about the whole file, which may have other projects.
        "intake_url": offer.link(page, allowed=key is not None and sees(caller, key)),
    }


def _model(bucket: str, version: str | None, caller: Caller, offer: Offer) -> dict[str, Any] | None:
    """Return the model of a version that had traffic; None if no release of it is known."""
    settings = Settings.from_environment()
    release = releases.release(settings.control_table, version) if version else None
    if release is None:
        return None
    # It remains when the version is deleted.
    variables = release["model"]
    execution = variables.get("MODEL_EXECUTION", "")
    evaluation: Mapping[str, Any] = {}
    uri = f"s3://{bucket}/reports/{execution}/evaluation.json"
    if execution and storage.exists(uri):
        evaluation = storage.read_json(uri)
    dataset = evaluation.get("dataset") or {}
    approval = next((item for item in approvals.every(settings.control_table) if item.execution == execution), None)
    return {
        "version": version,
        "model_id": variables["MODEL_ID"],
        "sha256": variables["MODEL_SHA256"],
        "trained_at": variables.get("MODEL_TRAINED_AT") or None,
        "execution": execution or None,
        "family": evaluation.get("challenger"),
        "reason": evaluation.get("reason"),
        "approved_by": approval.by or None if approval and approval.status == "approved" else None,
        "dataset_version": variables.get("MODEL_DATASET_ID") or dataset.get("dataset_id"),
        "dataset_data_date": dataset.get("data_date"),
        "dataset_rows": dataset.get("rows"),
        # It names activities and projects of every source.
        "report_url": offer.link(f"s3://{bucket}/reports/{execution}/report.html", allowed=caller.sees_all),
    }
