"""Publication of a released model: the tested bundles under ``edge/`` and ``portable/``, and records of the tests."""

import hashlib
from typing import Any

from aws_lambda_powertools import Logger

from slipcast.contracts import EdgePublished, ModelRef
from slipcast.edge import bundle, cli, portable, trial
from slipcast.model import scorer
from slipcast.model.scorer import Scorer
from slipcast_aws import scratch, storage

logger = Logger()


def publish(*, bucket: str, model: ModelRef, version: str, rows: int) -> EdgePublished:
    """Build, test and store the bundles of a model: for machines without network, and for other platforms.

    Parameters
    ----------
    model
        the evaluation's record of the model: URIs of artifact and golden activities, and the artifact's digest
    version
        version of the serving function that holds the model
    rows
        number of activities that are scored to measure seconds and memory

    Raises
    ------
    EdgeError
        If a bundle cannot be made or fails its own check.
    SingleFileError
        If the scorer cannot be written as a single file, or the host needs more than the standard library.
    """
    artifact = storage.read_bytes(model["artefact_uri"], sha256=model["sha256"])
    golden = storage.read_json(model["golden_uri"])
    loaded = scorer.load(artifact, model["sha256"])
    onnx, onnx_record = _onnx(loaded, model["sha256"], golden)
    files = bundle.files(artifact, loaded, golden, onnx)
    with scratch.folder() as place:
        checked = trial.check(place, files)
        measured = trial.measure(place, rows)
    portable_files = portable.files(
        artifact,
        _forecast(loaded, model),
        loaded,
        golden,
        version=version,
        edge=files,
        profile=storage.read_bytes(model["profile_uri"]) if "profile_uri" in model else None,
    )
    with scratch.folder() as place:
        portable_checked = trial.check_host(place, portable_files)
    folder = f"{version}-{model['model_id']}"
    packed = bundle.archive(files, f"slipcast-edge-{folder}")
    prefix = f"s3://{bucket}/edge/{folder}"
    uri = f"{prefix}/slipcast-edge-{folder}.zip"
    record = {
        "version": version,
        "model_id": model["model_id"],
        "family": model["family"],
        "dataset_id": model["dataset_id"],
        "execution": model["execution"],
        "model_sha256": model["sha256"],
        "bundle_uri": uri,
        "sha256": storage.write_bytes(uri, packed, "application/zip"),
        "bytes": {"zip": len(packed), **{name: len(raw) for name, raw in sorted(files.items())}},
        "files": {name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(files.items())},
        "check": checked,
        "tolerance": cli.TOLERANCE,
        "measured": measured,
        "onnx": onnx_record,
    }
    record["portable"] = _store_portable(bucket, version, record, portable_files, portable_checked)
    # Written last: a bundle without a record is left over from a crash.
    storage.write_json(f"{prefix}/edge.json", record)
    return {"bundle_uri": uri, "record_uri": f"{prefix}/edge.json", "onnx": onnx_record}


def _forecast(loaded: Scorer, model: ModelRef) -> bytes | None:
    """Return the forecast model that the artifact pins; None if it pins none."""
    pin = loaded.metadata.get("forecast")
    return None if pin is None else storage.read_bytes(model["forecast_uri"], sha256=pin["sha256"])


def _store_portable(
    bucket: str, version: str, record: dict[str, Any], files: dict[str, bytes], checked: str
) -> dict[str, Any]:
    """Store the portable bundle and its record ``portable.json``, which is returned."""
    name = f"slipcast-portable-{version}-{record['model_id']}"
    packed = bundle.archive(files, name)
    uri = f"s3://{bucket}/portable/{version}/{name}.zip"
    found = {
        **{key: record[key] for key in ("version", "model_id", "family", "dataset_id", "execution", "model_sha256")},
        "bundle_uri": uri,
        "sha256": storage.write_bytes(uri, packed, "application/zip"),
        "bytes": len(packed),
        "files": {path: hashlib.sha256(raw).hexdigest() for path, raw in sorted(files.items())},
        "check": checked,
    }
    storage.write_json(f"s3://{bucket}/portable/{version}/portable.json", found)
    return {key: found[key] for key in ("bundle_uri", "sha256", "bytes", "check")}


def _onnx(loaded: Scorer, sha256: str, golden: dict[str, Any]) -> tuple[bytes | None, dict[str, Any]]:
    """Return the ONNX file and its record; if there is no file, the record says why."""
    try:
        # Imported here: if the runtime cannot be loaded on this machine, the scorer is still published.
        from slipcast.edge import onnx_graph, onnx_parity

        raw = onnx_graph.build(loaded, sha256)
        known = [loaded.features(activity) for activity in golden["activities"]]
        rows = onnx_parity.probes(loaded, known)
        worst = onnx_parity.compare(raw, loaded, rows)
    except Exception as error:
        # Any error of converter or runtime: the scorer does not depend on ONNX.
        logger.exception("no ONNX file")
        return None, {"published": False, "why": f"{type(error).__name__}: {error}"[:1000]}
    return raw, {
        "published": True,
        "opsets": onnx_graph.OPSETS,
        "rows": len(rows),
        "max_difference": worst,
        "tolerance": onnx_parity.TOLERANCE,
    }
