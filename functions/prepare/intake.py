"""From an object in ``incoming/`` to a dataset version, a quarantine file, a report and a list of open activities."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from prepare.settings import Settings
from slipcast import provenance
from slipcast.contracts import DatasetRef, OpenActivities, Reference, Upload
from slipcast.datasets import network, overlap, updates, versions
from slipcast.ingest import corrections, report, schema_changes, understanding
from slipcast.ingest.files import file_names
from slipcast.ingest.files.formats import Limits
from slipcast.ingest.mapping.profile import Profile, built_in, load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule, read_schedule
from slipcast.reports.intake import render
from slipcast.schedule import comparison, quality
from slipcast.schedule.comparison import Document
from slipcast.schedule.network import Key
from slipcast.schedule.review import review
from slipcast_aws import scratch, storage
from slipcast_aws.control import datasets

logger = Logger()
metrics = Metrics()
# Each attempt merges again with the dataset that another execution has just made the latest.
ATTEMPTS = 20
# Activities above which a network is not checked: two updates of it would not fit into the memory, next to duckdb.
MOST_CHECKED = 60_000
# Folder below incoming/, or below that of a profile, whose files are the baselines of their series.
BASELINE = "baseline"


@dataclass(frozen=True)
class Drop:
    """A dropped object.

    Attributes
    ----------
    origin
        where it is, and ``dropped``: text that is larger for what was dropped later
    name
        its name
    folder
        its folder below ``incoming/``
    baseline
        whether it is the baseline
    """

    origin: dict[str, str]
    name: str
    folder: str
    baseline: bool = False


@dataclass(frozen=True)
class Version:
    """A dataset version as it was stored.

    Attributes
    ----------
    reference
        for the steps after
    table
        its activities
    network
        its network by table; empty without one
    before
        activities of the version before it
    superseded
        when a newer version of the object was dropped, if one was ingested already: nothing is merged then
    """

    reference: DatasetRef
    table: Path
    network: Mapping[str, Path] = field(default_factory=dict)
    before: Path | None = None
    superseded: str | None = None


def ingest(source: dict[str, str], execution: str, settings: Settings) -> tuple[DatasetRef, Upload, dict[str, float]]:
    """Read a dropped file, store the results, and return the dataset's reference, the upload's record and metrics.

    Raises
    ------
    ScheduleRefused
        If the file cannot be used at all; the file is then in quarantine, and the report has the reason.
    """
    bucket = settings.data_bucket
    uri = f"s3://{source['bucket']}/{source['key']}"
    name, folder, baseline = _parts(source["key"])
    origin = {**source, "uri": uri, "dropped": _dropped(uri, source)}
    drop = Drop(origin, name, folder, baseline)
    with scratch.folder() as workdir:
        file = workdir / "dropped"
        try:
            digest = _fetch(drop, file, settings)
            return _ingest(drop, digest, file, execution, workdir, settings)
        except ScheduleRefused as refusal:
            _store_corrections_of_refused(drop, refusal, file, execution, workdir, settings)
            document = report.refused(drop.name, refusal)
            document["sources"] = [dict(drop.origin)]
            storage.copy(drop.origin, f"s3://{bucket}/quarantine/{execution}/{drop.name}")
            _write_report(bucket, execution, document)
            raise


def _parts(key: str) -> tuple[str, str, bool]:
    """Return name, folder below ``incoming/`` and whether it is a baseline, as the key of an object says it."""
    path = PurePosixPath(key)
    folders = path.parts[1:-1]
    baseline = bool(folders) and folders[-1] == BASELINE
    return path.name, "/".join(folders[:-1] if baseline else folders), baseline


def _dropped(uri: str, source: dict[str, str]) -> str:
    """Return a text that is larger for what was dropped later: events come, and executions end, in any order.

    S3 tells seconds. Within a second its sequencer orders the versions of one key, and anything between two keys.
    """
    moment = storage.modified(uri, version_id=source.get("version_id") or None)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} {source.get('sequencer', '')}".strip()


def _fetch(drop: Drop, file: Path, settings: Settings) -> str:
    limit = settings.max_bytes
    version_id = drop.origin.get("version_id") or None
    try:
        return storage.download(drop.origin["uri"], file, version_id=version_id, max_bytes=limit)
    except storage.ObjectTooLargeError as error:
        raise ScheduleRefused(
            drop.name,
            f"the file has {error.size / 1e6:,.0f} MB, at most {limit / 1e6:,.0f} are taken",
            "Raise the parameter MaxFileMegabytes, or drop the projects one by one",
        ) from error


def _ingest(
    drop: Drop, sha256: str, file: Path, execution: str, workdir: Path, settings: Settings
) -> tuple[DatasetRef, Upload, dict[str, float]]:
    bucket = settings.data_bucket
    readings = workdir / "reading"
    readings.mkdir()
    profile, folder, source = _placed(bucket, drop)
    former = _former_names(settings)
    schedule = read_schedule(
        file,
        drop.name,
        folder=folder,
        source=file_names.name_in_use(source, former) if source else None,
        former=former,
        profile=profile,
        baseline=drop.baseline,
        workdir=readings,
        max_bad_share=settings.max_bad_share,
        limits=Limits(max_bytes=settings.max_bytes),
        sha256=sha256,
    )
    last = f"s3://{bucket}/sources/{schedule.source}/latest.json"
    before = storage.read_json(last) if storage.exists(last) else None
    changes = schema_changes.schema_changes(before, schedule) if before else []
    if changes and settings.on_schema_change == "refuse":
        raise ScheduleRefused(
            drop.name,
            f"the file differs from the last one of source {schedule.source}: {'; '.join(changes)}",
            "Export the same columns as before, drop it under another name, or set OnSchemaChange to warn",
            1,
        )
    upload: Upload = {
        "source": schedule.source,
        "data_date": schedule.data_date.isoformat() if schedule.data_date else None,
        "profile": schedule.profile.name,
        "counts": schedule.counts,
        "changes": len(changes),
        "open": _store(bucket, schedule, workdir, execution, "open", "actual_finish IS NULL"),
        "activities": _store(bucket, schedule, workdir, execution, "activities"),
        "dropped": drop.origin["dropped"],
        # Batch scoring gives its reasons in the user's own names.
        "own_names": schedule.own_names,
    }
    if schedule.rejected is not None:
        storage.upload(schedule.rejected, f"s3://{bucket}/quarantine/{execution}/rejected.csv", "text/csv")
        _store_corrections(drop, schedule, profile, file, execution, workdir, settings)
    object_: dict[str, Any] = {
        **drop.origin,
        "sha256": sha256,
        "profile": schedule.profile.name,
        "data_date": upload["data_date"],
        "source": schedule.source,
        "counts": schedule.counts,
    }
    version = _version(schedule, object_, workdir, settings)
    reference, superseded = version.reference, version.superseded
    dropped = {name: object_[name] for name in ("uri", "version_id") if object_.get(name)}
    upload |= {"execution": execution, "dataset_id": reference["dataset_id"], "file": dropped}
    labels = versions.outcomes(version.table, schedule.table, workdir, tolerance_days=settings.tolerance_days)
    understood = understanding.in_series(schedule.understood, version.table, schedule.table, workdir)
    document = report.accepted(schedule, understood, file=drop.name, labels=labels, changes=changes)
    if version.network and schedule.network:
        document["quality"], changed, rows = _reviewed(schedule, version, workdir)
        if counts := quality.counts(document["quality"]):
            upload["quality"] = counts
        if rows:
            upload["network"] = _store_network(bucket, rows, execution)
        if changed is not None:
            document["comparison"] = report.shortened(changed)
            storage.write_json(f"s3://{bucket}/reports/{execution}/comparison.json", changed)
    if version.before is not None and not superseded:
        shared = overlap.other_ids(version.before, schedule.table, workdir)
        gone = overlap.vanished(
            version.before,
            schedule.table,
            workdir,
            source=schedule.source,
            tolerance_days=settings.tolerance_days,
        )
        document["notes"] = [*document["notes"], *(item.note for item in (shared, gone) if item.note)]
    if superseded:
        # A newer version of the object is in the dataset: nothing of this one counts, and nothing of it is scored.
        upload["open"] = upload["activities"] = {"rows": 0}
        document["notes"] = [
            *document["notes"],
            f"superseded: a version of {drop.name} that was dropped later, {superseded.partition(' ')[0]}, was "
            "ingested before this one; nothing of this one counts",
        ]
    document["sources"], document["dataset"] = [object_], reference
    _write_report(bucket, execution, document)
    if not superseded:
        shape = {"header": list(schedule.header), "mapped": list(schedule.mapped)}
        present = {**upload, **shape, "execution": execution}
        storage.change_json(last, lambda known: present if known is None or _order(known) <= _order(present) else None)
    return reference, upload, quality.metrics(document["quality"]) if "quality" in document else {}


def _store_corrections_of_refused(
    drop: Drop, refusal: ScheduleRefused, file: Path, execution: str, workdir: Path, settings: Settings
) -> None:
    """Store the workbook to correct; of a file that is too large, or that no profile was found for, there is none."""
    if not file.exists():
        return
    try:
        profile, _, _ = _placed(settings.data_bucket, drop)
    except ScheduleRefused:
        return
    _store_corrections(drop, refusal, profile, file, execution, workdir, settings)


def _store_corrections(
    drop: Drop,
    outcome: Schedule | ScheduleRefused,
    profile: Profile | None,
    file: Path,
    execution: str,
    workdir: Path,
    settings: Settings,
) -> None:
    """Store the workbook to correct, as `profile` reads the file."""
    folder, limits = workdir / "corrections", Limits(max_bytes=settings.max_bytes)
    folder.mkdir()
    target = folder / "corrections.xlsx"
    try:
        made = corrections.write(target, file, drop.name, outcome, workdir=folder, profile=profile, limits=limits)
    except Exception:
        # A help, no result: without it the planner still gets the rejected rows and what is wrong with each.
        logger.exception("the workbook of corrections could not be written", file=drop.name)
        metrics.add_metric("CorrectionsFailed", MetricUnit.Count, 1)
        metrics.flush_metrics()
        return
    if made:
        # The name makes it of the same series and the same data date when it is dropped.
        key = f"quarantine/{execution}/corrections/{file_names.stem(drop.name)}.xlsx"
        storage.upload(target, f"s3://{settings.data_bucket}/{key}", corrections.MEDIA_TYPE)


def _order(upload: dict[str, Any]) -> tuple[str, str]:
    """Return what orders the uploads of a series: the day that they describe, then when they were dropped."""
    return upload["data_date"] or "", upload.get("dropped") or ""


def _former_names(settings: Settings) -> dict[str, str]:
    """Return the series that are stored under the name of an earlier version (`file_names.former_names`)."""
    dataset = datasets.latest_dataset(settings.control_table)
    sources = storage.read_json(dataset["manifest_uri"])["sources"] if dataset else []
    return file_names.former_names((*_place(item), item["source"]) for item in sources if "source" in item)


def _place(item: dict[str, Any]) -> tuple[str, str]:
    """Return name and folder of a file that was taken in."""
    return _parts(storage.split_uri(item["uri"])[1])[:2]


def _placed(bucket: str, drop: Drop) -> tuple[Profile | None, str, str | None]:
    """Return the profile that the folder of a file names, the folder's part in the source, and the source if it is it.

    Files of a built-in profile are of the same series wherever they are dropped. Above a folder ``baseline`` a name
    that is no profile is that of the series.
    """
    if not drop.folder:
        return None, "", None
    try:
        profile = _profile(bucket, drop)
    except ScheduleRefused:
        if (
            drop.baseline
            and "/" not in drop.folder
            and not storage.exists(f"s3://{bucket}/profiles/{drop.folder}.yaml")
        ):
            return None, "", file_names.source(drop.folder)
        raise
    return profile, "" if profile in built_in() else drop.folder, None


def _profile(bucket: str, drop: Drop) -> Profile:
    """A folder below ``incoming/`` names the profile: the user's own one, else a built-in one."""
    name = drop.folder
    uri = f"s3://{bucket}/profiles/{name}.yaml"
    if "/" not in name and storage.exists(uri):
        profile = load_profile(storage.read_bytes(uri).decode("utf-8", errors="replace"), f"profiles/{name}.yaml")
        if profile.name != name:
            raise ScheduleRefused(
                f"profiles/{name}.yaml", f"the profile calls itself {profile.name}", f"Write name: {name}"
            )
        return profile
    for profile in built_in():
        if profile.name == name:
            return profile
    raise ScheduleRefused(
        drop.name,
        f"there is no profile {name!r} for the folder incoming/{name}/",
        f"Put profiles/{name}.yaml into the bucket (docs/profiles.md), or drop the file under incoming/ itself",
    )


