"""Assessment of a search from the objects that it left: tables, models, probabilities, forecast."""

import io
from collections.abc import Mapping
from typing import Any

import joblib
import numpy as np

from slipcast.contracts import Reference
from slipcast.datasets import tables
from slipcast.evaluation import assessment, challenger
from slipcast.evaluation.assessment import Assessment, Champion, Policy
from slipcast.evaluation.forecast import Found
from slipcast.training.search.objects import Store


def assess(
    search: Mapping[str, Any],
    store: Store,
    *,
    champion: Champion | None,
    champion_forecast: bytes | None,
    policy: Policy,
    reason: str,
    dataset_id: str,
    data_date: str | None,
    tolerance_days: int,
) -> tuple[str, Assessment]:
    """Choose the challenger of a search and assess it; return its family and the assessment.

    Parameters
    ----------
    search
        ``search.json``
    store
        has the objects that it names; a joblib file is code, so `store` must compare digests of what others wrote
    champion, champion_forecast
        live model and its forecast; None before the first release
    dataset_id, data_date, tolerance_days
        origin of the artifact, which is part of it

    Raises
    ------
    AssessmentError
        If no family was fitted and can be served, or stored probabilities are not those of the stored model.
    """

    def get(item: Reference) -> bytes:
        return store.get(item["uri"], item["sha256"])

    parts = {name: tables.from_bytes(get(item)) for name, item in search["tables"].items()}
    chosen = challenger.choose(
        search, lambda item: joblib.load(io.BytesIO(get(item["model"]))), lambda item: _oof(get(item["oof"]))
    )
    assessed = assessment.assess(
        search=search,
        train=parts["train"],
        holdout=parts["holdout"],
        holdout_p={item["family"]: _array(get(item["holdout_p"])) for item in challenger.ranked(search)},
        challenger=chosen,
        champion=champion,
        policy=policy,
        reason=reason,
        metadata={
            "dataset_id": dataset_id,
            "data_date": data_date,
            "tolerance_days": tolerance_days,
            "training_cut": search["cut"],
        },
        forecast=_forecast(search["forecast"], store, champion_forecast),
        between=parts.get("between"),
        pending=parts.get("pending"),
    )
    return chosen.family, assessed


def _forecast(search: dict[str, Any], store: Store, champion: bytes | None) -> Found:
    if "model" not in search:
        return Found(why=search["why"], search=search, champion=champion)
    parts = {name: tables.from_bytes(store.get(item["uri"], item["sha256"])) for name, item in search["tables"].items()}
    model = search["model"]
    stated = search.get("networks") or {"why": "", "tables": {}}
    rows = {
        name: tables.from_bytes(store.get(item["uri"], item["sha256"]))
        for name, item in stated["tables"].items()
        if name.endswith("-holdout")
    }
    return Found(
        projects=rows.get("projects-holdout"),
        activities=rows.get("activities-holdout"),
        why_no_network=stated["why"],
        train=parts["train"],
        holdout=parts["holdout"],
        raw=store.get(model["uri"], model["sha256"]),
        search=search,
        champion=champion,
    )


def _oof(raw: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in ("row", "fold", "p")}


def _array(raw: bytes) -> np.ndarray:
    values: np.ndarray = np.load(io.BytesIO(raw), allow_pickle=False)
    return values
