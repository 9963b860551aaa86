"""The rules that answer a request for training."""

from datetime import UTC, datetime, timedelta

import pytest

from slipcast.retraining import cooldown_cutoff, execution_name, should_train

BASE = {
    "reason": "new_data",
    "dataset_id": "new",
    "n_matured": 500,
    "champion_dataset_id": "old",
    "train_on_new_data": True,
    "min_matured": 200,
}


@pytest.mark.parametrize(
    ("change", "train", "word"),
    [
        ({}, True, "new since"),
        ({"champion_dataset_id": None}, True, "no model"),
        ({"champion_dataset_id": None, "train_on_new_data": False}, True, "no model"),
        ({"n_matured": 199}, False, "longer history"),
        ({"n_matured": 199, "champion_dataset_id": None}, False, "longer history"),
        ({"champion_dataset_id": "new"}, False, "nothing new"),
        ({"champion_dataset_id": "new", "reason": "alarm"}, False, "nothing new"),
        ({"champion_dataset_id": "new", "reason": "manual"}, False, "nothing new"),
        ({"train_on_new_data": False}, False, "wait"),
        ({"train_on_new_data": False, "reason": "alarm"}, True, "alarm"),
        ({"train_on_new_data": False, "reason": "schedule"}, True, "schedule"),
        ({"dated": False, "n_matured": 100}, True, "nothing is released"),
        ({"dated": False, "n_matured": 49}, False, "50 are needed"),
        ({"dated": False, "n_matured": 100, "train_on_new_data": False}, True, "nothing is released"),
    ],
)
def test_trains_only_when_there_is_something_to_learn(change, train, word):
    decision = should_train(**(BASE | change))

    assert decision.train is train
    assert word in decision.why


def test_the_same_request_has_the_same_execution_name():
    assert execution_name("new_data", "bucket", "key", "v1") == execution_name("new_data", "bucket", "key", "v1")
    assert execution_name("new_data", "bucket", "key", "v1") != execution_name("new_data", "bucket", "key", "v2")
    assert execution_name("new_data", "a", "bc") != execution_name("new_data", "ab", "c")


def test_an_execution_name_is_one_that_step_functions_accepts():
    name = execution_name("new_data", "bucket", "incoming/Überblick <2021>.csv", "v")

    assert len(name) <= 80
    assert name.replace("-", "").isalnum()
    assert name.isascii()


def test_an_unknown_reason_is_refused():
    with pytest.raises(ValueError, match="whim"):
        execution_name("whim", "x")


def test_cooldown_reaches_back_from_now():
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    assert cooldown_cutoff(now, 90) == now - timedelta(minutes=90)
