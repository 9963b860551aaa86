"""Report: draws the page of an execution from its evaluation record."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from slipcast.training_report import render
from slipcast_aws import storage

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write ``report.html`` beside the ``evaluation.json`` that ``event["evaluation_uri"]`` names.

    Returns
    -------
    ``report_uri``
    """
    uri = event["evaluation_uri"]
    page = render(storage.read_json(uri)).encode()
    report_uri = f"{uri.rpartition('/')[0]}/report.html"
    storage.write_bytes(report_uri, page, "text/html; charset=utf-8")
    logger.info("report written", report_uri=report_uri, bytes=len(page))
    return {"report_uri": report_uri}
