"""Projects in S3: one object for each update of a source, one for the portfolio of the source, and an index of these.

Objects have the digest of their bytes in their names and never change. The index is the one object that does: it
changes at once, so that a reader sees an update whole or not at all, and of updates at the same time none is lost.

    projects/index.json                               source → its portfolio
    projects/<source>/portfolio/<sha16>.json.gz       `slipcast.forecast.projects.portfolio`
    projects/<source>/<data date>/<sha16>.json.gz     `slipcast.forecast.projects.sections`
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from slipcast.forecast.projects import portfolio, sections
from slipcast_aws import storage

PREFIX = "projects/"
INDEX = f"{PREFIX}index.json"
# Portfolios and directories that an execution environment keeps: they never change.
KEPT = 64


def index(bucket: str) -> dict[str, Any]:
    """Return the index: by source the ``key`` of its portfolio."""
    uri = f"s3://{bucket}/{INDEX}"
    found: dict[str, Any] = storage.read_json(uri)["sources"] if storage.exists(uri) else {}
    return found


@lru_cache(KEPT)
def summary(bucket: str, key: str) -> Mapping[str, Any]:
    """Return the portfolio of a source by the key that the index gives."""
    found: Mapping[str, Any] = sections.unpack(_read(bucket, key))
    return found


@lru_cache(KEPT)
def directory(bucket: str, key: str, begin: int, length: int) -> sections.Directory:
    """Return the directory of an update's object."""
    found: sections.Directory = sections.unpack(storage.read_range(f"s3://{bucket}/{key}", begin, length))
    return found


def part(bucket: str, update: Mapping[str, Any], project: str, section: str) -> Any:
    """Return a part of a project in an update; None if the update does not name the project."""
    places = directory(bucket, update["key"], *update["directory"]).get(project)
    if places is None:
        return None
    return sections.unpack(storage.read_range(f"s3://{bucket}/{update['key']}", *places[section]))


def finished(bucket: str, but: str) -> list[tuple[str, float]]:
    """Return project and actual over planned duration of finished activities of all sources but one."""
    return [
        (f"{source}/{name}", ratio)
        for source, entry in index(bucket).items()
        if source != but
        for name, ratio in summary(bucket, entry["key"])["finished"]
    ]


def histories(bucket: str, source: str, data_date: str) -> dict[str, Mapping[str, Any]]:
    """Return the histories of the activities of a source, by project, in its last update before a data date."""
    entry = index(bucket).get(source)
    if entry is None:
        return {}
    known = summary(bucket, entry["key"])
    before = [item for item in known["updates"] if item["data_date"] < data_date]
    if not before:
        return {}
    update = before[-1]
    places = directory(bucket, update["key"], *update["directory"])
    raw = _read(bucket, update["key"])
    found = {}
    for project, own in places.items():
        begin, length = own[sections.HISTORY]
        found[project] = sections.unpack(raw[begin : begin + length])
    return found


def store(
    bucket: str,
    source: str,
    update: Mapping[str, Any],
    heads: Mapping[str, Mapping[str, Any]],
    parts: Sequence[tuple[str, Mapping[str, Any]]],
    ratios: Sequence[tuple[str, float]],
) -> None:
    """Store an update's projects and make them the ones that readers see.

    Parameters
    ----------
    update
        ``data_date`` and what else is to be known of the update, such as ``dataset_version``
    heads, parts
        as `documents.documents` returns them
    ratios
        as `documents.finished_ratios` returns them
    """
    packed = sections.pack(parts)
    key = _write(bucket, f"{PREFIX}{source}/{update['data_date']}", packed.raw)
    present = {**update, "key": key, "directory": packed.directory}

    def changed(known: Any) -> Any:
        sources = dict(known["sources"]) if known else {}
        before = summary(bucket, sources[source]["key"]) if source in sources else portfolio.empty(source)
        whole = portfolio.merged(before, present, heads, ratios)
        raw = sections.pack_one(whole)
        sources[source] = {"key": _write(bucket, f"{PREFIX}{source}/portfolio", raw)}
        return {"sources": sources}

    storage.change_json(f"s3://{bucket}/{INDEX}", changed)


def _read(bucket: str, key: str) -> bytes:
    """Return a whole object, whose name has the digest of its bytes. Of a part the check sum of gzip is looked at."""
    raw = storage.read_bytes(f"s3://{bucket}/{key}")
    if _digest(raw) != key.rpartition("/")[2].partition(".")[0]:
        raise storage.DigestMismatchError(f"s3://{bucket}/{key} has other bytes than its name says: it is not used")
    return raw


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:16]


def _write(bucket: str, prefix: str, raw: bytes) -> str:
    key = f"{prefix}/{_digest(raw)}.json.gz"
    storage.write_bytes(f"s3://{bucket}/{key}", raw, "application/gzip")
    return key
