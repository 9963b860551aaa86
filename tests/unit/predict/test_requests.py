"""The reader of requests: its limits, its two ways, and what each activity becomes."""

import importlib
import json
import sys
from datetime import date
from pathlib import Path

import pytest

from slipcast.features.point_in_time import HISTORY

FOLDER = Path(__file__).resolve().parents[3] / "functions"
ACTIVITY = {"activity_id": "A", "start": "2024-01-01", "baseline_finish": "2024-03-01"}


@pytest.fixture
def requests(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("predict.api.requests")
    for name in [name for name in sys.modules if name == "predict" or name.startswith("predict.")]:
        del sys.modules[name]


def read(requests, *activities, **further):
    return requests.read(json.dumps({"activities": list(activities), **further}))


@pytest.mark.parametrize("count", [1, 10_000])
def test_up_to_ten_thousand_activities_are_read(requests, count):
    assert len(read(requests, *[ACTIVITY] * count).ids) == count


@pytest.mark.parametrize(("count", "kind"), [(0, "too_short"), (10_001, "too_long")])
def test_none_and_more_are_refused_as_a_whole(requests, count, kind):
    with pytest.raises(requests.InvalidRequest) as refused:
        read(requests, *[ACTIVITY] * count)

    assert [(item.path, item.error.type) for item in refused.value.refused] == [("activities", kind)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "body"),
        (7, "body"),
        ({}, "activities"),
        ({"unknown": 1}, "activities"),
        ({"activities": {}}, "activities"),
        ({"activities": None}, "activities"),
        ({"activities": [1]}, "activities.0"),
        ({"activities": [ACTIVITY], "explain": 1}, "explain"),
        (ACTIVITY | {"explain": None}, "explain"),
        (ACTIVITY | {"start": "x"}, "activities.0.start"),
        (ACTIVITY | {"history": {HISTORY[0]: "x"}}, f"activities.0.history.{HISTORY[0]}"),
    ],
)
def test_what_is_wrong_has_a_path(requests, body, path):
    with pytest.raises(requests.InvalidRequest) as refused:
        requests.read(json.dumps(body))

    assert [item.path for item in refused.value.refused] == [path]


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "nul", '{"activity_id": "A",}', "\ud800"])
def test_what_is_no_json_is_said_to_be_none(requests, body):
    with pytest.raises(requests.NotJsonError):
        requests.read(body)


def test_one_activity_may_come_without_a_list(requests):
    assert requests.read(json.dumps(ACTIVITY)).ids == ["A"]
    assert requests.read(json.dumps(ACTIVITY | {"explain": True})).explain
    assert not read(requests, ACTIVITY, explain=False).explain


def test_a_wrong_activity_fails_no_other_and_keeps_its_place(requests):
    found = read(requests, {}, ACTIVITY, 7, ACTIVITY | {"activity_id": "B "}, ACTIVITY | {"budget": -1, "phase": 2})

    assert [*found.ids] == ["A", "B "]
    assert [*found.columns["activity_id"]] == ["A", "B"]
    assert [*found.positions] == [1, 3]
    assert [item.path for item in found.refused] == [
        *("activities.0.activity_id", "activities.0.start"),
        *("activities.2", "activities.4.phase", "activities.4.budget"),
    ]


def test_duration_and_finish_are_derived(requests):
    found = read(
        requests,
        ACTIVITY,
        ACTIVITY | {"baseline_start": "2023-12-31"},
        ACTIVITY | {"baseline_duration_days": 7.5},
        {"activity_id": "A", "start": "2024-01-01", "baseline_duration_days": 3},
        {"activity_id": "A", "start": "2024-01-01", "baseline_duration_days": 9e14},
    )

    assert [*found.columns["baseline_duration_days"]] == [61.0, 62.0, 7.5, 3.0, 9e14]
    assert [*found.columns["baseline_finish"]] == [date(2024, 3, 1)] * 3 + [date(2024, 1, 3), None]
    assert found.history == [None] * 5


def test_a_record_has_what_was_sent_under_the_columns_names(requests):
    (record,) = read(requests, ACTIVITY | {"budget": 5, "history": {"project_slip_days": 2}, "more": 1}).records()

    assert record["budget"] == 5.0
    assert record["history"] == {"project_slip_days": 2.0}
    assert record["start"] == date(2024, 1, 1)
    assert record.keys().isdisjoint({"activity_name", "more"})


