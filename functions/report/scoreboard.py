"""Page of the scoreboard."""

from aws_lambda_powertools import Logger

from slipcast.contracts import ReportAnswer
from slipcast.reports.scoreboard import render
from slipcast_aws import storage

logger = Logger(child=True)


def draw(uri: str) -> ReportAnswer:
    """Write ``index.html`` next to the scoreboard at `uri`."""
    page = render(storage.read_json(uri)).encode()
    report_uri = f"{uri.rpartition('/')[0]}/index.html"
    storage.write_bytes(report_uri, page, "text/html; charset=utf-8")
    logger.info("page written", report_uri=report_uri, bytes=len(page))
    return {"report_uri": report_uri}
