"""From an object in ``incoming/`` to a dataset version, a quarantine file and a report."""

import hashlib
from pathlib import PurePosixPath
from typing import Any

from slipcast import dataset, labels
from slipcast.validation import ScheduleRefused, read_schedule
from slipcast_aws import storage
from slipcast_aws.settings import number


def take_in(bucket: str, source: dict[str, str], execution: str) -> dict[str, Any]:
    """Store the good rows as a dataset version and the bad ones in quarantine; return the manifest.

    Raises
    ------
    ScheduleRefused
        If the file cannot be used at all.
    """
    uri = f"s3://{source['bucket']}/{source['key']}"
    raw = storage.read_bytes(uri, version_id=source.get("version_id") or None)
    schedule = read_schedule(raw, PurePosixPath(source["key"]).name, max_bad_share=number("MAX_BAD_SHARE"))
    origin = {**source, "uri": uri, "sha256": hashlib.sha256(raw).hexdigest()}
    if len(schedule.rejected):
        rejected = schedule.rejected.to_csv(index=False, lineterminator="\n").encode()
        storage.write_bytes(f"s3://{bucket}/quarantine/{execution}/rejected.csv", rejected, "text/csv")
    manifest = dataset.manifest(
        schedule.table,
        source=origin,
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


def record_refusal(bucket: str, source: dict[str, str], execution: str, refusal: ScheduleRefused) -> None:
    """Keep the refused file and the reason together in quarantine."""
    uri = f"s3://{source['bucket']}/{source['key']}"
    raw = storage.read_bytes(uri, version_id=source.get("version_id") or None)
    storage.write_bytes(f"s3://{bucket}/quarantine/{execution}/{PurePosixPath(source['key']).name}", raw)
    _report(bucket, execution, {"outcome": "refused", "sources": [{**source, "uri": uri}], "why": str(refusal)})


def _report(bucket: str, execution: str, document: dict[str, Any]) -> None:
    storage.write_json(f"s3://{bucket}/reports/{execution}/intake.json", document)
