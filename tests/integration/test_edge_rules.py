"""The edge scorer takes and refuses the same activities as the API."""

import csv
import io
import json
from importlib import import_module

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from slipcast.edge import table
from slipcast.features import activity
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import feature_row
from support.budgets import examples

DAYS = st.sampled_from(["2022-03-01", "2022-09-30", "2022-03-02", "2022-02-30", "01/03/2022", "20220301", "2022-3-1"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=4) | st.just("x" * 501)
NUMBERS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, -1.0])
KINDS = dict.fromkeys(activity.TEXTS, TEXTS) | dict.fromkeys(activity.DAYS, DAYS)
KINDS |= dict.fromkeys((*activity.NUMBERS, *HISTORY), NUMBERS)
ACTIVITIES = st.fixed_dictionaries(
    {"activity_id": TEXTS, "start": DAYS},
    optional={name: kind for name, kind in KINDS.items() if name not in ("activity_id", "start")},
)


@pytest.fixture
def requests(load_app):
    """The reader of the API's requests."""
    load_app("predict.app", MODEL_SHA256="")
    return import_module("predict.api.requests")


@settings(
    max_examples=examples(120, 600),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sent=ACTIVITIES)
def test_a_row_is_refused_for_the_columns_that_the_api_names(requests, sent):
    body = {name: value for name, value in sent.items() if name not in HISTORY}
    if known := {name: sent[name] for name in HISTORY if name in sent}:
        body["history"] = known
    try:
        (taken,), wrong = requests.read(json.dumps(body)).records(), set()
    except requests.InvalidRequest as error:
        taken, wrong = None, {item.error.field.rpartition(".")[2] for item in error.refused}

    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, table.COLUMNS)
    writer.writeheader()
    writer.writerow({name: repr(value) if isinstance(value, float) else value for name, value in sent.items()})
    (row,) = table.read(io.StringIO(buffer.getvalue(), newline=""))

    # A table has words for a missing number that JSON has not.
    unreadable = {name for name, value in sent.items() if value != value}
    assert {problem.column for problem in row.problems} - unreadable == wrong - unreadable
    if taken is not None:
        assert feature_row(row.activity) == feature_row(taken)


def test_the_columns_are_those_of_the_api(requests):
    assert {*table.COLUMNS} - {*HISTORY} == {*requests.NAMES}
