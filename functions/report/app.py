"""Report: draws the page of an execution, of a monitor run or of the scoreboard from its record."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from report import monitoring, scoreboard
from slipcast.contracts import ReportAnswer
from slipcast_aws import storage

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> ReportAnswer:
    """Draw what the event names.

    ``{"evaluation_uri": ...}``, from the state machine: ``report.html`` next to that ``evaluation.json``; a second time
    with ``edge_record_uri``, after the bundle of the released model was tested. An S3 event of a record under
    ``monitoring/``: the page of the same name next to it, if the run has a conclusion. One of the scoreboard:
    ``index.html`` next to it.

    Returns
    -------
    dict[str, Any]
        ``report_uri``; None if there is nothing to draw
    """
    if "evaluation_uri" not in event:
        detail = event["detail"]
        record_uri = f"s3://{detail['bucket']['name']}/{detail['object']['key']}"
        return monitoring.draw(record_uri) if "/monitoring/" in record_uri else scoreboard.draw(record_uri)
    # Not imported if only a monitor's page is drawn.
    from slipcast.reports.training import render

    uri = event["evaluation_uri"]
    edge = storage.read_json(event["edge_record_uri"]) if "edge_record_uri" in event else None
    page = render(storage.read_json(uri), edge).encode()
    report_uri = f"{uri.rpartition('/')[0]}/report.html"
    storage.write_bytes(report_uri, page, "text/html; charset=utf-8")
    logger.info("report written", report_uri=report_uri, bytes=len(page))
    return {"report_uri": report_uri}
