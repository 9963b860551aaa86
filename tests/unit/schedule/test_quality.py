"""The checks of the DCMA and the comparison of updates, on a network whose answers are counted by hand."""

from dataclasses import replace

import pytest

from slipcast.datasets.calendars import Calendar
from slipcast.schedule.comparison import aligned, compare
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Activity, Constraint, ConstraintKind, Key, Network, Project, Relation, Status
from slipcast.schedule.quality import assess

WEEK = Calendar((((480, 960),),) * 5 + ((), ()))
# Monday, 2024-01-01.
MONDAY = 28_401_120
DAY = 1440


def key(name: str, project: str = "P") -> Key:
    return Key(project, name)


def task(name: str, days: int, **values) -> Activity:
    return Activity(key(name), "week", days * 480, values.pop("remaining", days * 480), **values)


def network(activities: list[Activity], *relations: tuple, data_date: int = MONDAY) -> Network:
    found = [Relation(key(first), key(second), *rest, calendar="week") for first, second, *rest in relations]
    return Network({"P": Project(data_date)}, {item.key: item for item in activities}, found, {"week": WEEK})


@pytest.fixture
def plan() -> Network:
    return network(
        [
            task("done", 2, status=Status.COMPLETE, actual_start=MONDAY - 7 * DAY, actual_finish=MONDAY - 3 * DAY,
                 planned_finish=MONDAY - 5 * DAY),
            task("early", 5, status=Status.IN_PROGRESS, actual_start=MONDAY - 4 * DAY),
            task("long", 50, constraints=(Constraint(ConstraintKind.FINISH_ON_OR_BEFORE, MONDAY + 400 * DAY),)),
            task("last", 5, planned_finish=MONDAY + 90 * DAY),
            task("loose", 1, planned_finish=MONDAY - DAY),
        ],
        ("done", "early", "FS", 0),
        ("early", "long", "FS", -480),
        ("early", "last", "SS", 960),
        ("long", "last", "FS", 0),
    )  # fmt: skip


def test_the_fourteen_points_are_counted_as_the_dcma_counts(plan):
    checks = {check.name: check for check in assess(plan, schedule(plan), now=MONDAY + 50 * DAY)}

    assert len(checks) == 17
    # "last" has no successor, "loose" has nothing.
    assert (checks["missing logic"].value, set(checks["missing logic"].found)) == (0.5, {key("last"), key("loose")})
    assert (checks["leads"].value, checks["lags"].value, checks["finish-to-start"].value) == (0.25, 0.25, 0.75)
    assert checks["hard constraints"].found == checks["high duration"].found == (key("long"),)
    assert checks["negative float"].passed
    assert checks["invalid dates"].passed
    assert checks["resources"].passed is None
    # Of two that were due, one finished late and one is open.
    assert (checks["missed tasks"].value, checks["baseline execution index"].value) == (1.0, 0.5)
    assert checks["critical path test"].passed
    assert checks["critical path length index"].passed
    assert (checks["connected to the finish"].value, checks["connected to the finish"].found) == (0.75, (key("loose"),))
    # It started before its predecessor was done.
    assert checks["out of sequence"].found == (key("early"),)
    assert not checks["age of the data date"].passed


def test_a_finish_that_nothing_leads_to_fails_the_critical_path_test():
    fixed = task("end", 1, constraints=(Constraint(ConstraintKind.MANDATORY_START, MONDAY + 30 * DAY),))
    parts = network([task("a", 5), fixed], ("a", "end", "FS", 0))
    held = {check.name: check for check in assess(parts, schedule(parts))}

    assert held["critical path test"].passed
    assert "age of the data date" not in held
    lag = Relation(key("a"), key("end"), "FS", 25 * 480, "week")
    stuck = replace(parts, relations=[lag])
    found = {check.name: check for check in assess(stuck, schedule(stuck))}
    assert found["critical path test"].passed is not None


def test_an_actual_date_after_the_data_date_is_invalid(plan):
    ahead = replace(plan.activities[key("early")], actual_start=MONDAY + DAY)
    parts = replace(plan, activities={**plan.activities, ahead.key: ahead})

    checks = {check.name: check for check in assess(parts, schedule(parts))}

    assert checks["invalid dates"].found == (key("early"),)


def test_a_slip_is_attributed_to_the_activity_that_caused_it(plan):
    slow = replace(plan.activities[key("early")], remaining=15 * 480, duration=15 * 480)
    relations = [item for item in plan.relations if item.kind != "SS"]
    after = replace(plan, activities={**plan.activities, slow.key: slow}, relations=relations)

    found = compare(plan, after, schedule(plan), schedule(after))

    assert found.finish_days == {"P": 14.0}
    assert {slip.key: (slip.days, slip.driver) for slip in found.slips} == {
        key(name): (14.0, key("early")) for name in ("early", "long", "last")
    }
    assert [(item.kind, item.lag) for item in found.removed_relations] == [("SS", 960)]
    assert found.added == found.removed == found.added_relations == found.planned_changes == ()
    assert [(item.key, item.field, item.after) for item in found.changes] == [(key("early"), "duration", 7200)]


def test_the_copy_that_is_the_next_update_has_another_name_and_other_numbers_of_calendars(plan):
    shorter = Calendar((((480, 960),),) * 4 + ((), (), ()))
    renamed = aligned(plan, Network({"Q": Project(MONDAY)}, {}, []))
    other = {item.key: replace(item, calendar="1") for item in renamed.activities.values()}
    same = replace(
        renamed,
        activities=other,
        relations=[item._replace(calendar="1") for item in renamed.relations],
        calendars={"1": WEEK, "week": shorter},
    )

    found = compare(renamed, same, schedule(renamed), schedule(same))

    assert found.slips == found.changes == found.added_relations == found.removed_relations == ()
    changed = replace(same, calendars={"1": shorter})
    slower = compare(renamed, changed, schedule(renamed), schedule(changed))
    assert {item.field for item in slower.changes} == {"calendar"}
    assert slower.finish_days["Q"] > 0


def test_edited_constraints_plans_and_logic_are_told_apart_from_slips(plan):
    other = Constraint(ConstraintKind.FINISH_ON_OR_BEFORE, MONDAY + 300 * DAY)
    edited = {
        key("long"): replace(plan.activities[key("long")], constraints=(other,)),
        key("last"): replace(plan.activities[key("last")], planned_finish=MONDAY + 95 * DAY),
    }
    link = Relation(key("long"), key("loose"), "FF", 0, "week")
    relations = [*(item._replace(lag=0) if item.lag == 960 else item for item in plan.relations), link]
    after = replace(plan, activities={**plan.activities, **edited}, relations=relations)

    found = compare(plan, after, schedule(plan), schedule(after))

    assert [(item.key, item.field, item.after) for item in found.changes] == [(key("long"), "constraints", (other,))]
    assert [(item.key, item.field) for item in found.planned_changes] == [(key("last"), "planned_finish")]
    # A changed lag is a relation less and one more.
    assert [(item.kind, item.lag) for item in found.added_relations] == [("SS", 0), ("FF", 0)]
    assert [(item.kind, item.lag) for item in found.removed_relations] == [("SS", 960)]
    assert [slip.key for slip in found.slips] == [key("loose")]
