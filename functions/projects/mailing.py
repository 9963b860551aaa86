"""Mail about the completion of all projects, on the schedule of the parameter ReportSchedule."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from projects.settings import Settings
from slipcast.forecast.projects import portfolio, sections
from slipcast.reports.project import compose
from slipcast_aws import projects as stored
from slipcast_aws import topic
from slipcast_aws.control import audit


def mail(settings: Settings) -> dict[str, int]:
    """Publish the text to the topic if there is an open project; subscribers filter by the attribute outcome."""
    bucket, found = settings.data_bucket, []
    for entry in stored.index(bucket).values():
        summary = stored.summary(bucket, entry["key"])
        for name, head in summary["projects"].items():
            if head["open"]:
                found.append((head, _forecast(bucket, summary, name, head)))
    if found:
        subject, text = compose(found, f"{settings.public_base_url.rstrip('/')}/desk/index.html")
        ids = ", ".join(head["project_id"] for head, _ in found)
        record = {"what": "report", "outcome": "mailed", "detail": ids, "identity": "schedule"}
        audit.audit(settings.control_table, identity="report", record=record, now=datetime.now(UTC))
        topic.publish(settings.topic_arn, subject, text, outcome="report")
    return {"projects": len(found)}


def _forecast(bucket: str, summary: Mapping[str, Any], name: str, head: Mapping[str, Any]) -> Mapping[str, Any]:
    (update,) = [item for item in portfolio.updates_of(summary, name) if item["data_date"] == head["data_date"]]
    forecast: Mapping[str, Any] = stored.part(bucket, update, name, sections.FORECAST)
    return forecast