def test_an_empty_history_is_one(requests):
    assert read(requests, ACTIVITY | {"history": {}}, ACTIVITY | {"phase": " x", "history": {}}).history == [{}, {}]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, 1e15, "1"])
def test_records_are_held_to_the_same_bounds(requests, number):
    with pytest.raises(requests.InvalidRequest):
        requests.from_records([ACTIVITY | {"budget": number}])


def test_records_may_hold_days(requests):
    (found,) = requests.from_records([ACTIVITY | {"start": date(2024, 1, 1)}]).records()

    assert found == requests.read(json.dumps(ACTIVITY)).records()[0]


@pytest.mark.parametrize("kind", ["phase", "activity_id"])
@pytest.mark.parametrize("text", [" x", "x ", "x\u00a0", "\tx", "Cafe\u0301"])
def test_texts_are_clean_in_every_column(requests, kind, text):
    from slipcast.schema import clean_text

    assert [*read(requests, ACTIVITY | {kind: text}).columns[kind]] == [clean_text(text)]


@pytest.mark.parametrize("field", ["phase", "activity_id", "history"])
def test_half_a_character_is_named_wherever_it_is(requests, field):
    sent = {"\ud800\x00": 1} if field == "history" else "\ud800"
    for read in (lambda item: requests.read(json.dumps(item)), lambda item: requests.from_records([item])):
        with pytest.raises(requests.InvalidRequest) as refused:
            read(ACTIVITY | {field: sent})
        assert refused.value.refused[0].path.startswith(f"activities.0.{field}")
        refused.value.refused[0].path.encode()


# The second is no text that is clean, and is read field by field.
@pytest.mark.parametrize("phase", ["x", " x"])
def test_reasons_are_given_where_they_are_asked_for(requests, phase):
    activity = ACTIVITY | {"phase": phase}

    assert not read(requests, activity).explain
    assert read(requests, activity, explain=True).explain
    assert not requests.from_records([activity]).explain


@pytest.mark.parametrize("phase", ["x", " x"])
def test_a_data_date_is_today_where_none_is_sent(requests, phase):
    from slipcast.forecast import stage

    activity, dated = ACTIVITY | {"phase": phase}, ACTIVITY | {"data_date": "2024-02-01"}

    assert read(requests, activity, dated).columns["data_date"] == [stage.today(), date(2024, 2, 1)]
    assert read(requests, dated | {"phase": phase}).columns["data_date"] == [date(2024, 2, 1)]


def test_one_complete_activity_without_a_finish_is_refused(requests):
    done = ACTIVITY | {"status": "complete"}
    found = read(requests, done | {"actual_finish": "2024-02-01"}, done, ACTIVITY)

    assert [*found.positions] == [0, 2]
    assert [item.path for item in found.refused] == ["activities.1.actual_finish"]


def test_the_limit_holds_for_what_is_read_field_by_field_too(requests):
    activity = ACTIVITY | {"phase": " x"}

    assert len(requests.from_records([activity] * 10_000).ids) == 10_000
    with pytest.raises(requests.InvalidRequest, match="at most 10000"):
        requests.from_records([activity] * 10_001)


def test_numbers_are_read_as_json_writes_them(requests):
    # Python's own reader gives up at more than 4,300 digits; such a number is larger than any float.
    assert requests.parse('{"n": 9007199254740993}') == {"n": 2**53 + 1}
    assert requests.parse("9" * 5000) == float("inf")
    with pytest.raises(requests.InvalidRequest) as refused:
        requests.read(json.dumps(ACTIVITY).replace("}", ', "budget": ' + "9" * 5000 + "}"))
    assert [item.path for item in refused.value.refused] == ["activities.0.budget"]


@pytest.mark.parametrize("count", [1, 10_000])
def test_what_is_valid_is_read_once(requests, monkeypatch, count):
    monkeypatch.setattr(requests.activity, "check", None)
    activity = ACTIVITY | {"phase": "Gründung", "history": {}}

    assert len(read(requests, *[activity] * count).ids) == count
    assert len(requests.from_records([activity] * count).ids) == count


def test_no_records_are_refused(requests):
    with pytest.raises(requests.InvalidRequest, match="at least one"):
        requests.from_records([])


def test_of_many_errors_the_message_says_three(requests):
    with pytest.raises(requests.InvalidRequest) as refused:
        read(requests, *[7] * 5)

    assert len(refused.value.refused) == 5
    assert str(refused.value).count("activities.") == 3
