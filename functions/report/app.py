"""Report: draws the page of an execution from its evaluation record, and that of a run of the monitor from its own."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from report import monitoring
from slipcast_aws import storage

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Draw what the event names.

    ``{"evaluation_uri": ...}``, from the state machine: ``report.html`` beside that ``evaluation.json``; with
    ``edge_record_uri`` once more, when the bundle of the released model was tried. An S3 event of a record under
    ``monitoring/``: the page of the same name beside it, if the run came to a conclusion.

    Returns
    -------
    ``report_uri``; None where there is nothing to draw
    """
    if "evaluation_uri" not in event:
        detail = event["detail"]
        return monitoring.draw(f"s3://{detail['bucket']['name']}/{detail['object']['key']}")
    # Not where only a monitor's page is drawn.
    from slipcast.reports.training import render

    uri = event["evaluation_uri"]
    edge = storage.read_json(event["edge_record_uri"]) if "edge_record_uri" in event else None
    page = render(storage.read_json(uri), edge).encode()
    report_uri = f"{uri.rpartition('/')[0]}/report.html"
    storage.write_bytes(report_uri, page, "text/html; charset=utf-8")
    logger.info("report written", report_uri=report_uri, bytes=len(page))
    return {"report_uri": report_uri}
