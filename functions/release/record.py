"""Records of a release: document in the bucket, audit trail, record for MLflow."""

from datetime import UTC, datetime
from typing import Any

from slipcast.contracts import ModelRef
from slipcast_aws import storage
from slipcast_aws.control import audit as control_audit
from slipcast_aws.control import releases
from slipcast_aws.settings import setting
from slipcast_aws.tracking import outbox


def variables(model: ModelRef) -> dict[str, str]:
    """Return the environment variables that pin a model to a version of the predict function."""
    return {
        "MODEL_SHA256": model["sha256"],
        "MODEL_ID": model["model_id"],
        "MODEL_URI": model["artefact_uri"],
        "MODEL_PROFILE_URI": model["profile_uri"],
        "MODEL_DATASET_ID": model["dataset_id"],
        "MODEL_TRAINED_AT": model["trained_at"],
        "MODEL_EXECUTION": model["execution"],
    }


def keep(version: str, previous: str, model: ModelRef) -> None:
    """Store the model of a version and the version that was live before it, before it gets traffic."""
    releases.put_release(
        setting("CONTROL_TABLE"),
        version,
        {"previous": previous, "execution": model["execution"], "model": variables(model)},
    )


def write(execution: str, part: dict[str, Any]) -> None:
    """Add to ``reports/<execution>/release.json``, step by step; a repeated part replaces itself."""
    uri = f"s3://{setting('DATA_BUCKET')}/reports/{execution}/release.json"
    found: dict[str, Any] = storage.read_json(uri) if storage.exists(uri) else {"execution": execution, "steps": {}}
    steps = {**found["steps"], **part.pop("steps", {})}
    storage.write_json(uri, {**found, **part, "steps": steps})


def audit(execution: str, what: str, version: str, why: str) -> None:
    """Add a step of a release to the audit trail."""
    control_audit.audit(
        setting("CONTROL_TABLE"),
        identity=f"{execution}#release",
        record={"what": "release", "execution": execution, "outcome": what, "version": version, "detail": why},
    )


def track(execution: str, kind: str, **found: str) -> None:
    """Leave a record of the outcome for MLflow."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    outbox.put(
        setting("DATA_BUCKET"), f"{execution}-2-{kind}", {"kind": kind, "execution": execution, "at": at, **found}
    )
