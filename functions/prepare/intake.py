"""From an object in ``incoming/`` to a dataset version, a quarantine file and a report."""

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from slipcast import dataset, labels
from slipcast.validation import ScheduleRefused, read_schedule
from slipcast_aws import storage
from slipcast_aws.settings import number


@dataclass(frozen=True)
class Upload:
    """A dropped file: where it is, its name and its bytes."""

    origin: dict[str, str]
    name: str
    raw: bytes


def fetch(source: dict[str, str]) -> Upload:
    """Read the version of the object that `source` names."""
    uri = f"s3://{source['bucket']}/{source['key']}"
    raw = storage.read_bytes(uri, version_id=source.get("version_id") or None)
    return Upload({**source, "uri": uri}, PurePosixPath(source["key"]).name, raw)


def take_in(bucket: str, upload: Upload, execution: str) -> dict[str, Any]:
    """Store the good rows as a dataset version and the bad ones in quarantine; return the manifest.

    Raises
    ------
    ScheduleRefused
        If the file cannot be used at all.
    """
    schedule = read_schedule(upload.raw, upload.name, max_bad_share=number("MAX_BAD_SHARE"))
    if len(schedule.rejected):
        rejected = schedule.rejected.to_csv(index=False, lineterminator="\n").encode()
        storage.write_bytes(f"s3://{bucket}/quarantine/{execution}/rejected.csv", rejected, "text/csv")
    manifest = dataset.manifest(
        schedule.table,
        source={**upload.origin, "sha256": hashlib.sha256(upload.raw).hexdigest()},
        data_date=schedule.data_date,
        counts=schedule.counts,
        labels=labels.label_counts(schedule.table, int(number("TOLERANCE_DAYS"))),
    )
    prefix = f"s3://{bucket}/datasets/{manifest['dataset_id']}"
    table_sha256 = storage.write_bytes(f"{prefix}/table.csv.gz", dataset.to_bytes(schedule.table), "application/gzip")
    manifest |= {"uri": f"{prefix}/table.csv.gz", "sha256": table_sha256}
    storage.write_json(f"{prefix}/manifest.json", manifest)
    _report(bucket, execution, {"outcome": "accepted", **manifest})
    _point_latest(bucket, manifest)
    return manifest


def _point_latest(bucket: str, manifest: dict[str, Any]) -> None:
    """An older schedule that arrives late becomes a dataset, not the latest one."""
    latest = f"s3://{bucket}/datasets/latest.json"
    if not storage.exists(latest) or storage.read_json(latest)["data_date"] <= manifest["data_date"]:
        storage.write_json(latest, manifest)


def record_refusal(bucket: str, upload: Upload, execution: str, refusal: ScheduleRefused) -> None:
    """Keep the refused file and the reason together in quarantine."""
    storage.write_bytes(f"s3://{bucket}/quarantine/{execution}/{upload.name}", upload.raw)
    _report(bucket, execution, {"outcome": "refused", "sources": [upload.origin], "why": str(refusal)})


def _report(bucket: str, execution: str, document: dict[str, Any]) -> None:
    storage.write_json(f"s3://{bucket}/reports/{execution}/intake.json", document)