def _version(schedule: Schedule, source: dict[str, Any], workdir: Path, settings: Settings) -> Version:
    """Merge with the latest dataset and store the version; of executions at the same time none is lost."""
    bucket, control_table, tolerance_days = settings.data_bucket, settings.control_table, settings.tolerance_days
    for attempt in range(ATTEMPTS):
        previous = datasets.latest_dataset(control_table) if schedule.data_date is not None else None
        folder = workdir / f"version-{attempt}"
        folder.mkdir()
        new, target = folder / "new.parquet", folder / "table.parquet"
        old: Path | None = None
        sources: list[dict[str, Any]] = []
        links: dict[str, Path] = {}
        new.hardlink_to(schedule.table)
        if previous is not None:
            before = storage.read_json(previous["manifest_uri"])
            sources = before["sources"]
            old = folder / "old.parquet"
            storage.download(previous["uri"], old, sha256=previous["sha256"])
            newer = [item["dropped"] for item in _later(sources, source) if item["uri"] == source["uri"]]
            if newer:
                return Version(previous, old, superseded=max(newer))
            links = _network(before.get("network", {}), folder / "old-network")
            old = _with_own_name(old, sources, source, folder)
        later = _later(sources, source)
        corrected = any(all(item.get(name) == source[name] for name in ("source", "data_date")) for item in later)
        digests = {item["sha256"] for item in later} - {source["sha256"]}
        versions.merge(old, new, target, folder, later=digests, corrected=corrected)
        manifest = versions.describe(target, folder, tolerance_days=tolerance_days)
        # Of a project at a data date, the network of the file that was dropped last counts.
        order = (schedule.network, links) if corrected else (links, schedule.network)
        links = network.merge(*order, folder)
        manifest = versions.with_network(manifest, links, folder)
        prefix = f"s3://{bucket}/datasets/{manifest['dataset_id']}"
        manifest |= {"uri": f"{prefix}/table.parquet", "manifest_uri": f"{prefix}/manifest.json"}
        if manifest["dated"]:
            manifest |= {"labels_uri": f"{prefix}/labels.csv.gz", "last_seen_uri": f"{prefix}/last_seen.csv.gz"}
        manifest |= {"sources": _with(sources, source), "code_version": provenance.code_version()}
        manifest |= {"tolerance_days": tolerance_days}
        if old is not None:
            manifest["fills"] = updates.added(before.get("fills", {}), updates.fills(old, new, folder))
        for name in links:
            manifest["network"][name]["uri"] = f"{prefix}/{name}.parquet"
        # Immutable: the same version is not written twice. Only the list of files that led to it grows.
        if storage.exists(manifest["manifest_uri"]):
            manifest = _with_files(manifest["manifest_uri"], manifest["sources"])
        else:
            storage.upload(target, manifest["uri"], "application/vnd.apache.parquet")
            for name, path in links.items():
                storage.upload(path, manifest["network"][name]["uri"], "application/vnd.apache.parquet")
            if manifest["dated"]:
                outcomes = folder / "labels.csv.gz"
                versions.write_labels(target, outcomes, folder, tolerance_days=tolerance_days)
                storage.upload(outcomes, manifest["labels_uri"], "application/gzip")
                states = folder / "last_seen.csv.gz"
                versions.write_last_seen(target, states, folder)
                storage.upload(states, manifest["last_seen_uri"], "application/gzip")
            storage.write_json(manifest["manifest_uri"], manifest)
        reference = versions.reference(manifest)
        if not manifest["dated"] or datasets.move_latest(control_table, reference, previous=previous):
            return Version(reference, target, links, old)
    raise RuntimeError(f"{ATTEMPTS} times another file was faster: drop fewer files at once, this one is retried")


