"""Columns that know the outcome are noticed, honest ones are not."""

import numpy as np
import pandas as pd
import pytest

from slipcast.evaluation.leakage import categorical_auc, leakage_report, numeric_auc

RNG = np.random.default_rng(4)
Y = (RNG.random(800) < 0.4).astype(int)
TRAIN, HELD = slice(None, 400), slice(400, None)


def report(features: pd.DataFrame, p: np.ndarray | None = None) -> dict:
    categorical = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    return leakage_report(
        features[TRAIN],
        Y[TRAIN],
        features[HELD],
        Y[HELD],
        np.full(400, 0.4) if p is None else p,
        numeric=[name for name in features if name not in categorical],
        categorical=categorical,
    )


def honest() -> pd.DataFrame:
    return pd.DataFrame({"days": RNG.normal(0, 1, 800) + 0.5 * Y, "phase": RNG.choice(["a", "b"], 800)})


def test_honest_features_are_not_suspected():
    found = report(honest(), np.clip(0.4 + 0.2 * (Y[HELD] - 0.4) + RNG.normal(0, 0.15, 400), 0, 1))

    assert not found["suspected"]
    assert [item["feature"] for item in found["features"]] == ["days", "phase"]
    assert 0.55 < found["features"][0]["auc"] < 0.75
    assert 0.5 < found["auc"] < 0.95


@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_knows_the_outcome_is_suspected_in_either_direction(sign):
    found = report(honest().assign(slip=sign * (Y * 40 + RNG.normal(0, 5, 800))))

    assert found["suspected"]
    assert found["features"][0]["feature"] == "slip"
    assert found["features"][0]["auc"] > 0.99


def test_a_column_that_is_only_filled_in_for_the_late_is_suspected():
    found = report(honest().assign(delay_reported=np.where(Y == 1, RNG.normal(0, 1, 800), np.nan)))

    assert found["suspected"]
    assert found["features"][0]["auc"] == 1


def test_a_category_that_knows_the_outcome_is_suspected():
    found = report(honest().assign(remark=np.where(Y == 1, "claim", "closed")))

    assert found["suspected"]
    assert found["features"][0] == {"feature": "remark", "auc": 1.0}


def test_identifiers_are_not_suspected():
    # Each category is one activity: its training rate is its own outcome, and the holdout has none of them.
    found = report(honest().assign(identifier=[f"A{i}" for i in range(800)]))

    assert not found["suspected"]
    assert next(item for item in found["features"] if item["feature"] == "identifier")["auc"] == 0.5


def test_a_model_that_is_too_good_is_suspected():
    assert report(honest(), Y[HELD] * 0.9 + 0.05)["suspected"]


def test_a_column_without_any_value_says_nothing():
    assert numeric_auc(np.full(400, np.nan), Y[HELD]) == 0.5
    assert (
        categorical_auc(pd.Series(["a"] * 4), np.array([0, 1, 0, 1]), pd.Series(["b"] * 4), np.array([0, 1, 1, 0]))
        == 0.5
    )
