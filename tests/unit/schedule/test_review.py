"""The review of an update: whether it can be forecast, and what changed since the last one."""

from datetime import date, datetime

import pytest

from slipcast.schedule.network import Key
from slipcast.schedule.quality import DEFINITIONS, metrics
from slipcast.schedule.review import COMPUTED, review

TODAY = datetime(2025, 4, 20)
WEEK = "[[[480,960]],[[480,960]],[[480,960]],[[480,960]],[[480,960]],[],[]]"
CALENDAR = {"project_id": "P", "calendar_id": "c", "week": WEEK, "exceptions": "{}"}


def activity(name: str, days: float, **values) -> dict:
    row = {"project_id": "P", "activity_id": name, "activity_name": f"Work {name}", "activity_type": "task"}
    row |= {"status": "not_started", "calendar_id": "c", "data_date": date(2025, 3, 31)}
    row |= {"planned_minutes": days * 480, "remaining_minutes": days * 480, "planned_finish": datetime(2025, 4, 30, 16)}
    return row | values


def link(before: str, after: str) -> dict:
    return {"project_id": "P", "predecessor_id": before, "successor_id": after, "relation_type": "FS", "lag_minutes": 0}


def update(*activities: dict, links=(("A", "B"),), calendars=(CALENDAR,), data_time=datetime(2025, 3, 31, 16)) -> dict:
    return {
        "projects": [{"project_id": "P", "data_time": data_time}],
        "activities": list(activities),
        "relations": [link(*ends) for ends in links],
        "calendars": list(calendars),
    }


NONE: dict = {"projects": [], "activities": [], "relations": [], "calendars": []}


def points(found) -> dict:
    return {point["name"]: point for point in found["points"]}


def test_a_first_update_has_all_points_with_formula_source_and_the_activities_that_fail():
    found, changed = review(update(activity("A", 5), activity("B", 60), activity("C", 1)), NONE, {}, TODAY)

    assert changed is None
    assert list(points(found)) == list(DEFINITIONS)
    assert all(point["formula"] and point["source"] for point in found["points"])
    loose = points(found)["missing logic"]
    assert (loose["point"], loose["value"], loose["passed"], loose["count"]) == (1, 1.0, False, 3)
    assert loose["activities"][0] == {"project_id": "P", "activity_id": "A", "activity_name": "Work A"}
    assert [item["activity_id"] for item in points(found)["high duration"]["activities"]] == ["B"]
    assert points(found)["resources"]["passed"] is None
    measured = metrics(found)
    assert measured["SchedulePointsFailed"] == found["failed"] == sum(p["passed"] is False for p in found["points"])
    assert measured["ConnectedToFinish"] == pytest.approx(2 / 3, abs=1e-5)
    assert measured["DataDateAge"] == pytest.approx(19.33, abs=0.01)


def test_ten_activities_of_a_point_are_named_and_all_are_counted():
    found, _ = review(update(*(activity(f"X{number}", 1) for number in range(25)), links=()), NONE, {}, TODAY)

    assert (points(found)["missing logic"]["count"], len(points(found)["missing logic"]["activities"])) == (25, 10)


@pytest.mark.parametrize(
    ("day", "missed"),
    [(date(2025, 3, 14), ["A"]), (date(2025, 3, 20), []), (date(2025, 3, 31), []), (date(2025, 5, 2), [])],
)
def test_the_baseline_counts_and_not_the_plan_that_has_moved(day, missed):
    done = activity(
        "A", 5, status="complete", actual_finish=datetime(2025, 3, 20, 16), actual_start=datetime(2025, 3, 3, 8)
    )

    found, _ = review(update(done, activity("B", 5)), NONE, {Key("P", "A"): day}, TODAY)

    assert [item["activity_id"] for item in points(found)["missed tasks"]["activities"]] == missed


def test_what_rests_on_calendars_is_not_known_without_them():
    table = update(activity("A", 5), activity("B", 60), calendars=(), data_time=None)
    found, changed = review(table, table, {}, TODAY)

    assert {name for name, point in points(found).items() if point["value"] is None} == {
        *COMPUTED, "resources", "hard constraints", "out of sequence", "missed tasks", "baseline execution index",
    }  # fmt: skip
    # The day that the file describes is over: that is its data date.
    assert points(found)["age of the data date"]["value"] == 19
    assert changed is not None
    assert (changed["slips"], changed["finish_days"], changed["consumed"]) == ([], {}, [])


def test_a_circle_is_named_and_nothing_else_is_known():
    found, changed = review(update(activity("A", 5), activity("B", 5), links=(("A", "B"), ("B", "A"))), NONE, {}, TODAY)

    assert "2 activities wait for each other" in found["why"]
    assert (found["points"], changed, metrics(found)) == ([], None, {})


def test_the_next_update_says_what_slipped_why_and_what_was_edited():
    before = update(activity("A", 5), activity("B", 10), activity("C", 2), links=(("A", "B"), ("A", "C")))
    shorter = activity("C", 1, constraint_type="start_on_or_after", constraint_date=datetime(2025, 4, 9, 8))
    after = update(activity("A", 15), activity("B", 10), shorter, links=(("A", "B"),))

    _, changed = review(after, before, {}, TODAY)

    assert changed is not None
    assert changed["finish_days"] == {"P": 14}
    slip = next(row for row in changed["slips"] if row["activity_id"] == "B")
    assert (slip["days"], slip["driver"]["activity_name"]) == (14, "Work A")
    assert [row["predecessor"]["activity_id"] for row in changed["removed_relations"]] == ["A"]
    assert [(row["activity_id"], row["field"], row["before"], row["after"]) for row in changed["changes"]] == [
        ("A", "duration", "40 h", "120 h"),
        ("C", "duration", "16 h", "8 h"),
        ("C", "constraints", "none", "start on or after 2025-04-09 08:00"),
    ]
