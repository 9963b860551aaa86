"""Reports become limits that the gate keeps."""

import pytest

from slipcast.evaluation.guardrails import fairness_limits, leakage_limits, protocol_limit

LEAKAGE = {
    **{"suspected": False, "auc": 0.8, "max_auc": 0.95, "max_feature_auc": 0.9},
    "features": [{"feature": "days", "auc": 0.7}, {"feature": "phase", "auc": 0.6}],
    "signs": [],
}


@pytest.mark.parametrize(("protocol", "broken"), [("time", False), ("paper", True)])
def test_a_protocol_without_time_is_never_released(protocol, broken):
    found = protocol_limit(protocol)

    assert found.broken == broken
    assert "the protocol has no time order" in found.why


def test_honest_figures_break_nothing():
    whole, best, *kinds = leakage_limits(LEAKAGE)

    assert [item.broken for item in kinds] == [False] * 4

    assert (whole.value, whole.limit, whole.broken) == (0.8, 0.95, False)
    assert best.as_dict() == {"name": "leakage: AUC of days alone", "value": 0.7, "limit": 0.9, "broken": False}


def test_a_model_or_a_feature_that_is_too_good_breaks_its_limit():
    assert [item.broken for item in leakage_limits(LEAKAGE | {"auc": 0.96})][:2] == [True, False]
    slip = {"feature": "slip", "auc": 0.99}
    found = leakage_limits(LEAKAGE | {"features": [slip, *LEAKAGE["features"]]})
    assert [item.broken for item in found][:2] == [False, True]
    assert found[1].why.startswith("suspected leakage: slip alone has an AUC of 0.990")
    assert len(leakage_limits(LEAKAGE | {"features": []})) == len(leakage_limits(LEAKAGE)) - 1


def test_a_gap_is_limited_by_its_lower_bound():
    gap = {
        **{"column": "location", "measure": "false_negative_rate", "gap": 0.6, "gap_ci": [0.31, 0.8]},
        **{"limit": 0.3, "broken": True, "highest": "north", "lowest": "south"},
    }
    (found,) = fairness_limits({"gaps": [gap]})

    assert (found.value, found.limit, found.broken) == (0.31, 0.3, True)
    assert found.name == "fairness: false negative rate by location, lower bound of the gap"
    assert "at least 0.310" in found.why
    assert "highest in north, lowest in south" in found.why
