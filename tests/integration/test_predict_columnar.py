"""Arrow and Parquet, as pandas, polars and pyarrow write and read them, are answered as JSON is."""

import base64
import importlib
import io
import json
from datetime import date

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.predict_api import call, environment

ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
ROWS = 60


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Activities as a planner's data frame has them: days as times, categories, missing numbers."""
    starts = pd.date_range("2022-01-03", periods=ROWS, freq="7D")
    return pd.DataFrame(
        {
            "activity_id": [f"A{number:04}" for number in range(ROWS)],
            "phase": pd.Categorical(["Design", "Entwurf – Überarbeitung", "Construction"] * (ROWS // 3)),
            "location": ["district 01", None, "东京站 north of the very long station"] * (ROWS // 3),
            "start": starts,
            "baseline_finish": [day.date() for day in starts + pd.Timedelta(days=90)],
            "budget": [1000.5, None, 3.0] * (ROWS // 3),
            "predecessor_count": pd.array([1, None, 3] * (ROWS // 3), dtype="Int64"),
            "project_slip_days": [2.0, 0.5, None] * (ROWS // 3),
            "not a column of ours": range(ROWS),
        }
    )


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


def stream(arrow: pa.Table, **options) -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, arrow.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(arrow, max_chunksize=17)
    return buffer.getvalue()


def file(arrow: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_file(buffer, arrow.schema) as writer:
        writer.write_table(arrow)
    return buffer.getvalue()


def of(write, *arguments, **options) -> bytes:
    buffer = io.BytesIO()
    write(*arguments, buffer, **options)
    return buffer.getvalue()


WRITERS = {
    "pyarrow": (ARROW, lambda table: stream(pa.Table.from_pandas(table))),
    "pyarrow, compressed": (ARROW, lambda table: stream(pa.Table.from_pandas(table), compression="zstd")),
    "pyarrow, file": (ARROW, lambda table: file(pa.Table.from_pandas(table))),
    "polars": (ARROW, lambda table: of(pl.from_pandas(table).write_ipc_stream)),
    "polars, parquet": (PARQUET, lambda table: of(pl.from_pandas(table).write_parquet)),
    "pandas, parquet": (PARQUET, lambda table: of(table.to_parquet)),
    "pandas, gzip": (PARQUET, lambda table: of(table.to_parquet, compression="gzip")),
}


def send(app, raw: bytes, kind: str, accept: str = "application/json", **headers: str):
    """Return the answer as API Gateway hands it on: it knows both types as binary."""
    sent = {"Content-Type": kind, "Accept": accept, **headers}
    return call(app, "POST", "/predictions", headers=sent, raw=raw)


def as_json(app, table: pd.DataFrame) -> list[dict]:
    rows = json.loads(table.drop(columns="not a column of ours").to_json(orient="records", date_format="iso"))
    for row, start, finish in zip(rows, table["start"], table["baseline_finish"], strict=True):
        row["start"], row["baseline_finish"] = start.date().isoformat(), finish.isoformat()
        slip = row.pop("project_slip_days")
        row |= {} if slip is None else {"history": {"project_slip_days": slip}}
    answer = call(app, "POST", "/predictions", {"activities": rows})
    assert answer.status == 200
    return answer.json()["predictions"]


def comparable(predictions: list[dict]) -> list[dict]:
    return [{name: value for name, value in item.items() if name != "prediction_id"} for item in predictions]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_table_is_answered_as_the_same_activities_in_json(app, table, writer):
    kind, write = WRITERS[writer]
    answer = send(app, write(table), kind)

    assert answer.status == 200, answer.text
    assert answer.json()["errors"] == []
    assert comparable(answer.json()["predictions"]) == comparable(as_json(app, table))


# Columns as databases, Spark and DuckDB write them: each with the same values in another type.
TYPES = {
    "large strings": lambda arrow: arrow.cast(
        pa.schema([item.with_type(pa.large_string()) if item.type == pa.string() else item for item in arrow.schema])
    ),
    "string views": lambda arrow: replaced(arrow, "activity_id", arrow["activity_id"].cast(pa.string_view())),
    "dictionaries": lambda arrow: replaced(arrow, "location", arrow["location"].dictionary_encode()),
    "decimals": lambda arrow: replaced(arrow, "budget", arrow["budget"].cast(pa.decimal128(12, 2))),
    "small integers": lambda arrow: replaced(arrow, "predecessor_count", arrow["predecessor_count"].cast(pa.uint8())),
    "single precision": lambda arrow: replaced(arrow, "project_slip_days", arrow["project_slip_days"].cast("float32")),
    "times with a zone": lambda arrow: replaced(arrow, "start", arrow["start"].cast(pa.timestamp("us", tz="UTC"))),
    "days in milliseconds": lambda arrow: replaced(arrow, "baseline_finish", arrow["baseline_finish"].cast("date64")),
    "dates as text": lambda arrow: replaced(
        arrow, "baseline_finish", pa.array([day.isoformat() for day in arrow["baseline_finish"].to_pylist()])
    ),
    "a column without a type": lambda arrow: arrow.append_column("total_float_days", pa.nulls(ROWS)),
    "lists in a column of others": lambda arrow: arrow.append_column("tags", pa.array([[1, 2]] * ROWS)),
}


def replaced(arrow: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return arrow.set_column(arrow.column_names.index(name), name, values)


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
@pytest.mark.parametrize("change", TYPES)
def test_the_type_of_a_column_changes_no_answer(app, table, change, kind):
    arrow = TYPES[change](pa.Table.from_pandas(table, preserve_index=False))
    raw = stream(arrow) if kind == ARROW else of(lambda sink: pq.write_table(arrow, sink))

    answer = send(app, raw, kind)

    assert answer.status == 200, answer.text
    assert answer.json()["errors"] == []
    assert comparable(answer.json()["predictions"]) == comparable(as_json(app, table))


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
def test_a_nested_column_of_ours_is_refused_by_name(app, table, kind):
    arrow = replaced(pa.Table.from_pandas(table, preserve_index=False), "phase", pa.array([{"a": 1}] * ROWS))
    raw = stream(arrow) if kind == ARROW else of(lambda sink: pq.write_table(arrow, sink))

    answer = send(app, raw, kind)

    assert answer.status in (400, 422), answer.text
    assert "phase" in answer.text


@pytest.mark.parametrize(
    ("accept", "read"),
    [
        (ARROW, lambda raw: pa.ipc.open_stream(raw).read_all().to_pylist()),
        (ARROW, lambda raw: pl.read_ipc_stream(io.BytesIO(raw)).to_dicts()),
        (PARQUET, lambda raw: pq.read_table(io.BytesIO(raw)).to_pylist()),
        (PARQUET, lambda raw: pl.read_parquet(io.BytesIO(raw)).to_dicts()),
        (PARQUET, lambda raw: pd.read_parquet(io.BytesIO(raw)).to_dict("records")),
    ],
)
def test_an_answer_is_read_by_the_same_libraries(app, table, accept, read):
    answer = send(app, WRITERS["pyarrow"][1](table), ARROW, accept=f"{accept}, */*;q=0.1")
    rows = read(base64.b64decode(answer.text))
    expected = as_json(app, table)

    assert answer.headers["content-type"] == accept
    assert [row["activity_id"] for row in rows] == [item["activity_id"] for item in expected]
    assert [row["probability"] for row in rows] == [item["probability"] for item in expected]
    assert [bool(row["at_risk"]) for row in rows] == [item["at_risk"] for item in expected]
    assert [str(row["data_date"])[:10] for row in rows] == [item["data_date"] for item in expected]
    assert all(isinstance(row["data_date"], date) for row in rows)


def test_a_row_that_cannot_be_scored_has_its_reason_and_the_others_are_scored(app, table):
    wrong = table.assign(start=table["start"].astype(object))
    wrong.loc[7, "start"] = "tomorrow"
    wrong["start"] = [str(day)[:10] for day in wrong["start"]]
    answer = send(app, of(wrong.to_parquet), PARQUET, accept=PARQUET)
    rows = pq.read_table(io.BytesIO(base64.b64decode(answer.text))).to_pylist()

    assert "is no day" in rows[7]["error"]
    assert rows[7]["probability"] is None
    assert sum(row["error"] is None for row in rows) == ROWS - 1


def test_json_is_answered_as_arrow_where_accept_asks_for_it(app):
    activity = {"activity_id": "A1", "start": "2022-03-01", "baseline_duration_days": 20}
    answer = call(app, "POST", "/predictions", activity, headers={"Accept": ARROW})

    (row,) = pa.ipc.open_stream(base64.b64decode(answer.text)).read_all().to_pylist()
    assert row["activity_id"] == "A1"


@pytest.mark.parametrize("kind", [ARROW, PARQUET])
@pytest.mark.parametrize(
    "damage", [b"", b"activity_id,start\n", lambda raw: raw[:-30], lambda raw: raw[:90] + raw[120:]]
)
def test_what_is_damaged_is_refused_in_words(app, table, kind, damage, capfd):
    whole = next(write for known, write in WRITERS.values() if known == kind)(table)
    answer = send(app, damage if isinstance(damage, bytes) else damage(whole), kind)

    assert answer.status in (200, 422)
    if answer.status == 422:
        assert answer.json()["errors"][0]["field"].startswith(("body", "header", "activities"))


def test_a_table_of_too_many_rows_is_refused(app):
    many = pa.table({"activity_id": pa.array(["A"] * 50_000).dictionary_encode(), "start": ["2022-01-01"] * 50_000})
    answer = send(app, of(lambda out: pq.write_table(many, out)), PARQUET)

    assert answer.status == 422
    assert "more than 10000 rows" in answer.json()["errors"][0]["message"]


def test_a_table_without_a_column_of_ours_or_with_one_twice_is_refused(app):
    nothing = stream(pa.table({"x": [1]}))
    twice = stream(pa.Table.from_arrays([pa.array(["A"]), pa.array(["B"])], names=["activity_id", "activity_id"]))

    assert "names no field" in send(app, nothing, ARROW).json()["errors"][0]["message"]
    assert "more than once" in send(app, twice, ARROW).json()["errors"][0]["message"]


def test_text_where_bytes_belong_is_refused_with_what_to_do(app):
    answer = call(app, "POST", "/predictions", headers={"Content-Type": ARROW}, raw="\ufffd\ufffd")

    assert answer.status == 400
    assert "send the bytes" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/forecasts", "/invocations"])
def test_other_routes_say_what_they_take(app, path):
    answer = call(app, "POST", path, headers={"Content-Type": PARQUET}, raw=b"PAR1")

    assert answer.status == 415
    assert "application/json" in answer.json()["detail"]


def test_predict_itself_has_no_reader_and_says_what_to_do(app, table, monkeypatch):
    """Where the function for large batches does not answer."""
    real = importlib.import_module

    def without(name, *more):
        if name == "predict.api.columnar":
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(importlib.import_module("predict.api.core"), "import_module", without)
    answer = send(app, WRITERS["pyarrow"][1](table), ARROW)

    assert answer.status == 503
    assert "try again, or send CSV" in answer.json()["detail"]
    assert answer.headers["retry-after"]
