"""Exports: the forecast of a project as a file, in the bucket for a day, behind a signed link.

A file may be larger than what Lambda passes on, and a workbook is no text: the answer is the link.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

from botocore.exceptions import ClientError

from projects.access import Caller
from projects.offering import SECONDS, Offer
from projects.reading import find
from projects.web import Refusal, Request, answer, invalid
from slipcast.forecast.projects import sections
from slipcast.reports.export import FORMATS, NotTheFileError, exported
from slipcast_aws import projects as stored
from slipcast_aws import scratch, storage

# Of a user's own file: with its lines it takes some ten times as much memory.
MOST_BYTES = 100_000_000


def export(bucket: str, request: Request, caller: Caller) -> dict[str, Any]:
    """Return a link to the forecast of a project in a format; ``xer``, ``pmxml`` and ``mspdi`` are the dropped file."""
    name = request.known("format").get("format", "")
    if name not in FORMATS:
        raise invalid("query.format", f"send one of {', '.join(FORMATS)}")
    project = find(bucket, request, caller)
    update, kind = project.update, FORMATS[name]
    columns, forecast = (
        stored.part(bucket, update, project.name, section) for section in (sections.ROWS, sections.FORECAST)
    )
    try:
        own = _own(update.get("file") or {}) if kind.into else None
        raw = exported(name, columns, project.head, own, forecast)
    except NotTheFileError as error:
        raise invalid("query.format", str(error)) from error
    digest = hashlib.sha256(raw).hexdigest()[:16]
    file = f"{project.head['source']}_{project.head['data_date']}_forecast{kind.suffix}"
    uri = f"s3://{bucket}/exports/{digest}/{file}"
    storage.write_bytes(uri, raw, kind.media_type)
    offer, now = Offer(request, "export"), datetime.now(UTC)
    url = offer.sign(uri)
    offer.record(project.head["project_id"], now=now)
    return answer(
        {
            "url": url,
            "name": file,
            "bytes": len(raw),
            "expires_at": (now + timedelta(seconds=SECONDS)).isoformat(timespec="seconds"),
        }
    )


def _own(file: dict[str, str]) -> bytes | None:
    """Return the dropped file of an update; None where it is not known which it was."""
    if "uri" not in file:
        return None
    try:
        with scratch.folder() as folder:
            target = folder / PurePosixPath(file["uri"]).name
            storage.download(file["uri"], target, version_id=file.get("version_id"), max_bytes=MOST_BYTES)
            return target.read_bytes()
    except storage.ObjectTooLargeError as error:
        raise Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"the file has {error.size / 1e6:,.0f} MB, at most {MOST_BYTES / 1e6:,.0f} are written here: "
            "slipcast export writes it on your machine",
        ) from error
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "NoSuchVersion"):
            raise
        return None
