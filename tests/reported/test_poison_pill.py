"""Poison pill: an input that one step accepts stops a later one, for as long as it is stored."""

# pytorch/serve#1304: NaN in an answer is no JSON, and its reader stops
# openvinotoolkit/model_server#4337: the same in another server
# evidentlyai/evidently#1480: one bad column stops the whole report of drift

import csv
import gzip
import io
import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from integration.test_predict_stream import Stream
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.monitoring.logged_prediction import flaw
from slipcast.monitoring.window import Sketch
from slipcast.reports.monitoring import render
from slipcast_aws import storage
from slipcast_aws.serving import prediction_log, queues
from support.monitoring_site import NOW, features, folder, log, logged, predictions, reference, reports
from support.predict_api import ACTIVITY, call, environment

LARGEST = 1.7976931348623157e308
COUNTED = {
    "the largest number": {NUMERIC[0]: LARGEST},
    "the smallest number": {NUMERIC[1]: -LARGEST},
    "an integer of 300 digits": {NUMERIC[2]: 10**300},
    "a category of 10,000 letters": {CATEGORICAL[0]: "x" * 10_000},
    "a category with a line break": {CATEGORICAL[1]: "a\u2028b\x85\n"},
    "a category that is markup": {CATEGORICAL[2]: "<script>alert(1)</script>"},
    "an unknown number": {NUMERIC[3]: None},
    "an unknown category": {CATEGORICAL[0]: None},
}
QUARANTINED = {
    "NaN": {NUMERIC[0]: math.nan},
    "infinity": {NUMERIC[1]: math.inf},
    "an integer of 400 digits": {NUMERIC[2]: 10**400},
    "text for a number": {NUMERIC[3]: "12"},
    "a list for a number": {NUMERIC[0]: [1]},
    "truth for a number": {NUMERIC[1]: True},
    "a number for a category": {CATEGORICAL[0]: 7},
    "an object for a category": {CATEGORICAL[1]: {"name": "Design"}},
    "half of a surrogate pair": {CATEGORICAL[2]: "\ud800"},
}
# Fields beside the features.
FIELDS = {
    "score NaN": {"score": math.nan},
    "score above 1": {"score": 1.5},
    "score as text": {"score": "0.5"},
    "no score": {"score": None},
    "id that cannot be encoded": {"activity_id": "\udfff"},
    "id that is a list": {"prediction_id": ["r", 1]},
    "project that is an object": {"project_id": {"a": 1}},
    "a moment without zone": {"at": "2026-01-05T08:00:00"},
    "a moment before the calendar": {"at": "0001-01-01T00:00:00"},
    "a data date that is none": {"data_date": "last week"},
    "a day that the calendar lacks": {"data_date": "2025-02-30"},
    "redacted as a number": {"redacted": 3},
    "features as a list": {"features": [1]},
}


def hostile(changes: dict[str, dict], **fields) -> list[dict]:
    rows = predictions(len(changes), seed=9, name="hostile")
    return [
        {**row, "activity_id": f"H{number}", "features": {**row["features"], **change}, **fields}
        for number, (row, change) in enumerate(zip(rows, changes.values(), strict=True))
    ]


def conclusions(record: dict) -> dict:
    names = ("conclusion", "version")
    return {name: record[name] for name in names} | {
        name: record["drift"][name] for name in ("state", "confirmed", "drifted", "confirmed_features")
    }


def test_hostile_lines_of_the_log_leave_record_page_and_compaction_as_they_were(monitor, profiled):
    at = NOW - timedelta(hours=3)
    log(profiled, predictions(1500, at=at), at=at)
    honest, _ = monitor()
    bad = [{**row, **change} for row, change in zip(hostile(FIELDS | {}), FIELDS.values(), strict=True)]
    lines = [{"at": at.isoformat(), **row} for row in hostile(COUNTED, at=at.isoformat())]
    lines += [{**row, "prediction_id": f"q{number}"} for number, row in enumerate(hostile(QUARANTINED))]
    log(profiled, lines, name="hostile", at=at)
    log(profiled, bad, name="fields", at=at)
    deep = b"[" * 100_000
    profiled.put_object(Bucket="data", Key=f"{folder(at)}/deep.jsonl.gz", Body=gzip.compress(deep))
    # Two objects where no function puts any, with predictions that are in the log already.
    for name in ("copy-1", "copy-2"):
        key = f"{folder(at).rpartition('/')[0]}/{name}.jsonl.gz"
        profiled.put_object(Bucket="data", Key=key, Body=prediction_log.pack(predictions(2, at=at)))

    record, metrics = monitor()

    assert conclusions(record) == conclusions(honest)
    assert record["n"] == honest["n"] + len(COUNTED)
    assert record["unreadable"] == metrics["LogLinesUnreadable"] == len(QUARANTINED) + len(FIELDS) + 1
    assert any("could not be read" in reason for reason in record["reasons"])
    assert record in reports(profiled)
    assert "alert(1)</script>" not in render(record)
    assert render(record).encode()
    # Merged, the bad ones quarantined.
    assert len([key for key in logged(profiled) if key.startswith(folder(at))]) == 1
    again, quiet = monitor()
    assert again["n"] == record["n"]
    assert "LogLinesUnreadable" not in quiet


