"""Numbers that a later step cannot hold are refused at every door, by the same bound."""

# pytorch/serve#1304, openvinotoolkit/model_server#4337: a number that is no JSON reaches clients
# evidentlyai/evidently#1480: one value stops a report

import csv
import io
import json

import pytest

from slipcast.edge import table
from slipcast.features.activity import NUMBERS
from slipcast.features.point_in_time import HISTORY
from slipcast.schema import LARGEST_NUMBER
from support.predict_api import ACTIVITY, call, environment

HOSTILE = [1e15, -1e15, 1e308, -1.7976931348623157e308, 1e39, float("nan"), float("inf"), 10**16]


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


@pytest.mark.parametrize("number", HOSTILE)
@pytest.mark.parametrize("name", NUMBERS)
def test_no_door_takes_it(app, name, number):
    raw = json.dumps(ACTIVITY | {name: number})
    tensors = [("start", "BYTES", "2022-03-01"), ("baseline_finish", "BYTES", "2022-09-30"), (name, "FP64", number)]
    body = {"inputs": [{"name": n, "datatype": d, "shape": [1], "data": [value]} for n, d, value in tensors]}
    missing = number != number

    assert call(app, "POST", "/predictions", raw=raw).status == 422
    lines = call(app, "POST", "/predictions", raw=f"{raw}\n", headers={"Content-Type": "application/x-ndjson"})
    assert lines.status == 422
    # In a data frame and in a tensor NaN is a missing value.
    for target, sent in (
        ("/invocations", {"inputs": [ACTIVITY | {name: number}]}),
        ("/v2/models/slipcast/infer", body),
    ):
        assert call(app, "POST", target, sent).status == (200 if missing else 400)


@pytest.mark.parametrize("number", HOSTILE)
@pytest.mark.parametrize("name", [*NUMBERS, *HISTORY])
def test_no_table_of_an_edge_device_holds_it(name, number):
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, table.COLUMNS)
    writer.writeheader()
    row = {"activity_id": "A", "start": "2022-03-01", "baseline_finish": "2022-09-30", name: repr(number)}
    writer.writerow(row)

    (found,) = table.read(io.StringIO(buffer.getvalue(), newline=""))

    # NaN is a word for a missing number.
    assert [problem.column for problem in found.problems] == ([] if number != number else [name])


@pytest.mark.parametrize("number", HOSTILE)
def test_no_feature_of_a_client_holds_it(app, number):
    body = ACTIVITY | {"history": {HISTORY[0]: number}}

    answer = call(app, "POST", "/predictions", raw=json.dumps(body))

    assert [error["field"] for error in answer.json()["errors"]] == [f"activities.0.history.{HISTORY[0]}"]


def test_the_largest_number_is_taken(app, capsys):
    largest = LARGEST_NUMBER * (1 - 2**-53)
    body = ACTIVITY | dict.fromkeys(NUMBERS, largest)

    assert call(app, "POST", "/predictions", body).status == 200
    logged = next(line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"'))
    assert json.loads(logged)["items"][0]["features"]["total_float_days"] == largest
