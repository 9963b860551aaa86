"""The verdict on an execution's candidates."""

import hashlib
import json

import numpy as np
import pytest

from slipcast import scorer
from slipcast.assessment import assess
from slipcast.candidates import load_candidates
from slipcast.feature_table import feature_table
from slipcast.pipeline import build_pipeline
from slipcast.schema import POST_HOC


@pytest.fixture(scope="module")
def tables():
    import pandas as pd

    rng = np.random.default_rng(0)
    n = 700
    start = pd.Timestamp("2018-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 1500, n)), unit="D")
    days = rng.integers(30, 400, n)
    table = pd.DataFrame(
        {
            "activity_id": [f"A{i}" for i in range(n)],
            "start": start,
            "baseline_finish": start + pd.to_timedelta(days, unit="D"),
            "actual_finish": pd.NaT,
            "status": "complete",
            "phase": rng.choice(["Scope", "Design"], n),
            "budget": np.where(rng.random(n) < 0.1, np.nan, rng.uniform(1e3, 1e6, n)),
            "is_late": (rng.random(n) < np.where(days > 200, 0.85, 0.15)).astype(int),
        }
    )
    return table.iloc[:450].reset_index(drop=True), table.iloc[450:].reset_index(drop=True)


def trained(train, brier_by_family: dict[str, float]) -> list[dict]:
    features = feature_table(train)
    found = []
    for candidate in load_candidates():
        if candidate.name in brier_by_family:
            point = {name: values[0] for name, values in candidate.grid.items()}
            found.append(
                {
                    "family": candidate.name,
                    "best_params": point,
                    "cv": [{"params": point, "mean_brier": brier_by_family[candidate.name]}],
                    "seconds": 1.0,
                    "model": {"uri": "s3://b/k", "sha256": "0"},
                    "pipeline": build_pipeline(candidate, 1, **point).fit(features, train["is_late"]),
                }
            )
    return found


def verdict(tables, champion: bytes | None = None, **families: float):
    train, holdout = tables
    return assess(
        train=train,
        holdout=holdout,
        candidates=trained(train, families or {"decision_tree": 0.2, "logistic_regression": 0.1}),
        champion_artefact=champion,
        champion_sha256=champion and hashlib.sha256(champion).hexdigest(),
        costs=(2, 1),
        seed=1,
        metadata={"dataset_id": "d"},
    )


def test_the_challenger_is_chosen_by_cross_validation_not_by_the_holdout(tables):
    assert verdict(tables, decision_tree=0.1, logistic_regression=0.2).challenger == "decision_tree"
    assert verdict(tables, decision_tree=0.2, logistic_regression=0.1).challenger == "logistic_regression"


def test_a_first_model_with_signal_is_released_and_every_figure_is_json(tables):
    found = verdict(tables)

    assert found.record["decision"]["release"]
    assert [item["family"] for item in found.record["candidates"]] == ["logistic_regression", "decision_tree"]
    assert found.record["champion_metrics"] is None
    assert 0.5 < found.record["random_split"]["auc"] < 1
    json.dumps({**found.record, "profile": found.profile, "golden": found.golden}, allow_nan=False)


def test_the_same_model_again_is_not_released(tables):
    first = verdict(tables)
    second = verdict(tables, champion=first.artefact)

    assert not second.record["decision"]["release"]
    assert second.record["champion_metrics"]["auc"] == pytest.approx(
        second.record["candidates"][0]["metrics"]["auc"], abs=1e-9
    )


def test_the_same_data_and_seed_give_the_same_bytes(tables):
    first, second = verdict(tables), verdict(tables)

    assert first.model_id == second.model_id
    assert first.artefact == second.artefact


def test_the_golden_activities_are_requests_with_known_answers(tables):
    found = verdict(tables)
    loaded = scorer.load(found.artefact, hashlib.sha256(found.artefact).hexdigest())

    assert len(found.golden["activities"]) == 20
    assert not POST_HOC & {name for activity in found.golden["activities"] for name in activity}
    np.testing.assert_allclose(loaded.predict_proba(found.golden["activities"]), found.golden["scores"], atol=1e-9)
    assert loaded.threshold == pytest.approx(1 / 3)
    assert loaded.metadata["metrics"]["n"] == 250