NUMBERS = ("baseline_duration_days", "budget", "total_float_days", "predecessor_count")
DOORS = {
    "activity": lambda activity: ("/predictions", {**activity}),
    "activities": lambda activity: ("/predictions", {"activities": [ACTIVITY, activity]}),
    "MLflow": lambda activity: ("/invocations", {"dataframe_records": [activity]}),
    "open inference": lambda activity: (
        "/v2/models/slipcast/infer",
        {
            "inputs": [
                {
                    "name": name,
                    "shape": [1],
                    "datatype": "BYTES" if isinstance(value, str) else "FP64",
                    "data": [value],
                }
                for name, value in activity.items()
                if not isinstance(value, dict)
            ]
        },
    ),
}


def test_what_the_api_accepts_the_monitor_bears(load_app, tmp_path, monitor, profiled, capsys):
    app = load_app("predict.app", **environment(tmp_path))
    log(profiled, predictions(300))
    honest, _ = monitor()
    asked = []
    for number, value in enumerate((LARGEST, -LARGEST, 1e39, 1e15, 10**300, 5e-324)):
        asked += [ACTIVITY | {name: value, "activity_id": f"{name}-{number}"} for name in NUMBERS]
        asked.append(ACTIVITY | {"history": {"project_slip_days": value}, "activity_id": f"history-{number}"})
    capsys.readouterr()

    statuses = {call(app, "POST", *door(activity)).status for door in DOORS.values() for activity in asked}
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')]

    assert statuses <= {200, 400, 422}
    rows = [
        {name: found for name, found in line.items() if name != "items"} | item | {"at": NOW.isoformat()}
        for line in map(json.loads, lines)
        for item in line.get("items", ())
    ]
    log(profiled, rows, name="doors")
    record, _ = monitor()
    assert record["predictions"] == honest["n"] + len(rows)
    assert record["unreadable"] == 0
    # A fifth of the window is of other phases now: that is a finding, and not an error.
    assert record["conclusion"] == honest["conclusion"]
    assert record in reports(profiled)
    assert render(record)


# As text, as a queue's message or a cell of a file may have it; the last ones are accepted.
WRITTEN = ("1e308", "-1e308", "1e15", "9" * 400, "NaN", "Infinity", "5e-324", "-999999999999999", "999999999999999.8")
CATEGORIES = ("x" * 5_000, "=cmd|' /C calc'!A0", "a\u2028b", "<script>alert(1)</script>", "\U0001f3d7\ufe0f", "NULL")


@pytest.fixture
def queue(load_app, tmp_path, lambda_context, mocked_aws):
    """The queue of updates in front of the predict function."""
    for cached in (queues.client, queues.of_stack):
        cached.cache_clear()
    found = Stream(lambda_context)
    found.app = load_app("predict.app", **environment(tmp_path))
    yield found
    for cached in (queues.client, queues.of_stack):
        cached.cache_clear()


def test_what_a_queue_brings_the_monitor_bears(queue, monitor, profiled, capsys):
    log(profiled, predictions(300))
    honest, _ = monitor()
    whole = json.dumps(ACTIVITY)
    bodies = [f'{whole[:-1]}, "{name}": {value}}}' for name in NUMBERS[1:] for value in WRITTEN]
    bodies += [json.dumps(ACTIVITY | {"phase": value}) for value in CATEGORIES]
    capsys.readouterr()

    for number, body in enumerate(bodies):
        queue.send(body, group=f"P-{number}")
    answered = set()
    while (event := queue.batch())["Records"]:
        answered |= {record["messageId"] for record in event["Records"]} - queue.deliver(event)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"')]
    rows = [
        {name: found for name, found in line.items() if name != "items"} | item | {"at": NOW.isoformat()}
        for line in map(json.loads, lines)
        for item in line.get("items", ())
    ]

    assert len(answered) == len(bodies)
    # Of each number the three in bounds, of two columns the positive ones alone; every category but the long one.
    assert len(rows) == 3 + 2 + 2 + len(CATEGORIES) - 1
    log(profiled, rows, name="queue")
    record, _ = monitor()
    assert record["predictions"] == honest["n"] + len(rows)
    assert (record["unreadable"], record["conclusion"]) == (0, honest["conclusion"])
    assert render(record)


