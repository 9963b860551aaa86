"""Comparison on the holdout: all candidates, among them the challenger, and the champion."""

import hashlib
import io
from datetime import UTC, datetime
from typing import Any

import joblib

from evaluate import policy
from evaluate.settings import Settings
from slipcast.contracts import EvaluateRequest, ForecastPin, ModelRef, Reference, Verdict
from slipcast.evaluation import assessment, of_search
from slipcast.model import artifact
from slipcast.provenance import provenance
from slipcast_aws import storage
from slipcast_aws.objects import Folder
from slipcast_aws.release import versions
from slipcast_aws.tracking import outbox


def judge(event: EvaluateRequest, live: versions.LiveModel | None, settings: Settings) -> Verdict:
    """Assess the result of a search; store the evaluation, the files of a release and a record in MLflow's outbox."""
    now = datetime.now(UTC)
    search = storage.read_json(event["search"]["uri"], sha256=event["search"]["sha256"])
    champion = _champion(live, now) if live else None
    family, assessed = of_search.assess(
        search,
        Folder(event["search"]["uri"].rsplit("/", 1)[0]),
        champion=champion,
        champion_forecast=_champion_forecast(live, champion.artifact, settings.tolerance_days)
        if live and champion
        else None,
        policy=policy.from_settings(settings),
        reason=event["reason"],
        dataset_id=event["dataset"]["dataset_id"],
        data_date=event["dataset"].get("data_date"),
        tolerance_days=settings.tolerance_days,
    )
    model = _store(assessed, family, event, settings.data_bucket, now)
    if assessed.refitted is not None:
        assessed.record["refit"]["model"] = _store_pipeline(assessed.refitted, event["search"]["uri"])
    evaluation = {
        "execution": event["execution"],
        "reason": event["reason"],
        "created_at": now.isoformat(timespec="seconds"),
        "dataset": event["dataset"],
        **{name: search[name] for name in ("protocol", "cut", "tables", "seed", "paper")},
        "reproducibility": {
            **provenance(),
            "seed": search["seed"],
            "dataset_id": event["dataset"]["dataset_id"],
            "model_sha256": model["sha256"],
        },
        "search": {
            **event["search"],
            **{name: search[name] for name in ("mode", "grain", "tasks", "rounds", "budget", "folds", "select_by")},
        },
        "champion": None
        if live is None or champion is None
        else {
            "version": champion.version,
            "model_id": champion.model_id,
            "trained_at": live.trained_at or None,
            "age_days": champion.age_days,
        },
        "model": model,
        **assessed.record,
    }
    bucket = settings.data_bucket
    uri = f"s3://{bucket}/reports/{event['execution']}/evaluation.json"
    storage.write_json(uri, evaluation)
    outbox.put(bucket, f"{event['execution']}-1-run", {"kind": "run", "evaluation_uri": uri})
    decision = assessed.record["decision"]
    return {
        "release": decision["release"],
        "why": "; ".join(decision["reasons"]),
        "model": model,
        "evaluation_uri": uri,
    }


def _store(
    assessed: assessment.Assessment, family: str, event: EvaluateRequest, bucket: str, now: datetime
) -> ModelRef:
    sha256 = hashlib.sha256(assessed.artifact).hexdigest()
    # Another dataset may give the same trees: the digest in the name keeps them from overwriting a live artifact.
    folder = f"models/{assessed.model_id}/{sha256}"
    prefix = f"s3://{bucket}/{folder}"
    storage.write_bytes(f"{prefix}/model.json", assessed.artifact, "application/json")
    layer = versions.layer_archive(assessed.artifact, assessed.forecast)
    storage.write_bytes(f"{prefix}/layer.zip", layer, "application/zip")
    storage.write_json(f"{prefix}/profile.json", assessed.profile)
    storage.write_json(f"{prefix}/golden.json", assessed.golden)
    model: ModelRef = {
        "model_id": assessed.model_id,
        "family": family,
        "runtime": artifact.runtime(assessed.artifact),
        "sha256": sha256,
        "artefact_uri": f"{prefix}/model.json",
        "profile_uri": f"{prefix}/profile.json",
        "golden_uri": f"{prefix}/golden.json",
        "layer_key": f"{folder}/layer.zip",
        "dataset_id": event["dataset"]["dataset_id"],
        "trained_at": now.isoformat(timespec="seconds"),
        "execution": event["execution"],
    }
    if assessed.twin is not None:
        storage.write_bytes(versions.twin_uri(model["artefact_uri"]), assessed.twin, "application/json")
    if assessed.forecast is not None:
        model["forecast_uri"] = f"{prefix}/forecast.json"
        storage.write_bytes(model["forecast_uri"], assessed.forecast, "application/json")
    return model


def _store_pipeline(pipeline: Any, search_uri: str) -> Reference:
    """Store the pipeline of a release next to its search, for MLflow."""
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer, compress=3)
    uri = f"{search_uri.rsplit('/', 1)[0]}/refitted.joblib"
    return {"uri": uri, "sha256": storage.write_bytes(uri, buffer.getvalue())}


def _champion_forecast(live: versions.LiveModel, encoded: bytes, tolerance_days: int) -> bytes | None:
    """Return the live forecast if it is the one that its model pins; one for another tolerance cannot be compared."""
    try:
        metadata = artifact.decode(encoded, live.sha256)["metadata"]
    except artifact.ArtifactError:
        return None
    pinned: ForecastPin | None = metadata.get("forecast")
    if pinned is None or pinned["tolerance_days"] != tolerance_days or not storage.exists(live.forecast_uri):
        return None
    raw = storage.read_bytes(live.forecast_uri)
    return raw if artifact.digest(raw) == pinned["sha256"] else None


def _champion(live: versions.LiveModel, now: datetime) -> assessment.Champion:
    age = None
    if live.trained_at:
        age = (now - datetime.fromisoformat(live.trained_at)).total_seconds() / 86400
    # The scorer compares the digest before it opens the bytes. A champion whose bytes are gone or were changed is no
    # model to compare with, like one of another scikit-learn: the gate says so.
    encoded = storage.read_bytes(live.artefact_uri) if storage.exists(live.artefact_uri) else b""
    pin = _twin_pin(encoded, live.sha256)
    return assessment.Champion(
        version=live.version,
        model_id=live.model_id,
        sha256=live.sha256,
        artifact=encoded,
        twin=storage.read_bytes(live.twin_uri) if pin and storage.exists(live.twin_uri) else b"",
        twin_sha256=pin,
        profile=storage.read_json(live.profile_uri) if storage.exists(live.profile_uri) else None,
        age_days=age,
    )


def _twin_pin(encoded: bytes, sha256: str) -> str:
    """Return the digest of a model's held-out twin; empty if it has none, or cannot be read."""
    try:
        pin: dict[str, str] = artifact.decode(encoded, sha256)["metadata"].get("twin", {})
    except artifact.ArtifactError:
        return ""
    return pin.get("sha256", "")
