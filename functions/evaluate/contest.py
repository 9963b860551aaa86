"""The contest on the holdout: every candidate, the challenger among them, and the champion."""

import hashlib
import io
from datetime import UTC, datetime
from typing import Any

import joblib

from slipcast import assessment, dataset, report
from slipcast_aws import outbox, releases, storage
from slipcast_aws.settings import number, setting


def judge(event: dict[str, Any], trained: list[dict[str, Any]], champion: releases.LiveModel | None) -> dict[str, Any]:
    """Assess the candidates, store artefact, profile and report, and leave a record for MLflow in the outbox."""
    execution, bucket = event["execution"], setting("DATA_BUCKET")
    tables = {
        name: dataset.from_bytes(storage.read_bytes(item["uri"], sha256=item["sha256"]))
        for name, item in event["tables"].items()
    }
    assessed = assessment.assess(
        train=tables["train"],
        holdout=tables["holdout"],
        candidates=[{**item, "pipeline": _load(item["model"])} for item in trained],
        champion_artefact=champion and storage.read_bytes(champion.artefact_uri, sha256=champion.sha256),
        champion_sha256=champion and champion.sha256,
        costs=(number("MISSED_DELAY_COST"), number("FALSE_ALARM_COST")),
        seed=int(number("RANDOM_SEED")),
        metadata={
            "dataset_id": event["dataset"]["dataset_id"],
            "data_date": event["dataset"]["data_date"],
            "tolerance_days": int(number("TOLERANCE_DAYS")),
            "training_cut": event["cut"],
        },
    )
    sha256 = hashlib.sha256(assessed.artefact).hexdigest()
    # The same trees may come from another dataset: the digest keeps them from writing over an artefact that is live.
    folder = f"models/{assessed.model_id}/{sha256}"
    prefix = f"s3://{bucket}/{folder}"
    storage.write_bytes(f"{prefix}/model.json", assessed.artefact, "application/json")
    storage.write_bytes(f"{prefix}/layer.zip", releases.layer_archive(assessed.artefact), "application/zip")
    storage.write_json(f"{prefix}/profile.json", assessed.profile)
    storage.write_json(f"{prefix}/golden.json", assessed.golden)
    model = {
        "model_id": assessed.model_id,
        "family": assessed.challenger,
        "sha256": sha256,
        "artefact_uri": f"{prefix}/model.json",
        "profile_uri": f"{prefix}/profile.json",
        "golden_uri": f"{prefix}/golden.json",
        "layer_key": f"{folder}/layer.zip",
        "dataset_id": event["dataset"]["dataset_id"],
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "execution": execution,
    }
    evaluation = {
        "execution": execution,
        "reason": event["reason"],
        "dataset": event["dataset"],
        "cut": event["cut"],
        "tables": event["tables"],
        "failed": [item for item in event["results"] if "error" in item],
        "champion": champion and {"version": champion.version, "model_id": champion.model_id},
        "model": model,
        **assessed.record,
    }
    uri = f"s3://{bucket}/reports/{execution}/evaluation.json"
    storage.write_json(uri, evaluation)
    page = report.render(evaluation).encode()
    storage.write_bytes(f"s3://{bucket}/reports/{execution}/report.md", page, "text/markdown; charset=utf-8")
    outbox.put(bucket, f"{execution}-1-run", {"kind": "run", "evaluation_uri": uri})
    decision = assessed.record["decision"]
    return {
        "release": decision["release"],
        "why": "; ".join(decision["reasons"]),
        "model": model,
        "evaluation_uri": uri,
    }


def _load(model: dict[str, str]) -> Any:
    # A joblib file is code: only the bytes whose digest the training step returned are opened.
    return joblib.load(io.BytesIO(storage.read_bytes(model["uri"], sha256=model["sha256"])))
