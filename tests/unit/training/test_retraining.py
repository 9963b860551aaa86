"""The rules that answer a request for training."""

from datetime import UTC, datetime, timedelta

import pytest

from slipcast.training.retraining import cooldown_cutoff, execution_name, over_budget, should_train

BASE = {
    "reason": "new_data",
    "dataset_id": "new",
    "n_matured": 500,
    "labels_digest": "b",
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
        ({"champion_labels_digest": "b"}, False, "nothing new"),
        ({"champion_labels_digest": "b", "reason": "alarm"}, False, "drop a newer schedule"),
        ({"champion_labels_digest": "a"}, True, "new since"),
        # A dataset of an older version of the pipeline has no digest.
        ({"champion_labels_digest": None, "labels_digest": None}, True, "new since"),
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


LOST = {"dataset_id": "new", "reason": "new_data", "execution": "new-data-1"}


@pytest.mark.parametrize(
    ("reason", "last", "train"),
    [
        ("new_data", LOST, False),
        ("schedule", LOST, False),
        # The gate is less strict with a challenger that an alarm asks for.
        ("alarm", LOST, True),
        ("alarm", LOST | {"reason": "alarm"}, False),
        ("manual", LOST | {"reason": "alarm"}, True),
        ("new_data", LOST | {"dataset_id": "other"}, True),
    ],
)
def test_a_training_that_lost_is_not_repeated_on_the_same_rows(reason, last, train):
    decision = should_train(**BASE | {"reason": reason, "last_training": last})

    assert decision.train is train
    assert ("new-data-1" in decision.why) is not train
    assert decision.hold == ("" if train else "nothing_new")


def test_a_file_that_brings_what_an_open_alarm_asked_for_trains_at_once_and_answers_it():
    waiting = should_train(**BASE | {"train_on_new_data": False})
    asked = should_train(**BASE | {"train_on_new_data": False, "open_alarms": ["slipcast-drift"]})
    cooling = should_train(**BASE | {"train_on_new_data": False, "open_alarms": ["slipcast-drift"], "cooling": True})
    same = should_train(**BASE | {"open_alarms": ["slipcast-drift"], "champion_labels_digest": "b"})

    assert (waiting.train, waiting.hold) == (False, "waits")
    assert (asked.train, asked.reason) == (True, "alarm")
    assert "slipcast-drift" in asked.why
    # A training that answers the alarm is under way, or has just lost.
    assert (cooling.train, cooling.hold) == (False, "waits")
    assert (same.train, same.hold) == (False, "nothing_new")


def test_beyond_the_budget_nothing_is_dropped_and_the_remedy_is_named():
    decision = over_budget("2026-11", 31, "d1")

    assert (decision.train, decision.hold) == (False, "budget")
    for word in ("31", "2026-11", "RetrainBudgetPerMonth", "d1", "manual"):
        assert word in decision.why


def test_the_same_request_has_the_same_execution_name():
    assert execution_name("new_data", "bucket", "key", "v1") == execution_name("new_data", "bucket", "key", "v1")
    assert execution_name("new_data", "bucket", "key", "v1") != execution_name("new_data", "bucket", "key", "v2")
    assert execution_name("new_data", "a", "bc") != execution_name("new_data", "ab", "c")
    # Of a version that was deployed before, too: Step Functions remembers its names for 90 days.
    known = "new-data-5fd28693015618dda7b00c08814b0275"
    assert execution_name("new_data", "bucket", "key", "version") == known


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


def test_an_answer_names_the_alarms_where_one_asks_and_the_reason_elsewhere():
    def why(**change) -> str:
        return should_train(**(BASE | change)).why

    assert why(reason="alarm", open_alarms=("drift", "score")).endswith("(alarm drift, score)")
    assert why(reason="alarm").endswith("(alarm)")
    assert why(reason="manual", open_alarms=("drift",)).endswith("(manual)")


@pytest.mark.parametrize(("change", "least"), [({"dated": False}, 50), ({}, 200)])
def test_as_many_labels_as_are_needed_are_enough(change, least):
    assert should_train(**(BASE | change | {"n_matured": least})).train
    assert not should_train(**(BASE | change | {"n_matured": least - 1})).train
