"""Rows that are checked column by column, beside the same rows looked at one by one."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipcast.features import activity
from slipcast.schema import LARGEST_NUMBER
from slipcast_host import bulk
from slipcast_host.protocols import rows

VALID = {"start": "2022-03-01", "baseline_duration_days": 20}
ODD = [None, "", "NaT", " ", True, False, 0, 1, -1, 1.0, 7, float("nan"), float("inf"), LARGEST_NUMBER, 10**400]
ODD += [
    "Design",
    " A ",
    "Cafe\u0301",
    "\ud800",
    "x" * 501,
    "2022-03-01",
    "2022-03-01T00:00:00",
    "2022-02-30",
    "Complete",
]
ODD += [date(2022, 3, 1), [], [1], {}, {"project_slip_days": 3}, {"project_slip_days": None}, {"colour": 1}, "12"]
NAMES = [*activity.BY_NAME, *activity.GIVEN[:2], "history", "colour"]
ROWS = st.lists(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(ODD), max_size=3).map(lambda row: VALID | row),
    min_size=1,
    max_size=3,
)


def one_by_one(sent):
    """Return ids, fields and history of rows as the contract reads them; None if it refuses one."""
    taken = [rows.activity_of(number, row) for number, row in enumerate(sent)]
    checked = [activity.check(row) for row in taken]
    if any(errors for _, errors in checked):
        return None
    fields = [{**found} for found, _ in checked]
    history = [found.pop("history", None) or {} for found in fields]
    return [row["activity_id"] for row in taken], fields, history


def in_columns(valid):
    fields = [
        {name: value for name, value in zip(valid.columns, values, strict=True) if value is not None}
        for values in zip(*valid.columns.values(), strict=True)
    ]
    return valid.ids, fields, [item or {} for item in valid.history]


@given(ROWS)
def test_what_is_taken_in_columns_is_what_the_contract_takes(sent):
    expected, found = one_by_one(sent), bulk.of_rows(sent)

    # Nothing that the contract refuses; what it takes may be left to it.
    if found is not None:
        assert in_columns(found) == expected


@pytest.mark.parametrize(
    "row",
    [
        VALID | {"activity_id": 5, "history": {"project_slip_days": 3}},
        VALID | {"project_slip_days": float("nan"), "budget": "" or None, "start": "2022-03-01 00:00:00"},
        {"start": "2022-03-01", "baseline_finish": "2022-03-05", "status": "In Progress", "colour": [1]},
    ],
)
def test_plain_rows_need_no_look_at_each(row):
    assert in_columns(bulk.of_rows([row, VALID])) == one_by_one([row, VALID])


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("name", ["activity_id", "phase", "start", "budget", "project_slip_days", "history"])
def test_a_value_of_any_kind_is_taken_as_the_contract_takes_it(name, value):
    found = bulk.of_rows([VALID | {name: value}])

    assert found is None or in_columns(found) == one_by_one([VALID | {name: value}])


def test_columns_are_read_as_their_rows_are():
    sent = [VALID, VALID | {"start": "2022-05-01"}]

    assert bulk.of_columns({name: [row[name] for row in sent] for name in VALID}, 2) == bulk.of_rows(sent)
