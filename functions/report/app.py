"""Report: draws the page of an execution or of a monitor run from its record."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from report import monitoring
from slipcast.contracts import ReportAnswer
from slipcast_aws import storage

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> ReportAnswer:
    """Draw what the event names.

    ``{"evaluation_uri": ...}``, from the state machine: ``report.html`` next to that ``evaluation.json``; a second time
    with ``edge_record_uri``, after the bundle of the released model was tested. An S3 event of a record under
    ``monitoring/``: the page of the same name next to it, if the run has a conclusion.

    Returns
    -------
    dict[str, Any]
        ``report_uri``; None if there is nothing to draw
    """
    if "evaluation_uri" not in event:
        detail = event["detail"]
        return monitoring.draw(f"s3://{detail['bucket']['name']}/{detail['object']['key']}")
    # Not imported if only a monitor's page is drawn.
    from slipcast.reports.training import render

    uri = event["evaluation_uri"]
    edge = storage.read_json(event["edge_record_uri"]) if "edge_record_uri" in event else None
    page = render(storage.read_json(uri), edge).encode()
    report_uri = f"{uri.rpartition('/')[0]}/report.html"
    storage.write_bytes(report_uri, page, "text/html; charset=utf-8")
    logger.info("report written", report_uri=report_uri, bytes=len(page))
    return {"report_uri": report_uri}
