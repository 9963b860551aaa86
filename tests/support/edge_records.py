"""A released model as the edge function finds it."""

from typing import Any

from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast_aws import storage
from support.forecast_models import forecast_json, with_forecast
from support.serving_cases import fitted

PREFIX = "s3://data/models/abc123/0"


def leave_released_model(*, forecast: bool = False) -> dict[str, Any]:
    """Store a forest with its golden answers and return what the evaluation recorded of it."""
    estimator, _, _ = fitted("random_forest")
    raw = export(
        estimator,
        family="random_forest",
        threshold=0.4,
        metadata={"model_id": "abc123", "dataset_id": "d1", "tolerance_days": 30},
    )
    pinned = {}
    if forecast:
        raw, pinned = with_forecast(raw), {"forecast_uri": f"{PREFIX}/forecast.json"}
        storage.write_bytes(pinned["forecast_uri"], forecast_json())
    activities = [
        {"activity_id": f"A{days}", "start": "2022-03-01", "baseline_duration_days": days, "phase": "phase 1"}
        for days in range(1, 41)
    ]
    storage.write_bytes(f"{PREFIX}/model.json", raw)
    scores = scorer.load(raw, digest(raw)).predict_proba(activities)
    storage.write_json(f"{PREFIX}/golden.json", {"activities": activities, "scores": scores})
    return {
        **{"model_id": "abc123", "family": "random_forest", "sha256": digest(raw), "dataset_id": "d1"},
        **{"artefact_uri": f"{PREFIX}/model.json", "golden_uri": f"{PREFIX}/golden.json", "execution": "new-data-1"},
        **pinned,
    }
