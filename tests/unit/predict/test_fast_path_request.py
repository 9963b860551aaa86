"""The request reader of the fast path: its limits, and what is left to the application."""

import importlib
import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "functions" / "predict"
ACTIVITY = {"activity_id": "A", "start": "2024-01-01", "baseline_finish": "2024-03-01"}


@pytest.fixture
def reader(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    sys.modules.pop("predict.fast_path.request", None)
    yield importlib.import_module("predict.fast_path.request")
    sys.modules.pop("predict.fast_path.request", None)


def read(reader, *activities, **further):
    return reader.read(json.dumps({"activities": list(activities), **further}))


@pytest.mark.parametrize("count", [1, 10_000])
def test_up_to_ten_thousand_activities_are_read(reader, count):
    assert len(read(reader, *[ACTIVITY] * count).ids) == count


@pytest.mark.parametrize("count", [0, 10_001])
def test_none_and_more_are_not(reader, count):
    with pytest.raises(reader.NotPlain):
        read(reader, *[ACTIVITY] * count)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("activity_id", "A" * 200, "A" * 201),
        ("activity_id", "A", ""),
        ("activity_name", "N" * 500, "N" * 501),
        ("activity_name", "", "\ud800"),
        ("activity_name", None, 1),
        ("budget", 0, -0.01),
        ("predecessor_count", 0, -1),
        ("total_float_days", -1000.0, float("nan")),
        ("total_float_days", None, True),
        ("baseline_duration_days", 0.01, 0),
        ("start", "2024-02-29", "2024-02-30"),
        ("start", "2024-02-29", "2024-2-29"),
        ("start", "2024-02-29", None),
        ("baseline_finish", "2024-01-01", "2023-12-31"),
        ("baseline_finish", "2024-01-02", None),
        ("history", {}, {"unknown": 1.0}),
        ("history", None, []),
        ("history", {"project_slip_days": 1}, {"project_slip_days": None}),
    ],
)
def test_a_value_at_its_limit_is_read_and_one_beyond_is_not(reader, field, good, bad):
    assert read(reader, ACTIVITY | {field: good}).ids

    with pytest.raises(reader.NotPlain):
        read(reader, ACTIVITY, ACTIVITY | {field: bad})


@pytest.mark.parametrize(
    "document",
    [[], {}, {"unknown": 1}, {"activities": {}}, {"activities": [1]}, {"activities": [ACTIVITY, 1]}, ACTIVITY["start"]],
)
def test_another_shape_is_left_to_the_application(reader, document):
    with pytest.raises(reader.NotPlain):
        reader.read(json.dumps(document))


def test_one_activity_may_come_without_a_list_and_reasons_are_not_given_here(reader):
    assert reader.read(json.dumps(ACTIVITY)).ids == ["A"]
    assert read(reader, ACTIVITY, explain=False).ids == ["A"]
    with pytest.raises(reader.NotPlain):
        read(reader, ACTIVITY, explain=True)


def test_days_are_counted_from_the_baselines_start_or_the_start_and_a_given_number_goes_first(reader):
    found = read(
        reader,
        ACTIVITY,
        ACTIVITY | {"baseline_start": "2023-12-31"},
        ACTIVITY | {"baseline_duration_days": 7.5},
        {"activity_id": "A", "start": "2024-01-01", "baseline_duration_days": 3},
    )

    assert found.days == [61.0, 62.0, 7.5, 3.0]
    assert found.history == [None] * 4


def test_a_record_has_what_was_sent_under_the_columns_names(reader):
    (record,) = read(reader, ACTIVITY | {"budget": 5, "history": {"project_slip_days": 2}, "more": 1}).records()

    assert record["budget"] == 5.0
    assert record["history"] == {"project_slip_days": 2.0}
    assert record["start"].isoformat() == "2024-01-01"
    assert "activity_name" not in record
    assert "more" not in record