def test_what_a_dropped_file_brings_the_monitor_bears(preparing, scoring, monitor, profiled):
    """The same numbers in the cells of a file: intake, list of open activities, batch scoring, log, monitor."""
    # Scoring writes its log by the clock of the machine.
    now = datetime.now(UTC)
    log(profiled, predictions(300, at=now - timedelta(hours=1)))
    honest, _ = monitor(at=now)
    cells = [{name: value} for name in NUMBERS[1:] for value in WRITTEN] + [{"phase": value} for value in CATEGORIES]
    rows = [{"phase": "Design"} for _ in range(300)] + cells
    out = io.StringIO()
    writer = csv.DictWriter(
        out, ["activity_id", "data_date", "start", "baseline_finish", "phase", *NUMBERS[1:]], restval=""
    )
    writer.writeheader()
    plan = {"data_date": "2024-12-31", "start": "2025-03-03", "baseline_finish": "2025-09-30"}
    writer.writerows(plan | row | {"activity_id": f"A{number}"} for number, row in enumerate(rows))

    answer = preparing.take_in(preparing.drop(out.getvalue().encode(), "incoming/hall_2024-12-31.csv"))

    # Of the numbers the three in bounds, none of them negative where the column forbids it.
    counts = answer["upload"]["counts"]
    assert counts["rejected"] + counts["accepted"] == len(rows)
    assert 5 * (len(NUMBERS) - 1) < counts["rejected"] < 7 * (len(NUMBERS) - 1)
    (summary,) = scoring(answer["upload"])
    record, _ = monitor(at=datetime.now(UTC))

    assert summary["rows"] == counts["accepted"]
    assert record["predictions"] == honest["n"] + summary["rows"]
    assert record["unreadable"] == 0
    assert record in reports(profiled)
    assert "<script>alert(1)" not in render(record)


def test_sums_of_a_window_stay_finite():
    sketch = Sketch(reference())
    sketch.add(features(4, 2).assign(**{NUMERIC[0]: [LARGEST, LARGEST, -LARGEST, np.inf]}), np.full(4, 0.5))

    numbers = sketch.features[NUMERIC[0]]

    assert all(map(math.isfinite, (numbers.total, numbers.low, numbers.high)))
    assert (numbers.above, numbers.below) == (3, 1)


def test_a_prediction_of_another_zone_is_counted_at_its_moment(monitor, profiled):
    at = NOW - timedelta(hours=1)
    rows = predictions(300, at=at)
    for row, hours in zip(rows, (-5, 5.5, -12, 14), strict=False):
        row["at"] = (at + timedelta(hours=hours)).replace(tzinfo=None).isoformat() + (
            f"{'-' if hours < 0 else '+'}{int(abs(hours)):02}:{'30' if hours % 1 else '00'}"
        )
    log(profiled, rows)

    assert monitor()[0]["n"] == 300


def test_damaged_records_and_pending_outcomes_stop_nothing(monitor, profiled):
    log(profiled, predictions(300))
    # The first day of the model: a run makes up for the oldest days that are missing.
    day = (NOW - timedelta(days=20)).date()
    for key, raw in {
        f"asked/dt={day}.npz": b"no archive",
        "asked/notes.txt": b"",
        f"monitoring/{NOW - timedelta(hours=49):%Y-%m-%dT%H-%M-%S}.json": b"{",
        # The page of a record from later on the same day than a window before this one begins.
        f"monitoring/{NOW - timedelta(hours=48):%Y-%m-%dT}23-59-59.html": b"<!doctype html>",
    }.items():
        profiled.put_object(Bucket="data", Key=key, Body=raw)

    record, _ = monitor()

    assert record["n"] == 300
    rows = storage.read_bytes(f"s3://data/asked/dt={day}.npz")
    assert rows.startswith(b"PK")


def test_the_record_is_there_before_the_metrics(monitor, profiled, monkeypatch):
    log(profiled, predictions(300))

    def fail(*_args, **_options):
        raise RuntimeError("metrics")

    monkeypatch.setattr("aws_lambda_powertools.Metrics.flush_metrics", fail)
    with pytest.raises(RuntimeError, match="metrics"):
        monitor()

    assert len(reports(profiled)) == 1


def test_only_whole_lines_are_predictions():
    (row,) = predictions(1)

    assert flaw(row) is None
    assert all(map(flaw, ([row], "x", None)))
    for field in prediction_log.NEEDED:
        assert flaw({name: value for name, value in row.items() if name != field})
