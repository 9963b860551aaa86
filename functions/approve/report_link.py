"""Location of an execution's report, and a signed link for readers without an AWS account."""

from urllib.parse import quote

from slipcast_aws import links, storage
from slipcast_aws.settings import setting

SECONDS = 900


def location(execution: str) -> str | None:
    """Return the URI of the execution's report; None if there is none."""
    uri = f"s3://{setting('DATA_BUCKET')}/reports/{execution}/report.html"
    return uri if storage.exists(uri) else None


def page_address(execution: str, key: str) -> str:
    """Return the address of the approval page, whose holder may decide."""
    return f"{setting('PUBLIC_BASE_URL').rstrip('/')}/approvals/{quote(execution, safe='')}?key={key}"


def signed(execution: str) -> str | None:
    """Return a URL of S3 that shows the report for `SECONDS` from now; None if there is no report.

    It expires with the credentials that sign it, those of this execution environment. So it is made when somebody opens
    the report, and is never stored.
    """
    uri = location(execution)
    return None if uri is None else links.signed(uri, SECONDS)
