"""The contract of an activity: every bound, every error, and what is derived."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipcast.features import activity
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import feature_row
from slipcast.schema import COLUMNS, FEATURE_COLUMNS, LARGEST_NUMBER

GOOD = {"activity_id": "A", "start": "2024-01-01", "baseline_finish": "2024-03-01"}
BELOW = float.fromhex("0x1.c6bf526339fffp+49")


@pytest.mark.parametrize(
    ("field", "good", "bad", "kind"),
    [
        *((name, "A" * 500, "A" * 501, "string_too_long") for name in activity.TEXTS if name != "status"),
        ("status", "In-Progress", "under way", "literal_error"),
        ("activity_id", "A", "", "missing"),
        ("activity_id", "é", " \u00a0", "missing"),
        ("activity_id", "7", 7, "string_type"),
        ("phase", "N" * 500 + " ", "N" * 501 + " ", "string_too_long"),
        ("phase", "\U0001f600", "\ud83d", "string_unicode"),
        ("phase", None, ["Design"], "string_type"),
        ("start", "2024-02-29", "2023-02-29", "date_format"),
        ("start", " 2024-02-29", "2024-2-29", "date_format"),
        ("start", "0001-01-01", "0000-01-01", "date_format"),
        ("start", "2024-01-02", "２０２４-01-02", "date_format"),
        ("start", "2024-01-02", 1646092800, "date_format"),
        ("start", "2024-01-02", None, "missing"),
        ("budget", 0, -5e-324, "greater_than_equal"),
        ("budget", BELOW, LARGEST_NUMBER, "number_range"),
        ("budget", 1, True, "float_type"),
        ("budget", 1.5, "1.5", "float_type"),
        ("total_float_days", -BELOW, -LARGEST_NUMBER, "number_range"),
        ("total_float_days", 0, float("nan"), "float_type"),
        ("total_float_days", -1, float("-inf"), "number_range"),
        ("total_float_days", 10**14, 10**400, "number_range"),
        ("predecessor_count", 0, -1, "greater_than_equal"),
        ("baseline_duration_days", 5e-324, 0, "greater_than"),
        ("baseline_duration_days", 1, -0.0, "greater_than"),
        ("baseline_finish", "2024-01-01", "2023-12-31", "date_order"),
        ("baseline_finish", "2024-01-02", None, "missing"),
    ],
)
def test_a_value_at_its_limit_is_taken_and_one_beyond_is_named(field, good, bad, kind):
    assert activity.check(GOOD | {field: good})[1] == []

    (error,) = activity.check(GOOD | {field: bad})[1]

    assert (error.field, error.type) == (field, kind)
    assert error.message
    assert error.remedy


@pytest.mark.parametrize(
    ("history", "field", "kind"),
    [
        ([], "history", "object_type"),
        ({"moon": 1}, "history.moon", "unknown_feature"),
        ({HISTORY[0]: None}, f"history.{HISTORY[0]}", "float_type"),
        ({HISTORY[0]: 1e300}, f"history.{HISTORY[0]}", "number_range"),
    ],
)
def test_a_wrong_feature_is_named(history, field, kind):
    ((found, kind_found, *_),) = activity.check(GOOD | {"history": history})[1]

    assert (found, kind_found) == (field, kind)


def test_all_errors_of_an_activity_are_named_at_once():
    _, errors = activity.check({"start": "soon", "phase": 1, "budget": -1, "history": {"x": 1, HISTORY[0]: "a"}})

    assert [error.field for error in errors] == [
        *("activity_id", "phase", "start", "budget", "history.x", f"history.{HISTORY[0]}"),
    ]


def test_a_number_of_thousands_of_digits_is_too_large():
    (error,) = activity.check(GOOD | {"budget": -(10**5000)})[1]

    assert (error.type, error.message) == ("number_range", "the number is too large")


@pytest.mark.parametrize("sent", [None, 1, "A", [GOOD]])
def test_what_is_no_object_is_no_activity(sent):
    assert [error.type for error in activity.check(sent)[1]] == ["object_type"]


def test_an_error_shows_little_of_what_was_sent():
    _, errors = activity.check({"activity_id": {"x": "y" * 9999}, "start": "z" * 9999, "history": {"h" * 9999: 1}})

    assert all(len(part) < 150 for error in errors for part in error[:3])


def test_texts_are_trimmed_and_composed():
    taken, _ = activity.check(GOOD | {"phase": " \tCafe\u0301\u00a0\r\n", "location": "  ", "project_id": "a b"})

    assert (taken["phase"], taken.get("location"), taken["project_id"]) == ("Café", None, "a b")


@given(st.dates(), st.integers(1, 4_000_000))
def test_finish_and_duration_give_each_other(begin, days):
    derived = activity.baseline(begin, float(days), None).finish

    if derived is None:
        assert begin.toordinal() + days - 1 > date.max.toordinal()
    else:
        assert activity.baseline(begin, None, derived).days == days


@pytest.mark.parametrize("days", [1.0, 0.2, 211.0, 210.5])
@pytest.mark.parametrize("begin", [{}, {"baseline_start": "2025-02-03"}])
def test_an_activity_has_the_same_features_by_its_days_and_by_its_finish(days, begin):
    sent = {"activity_id": "A", "start": "2025-03-03", **begin}
    by_days, _ = activity.check(sent | {"baseline_duration_days": days})
    first = by_days.get("baseline_start", by_days["start"])
    by_finish, _ = activity.check(sent | {"baseline_finish": activity.baseline(first, days, None).finish})

    found, expected = feature_row(by_days), feature_row(by_finish)

    assert found["finish_season_sin"] is not None
    assert {**found, "baseline_duration_days": None} == {**expected, "baseline_duration_days": None}
    assert expected["baseline_duration_days"] - found["baseline_duration_days"] < 1


def test_the_fields_are_canonical_columns():
    assert {field.name for field in activity.FIELDS} == {*FEATURE_COLUMNS, "status", "data_date", "actual_finish"}
    kinds = {column.name: column.kind for column in COLUMNS}
    assert {field.name: {"day": "date"}.get(field.kind, field.kind) for field in activity.FIELDS} == {
        name: kinds[name] for name in (*FEATURE_COLUMNS, "status", "data_date", "actual_finish")
    }


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1.5", 1.5), ("+1e3", 1e3), (" 7 ", 7.0), ("2_11", "2_11"), ("２１１", "２１１"), ("0x1", "0x1"), ("NA", None)],
)
def test_a_cell_is_a_number_or_stays_a_text(cell, value):
    assert activity.from_cells({"budget": cell}).get("budget") == value


def test_words_for_missing_are_missing_but_may_be_an_identifier():
    found = activity.from_cells({"activity_id": "NA", "phase": "NA", "start": "NaT", "x": "1", HISTORY[0]: "2"})

    assert found == {"activity_id": "NA", "history": {HISTORY[0]: 2.0}}


@pytest.mark.parametrize("finish", [None, date(2024, 1, 1)])
def test_a_finish_before_its_start_is_no_baseline(finish):
    with pytest.raises(ValueError, match="baseline finish that follows"):
        activity.baseline(date(2024, 1, 2), None, finish)


def test_a_duration_ends_with_the_calendar():
    assert activity.last_day(date(9999, 12, 30), 2) == date(9999, 12, 31)
    assert activity.last_day(date(9999, 12, 30), 2.5) is None
    assert activity.last_day(date(9999, 12, 30), 0.5) == date(9999, 12, 30)


@pytest.mark.parametrize(
    ("sent", "fields"),
    [
        ({"status": "complete"}, ["actual_finish"]),
        ({"status": "complete", "actual_finish": "soon"}, ["actual_finish"]),
        ({"status": "complete", "actual_finish": "2024-02-01"}, []),
        ({"status": "in_progress"}, []),
        ({"status": "Complete", "actual_finish": None}, ["actual_finish"]),
    ],
)
def test_a_complete_activity_needs_its_finish(sent, fields):
    assert [error.field for error in activity.check(GOOD | sent)[1]] == fields


def test_a_history_comes_along():
    assert activity.check(GOOD | {"history": {HISTORY[0]: 2}})[0]["history"] == {HISTORY[0]: 2.0}
    assert "history" not in activity.check(GOOD | {"history": {"x": 2, HISTORY[0]: "x"}})[0].get("history", {})
    assert "history" not in activity.check(GOOD | {"history": []})[0]


@pytest.mark.parametrize(
    ("field", "sent", "shown"),
    [
        ("start", {}, "an object is no day"),
        ("start", [], "a list is no day"),
        ("start", True, "True is no day"),
        ("start", "x" * 38, f"{'x' * 38!r} is no day"),
        ("start", "x" * 39, f"'{'x' * 39}… is no day"),
        ("budget", 10**15, "the number is too large"),
        ("budget", 1e15, "1000000000000000.0 is too large"),
        ("budget", -1, "-1 is too small"),
        ("phase", 10**14, "100000000000000 is no text"),
    ],
)
def test_an_error_shows_what_was_sent(field, sent, shown):
    assert [error.message for error in activity.check(GOOD | {field: sent})[1]] == [shown]


@pytest.mark.parametrize(
    ("field", "remedy"),
    [
        ("budget", "write a number from 0 on"),
        ("baseline_duration_days", "write a number above 0"),
    ],
)
def test_a_remedy_names_the_bound(field, remedy):
    assert [error.remedy for error in activity.check(GOOD | {field: -1})[1]] == [remedy]


def test_the_order_of_dates_is_that_of_the_baseline():
    late = GOOD | {"start": "2024-04-01"}

    assert [error.type for error in activity.check(late)[1]] == ["date_order"]
    assert activity.check(late | {"baseline_start": "2024-03-01"})[1] == []
    assert activity.check(late | {"baseline_duration_days": 3})[1] == []


def test_an_unknown_feature_of_a_history_is_shown_short_and_on_one_line():
    _, errors = activity.check(GOOD | {"history": {"a\n" + "x" * 99: 1}})

    assert [error.field for error in errors] == ["history.a\\n" + "x" * 37]


def test_cells_keep_what_belongs_to_an_activity():
    found = activity.from_cells({"activity_id": " A ", "moon": "1", "budget": "", "start": "2024", "status": "NULL"})

    assert found == {"activity_id": "A", "start": "2024"}
