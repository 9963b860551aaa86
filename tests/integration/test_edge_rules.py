"""The edge scorer takes and refuses the same activities as the API."""

import csv
import io
import math
import sys
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from slipcast.edge import table
from slipcast.features.point_in_time import HISTORY
from support.budgets import examples

DAYS = st.sampled_from(["2022-03-01", "2022-09-30", "2022-03-02", "2022-02-30", "01/03/2022", "20220301", "2022-3-1"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=4) | st.just("x" * 501)
NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0])
KINDS = dict.fromkeys(table.TEXTS, TEXTS) | dict.fromkeys(table.DAYS, DAYS) | dict.fromkeys(table.NUMBERS, NUMBERS)
ACTIVITIES = st.fixed_dictionaries(
    {"activity_id": TEXTS, "start": DAYS},
    optional={name: kind for name, kind in KINDS.items() if name not in ("activity_id", "start")},
)


@pytest.fixture
def contract(load_app):
    """The model of an activity that the API validates with."""
    load_app("predict.app", MODEL_SHA256="")
    return sys.modules["predict.api.schemas"].Activity


@settings(
    max_examples=examples(120, 600),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(activity=ACTIVITIES)
def test_a_row_is_refused_for_the_columns_that_the_api_names(contract, activity):
    sent = {name: value for name, value in activity.items() if name not in HISTORY}
    if known := {name: activity[name] for name in HISTORY if name in activity}:
        sent["history"] = known
    try:
        taken, wrong = contract.model_validate(sent).model_dump(exclude_none=True), set()
    except ValidationError as error:
        taken, wrong = None, {str(item["loc"][-1]) for item in error.errors()}

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, table.COLUMNS)
    writer.writeheader()
    writer.writerow({name: repr(value) if isinstance(value, float) else value for name, value in activity.items()})
    (row,) = table.read(io.StringIO(buffer.getvalue(), newline=""))

    assert {problem.column for problem in row.problems} == wrong
    if taken is not None:
        plain = {name: value.isoformat() if isinstance(value, date) else value for name, value in taken.items()}
        assert row.activity == plain


def test_the_columns_are_those_of_the_api(contract):
    assert {*table.COLUMNS} - {*HISTORY} == set(contract.model_fields) - {"history"}
    assert math.isinf(table.NUMBERS["total_float_days"][0])