def _reviewed(
    schedule: Schedule, version: Version, workdir: Path
) -> tuple[quality.Quality, Document | None, dict[str, list[dict[str, Any]]]]:
    """Return the quality of the update, what changed since the last one of its projects, and its network by table."""
    activities = network.counts(schedule.network, workdir)["activities"]
    if activities > MOST_CHECKED:
        why = (
            f"{activities:,} activities, at most {MOST_CHECKED:,} are checked as a file is taken in; slipcast schedule"
        )
        return {"points": [], "failed": 0, "why": f"{why} checks any number of them on your machine"}, None, {}
    now, before = network.updates(version.network, schedule.network, workdir)
    baseline = versions.baselines(version.table, schedule.table, workdir)
    ends = {Key(project, activity): day for project, activity, day in baseline}
    judged, changed = review(now, before, ends, datetime.now(UTC).replace(tzinfo=None))
    if changed is not None and version.before is not None:
        edits = versions.baseline_edits(version.before, schedule.table, workdir)
        changed |= {"baseline_changes": comparison.baselines(edits)}
    return judged, changed, now


def _later(sources: list[dict[str, Any]], source: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the files that were dropped after one; earlier versions did not record when."""
    return [item for item in sources if item.get("dropped", "") > source["dropped"]]


def _with_own_name(old: Path, sources: list[dict[str, Any]], source: dict[str, Any], folder: Path) -> Path:
    """Return a dataset in which the earlier files of a series have its name of today.

    An earlier version called several series by one name. The one that no longer has it takes its activities along.
    """
    theirs: dict[str, set[str]] = {}
    if file_names.former_source(*_place(source)) == source["source"]:
        return old
    for item in sources:
        then, (name, below) = item.get("source"), _place(item)
        if then and then != source["source"]:
            places = (place for place in (below, "") if file_names.source(name, place) == source["source"])
            if any(file_names.former_source(name, place) == then for place in places):
                theirs.setdefault(then, set()).add(item["sha256"])
    for number_, (then, files) in enumerate(theirs.items()):
        renamed = folder / f"renamed-{number_}.parquet"
        if versions.rename(old, renamed, folder, files=files, then=then, now=source["source"]):
            old = renamed
    return old


def _with_files(uri: str, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Add files to the manifest of a version that another order of files has led to before, and return it."""
    known: dict[str, Any] = {}

    def add(manifest: dict[str, Any]) -> dict[str, Any] | None:
        known.update(manifest)
        whole = manifest["sources"]
        for item in sources:
            whole = whole if item in whole else _with(whole, item)
        known["sources"] = whole
        return known if whole != manifest["sources"] else None

    storage.change_json(uri, add)
    return known


def _network(tables: dict[str, dict[str, Any]], folder: Path) -> dict[str, Path]:
    folder.mkdir()
    for name, item in tables.items():
        storage.download(item["uri"], folder / f"{name}.parquet", sha256=item["sha256"])
    return {name: folder / f"{name}.parquet" for name in tables}


def _with(sources: list[dict[str, Any]], source: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sources of a version with one more; the same object ingested again is there once, at the end."""
    identity = ("uri", "version_id", "sha256")
    kept = [item for item in sources if any(item.get(name) != source.get(name) for name in identity)]
    return [*kept, source]


def _store(
    bucket: str, schedule: Schedule, workdir: Path, execution: str, name: str, where: str = "true"
) -> OpenActivities:
    """Store activities of a file; `where` as `versions.write_dated` takes it."""
    target = workdir / f"{name}.jsonl.gz"
    rows = versions.write_dated(schedule.table, target, workdir, where)
    uri = f"s3://{bucket}/runs/{execution}/{name}.jsonl.gz"
    if rows:
        storage.upload(target, uri, "application/gzip")
    return {"rows": rows, "uri": uri, "sha256": versions.sha256(target)} if rows else {"rows": 0}


def _store_network(bucket: str, rows: Mapping[str, list[dict[str, Any]]], execution: str) -> Reference:
    """Store the network of a file by table, without what is empty."""
    uri = f"s3://{bucket}/runs/{execution}/network.json.gz"
    stored = {name: [network.stored(row) for row in table] for name, table in rows.items()}
    raw = gzip.compress(json.dumps(stored, separators=(",", ":")).encode(), 6, mtime=0)
    return {"uri": uri, "sha256": storage.write_bytes(uri, raw, "application/gzip")}


def _write_report(bucket: str, execution: str, document: report.Accepted | report.Refused) -> None:
    prefix = f"s3://{bucket}/reports/{execution}"
    storage.write_json(f"{prefix}/intake.json", document)
    storage.write_bytes(f"{prefix}/intake.html", render(document).encode(), "text/html; charset=utf-8")
