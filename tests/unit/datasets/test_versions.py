"""Dataset versions: of all files so far each activity once, whichever file came first."""

import gzip
import json
from datetime import date
from itertools import permutations

import duckdb
import numpy as np
import pandas as pd
import pytest

import slipcast
from slipcast import provenance
from slipcast.datasets import labels, versions
from slipcast.ingest import schema_changes
from slipcast.ingest.mapping.profile import Profile
from slipcast.ingest.schedule import Schedule
from slipcast.schema import COLUMNS
from support.schedules import example

SQL = {"text": "VARCHAR", "date": "DATE", "number": "DOUBLE"}
TYPES = {column.name: SQL[column.kind] for column in COLUMNS}
TYPES |= dict.fromkeys(("source", "source_sha256", "activity_guid", "baseline_source"), "VARCHAR")
TYPES |= {"baseline_data_date": "DATE"}


@pytest.fixture
def store(tmp_path):
    """A writer of tables as a schedule's: rows of what is not empty; `more` columns are numbers, `without` are not."""

    def write(*rows: dict, more: tuple[str, ...] = (), without: tuple[str, ...] = ()):
        types = {name: kind for name, kind in TYPES.items() if name not in without} | dict.fromkeys(more, "DOUBLE")
        path = tmp_path / f"table-{len(list(tmp_path.iterdir()))}.parquet"
        with duckdb.connect() as database:
            database.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, kind in types.items())})")
            marks = ", ".join("?" for _ in types)
            cells = [[row.get(name) for name in types] for row in rows]
            database.executemany(f"INSERT INTO t VALUES ({marks})", cells)  # noqa: S608
            database.execute(f"COPY t TO '{path}' (FORMAT parquet)")
        return path

    return write


@pytest.fixture
def merge(tmp_path):
    """A merger of tables, one after the other; returns the merged Parquet file."""

    def run(*tables):
        target = None
        for table in tables:
            previous, target = target, tmp_path / f"merged-{len(list(tmp_path.iterdir()))}.parquet"
            versions.merge(previous, table, target, tmp_path)
        return target

    return run


def row(name: str = "A", data_date: str = "2024-06-30", **other) -> dict:
    plan = {"start": "2024-01-10", "baseline_finish": "2024-03-01", "baseline_duration_days": 51.0}
    known = {"activity_id": name, "project_id": "p", "data_date": data_date, "baseline_data_date": data_date}
    known |= {"baseline_source": "file"}
    return {**known, **plan, "source": f"file of {data_date}", **other}


def rows_of(path) -> list[dict]:
    """The rows, of each what is not empty; days as text."""
    records = versions.read_table(path).to_dict("records")
    return [
        {
            name: str(value.date()) if isinstance(value, pd.Timestamp) else value
            for name, value in record.items()
            if not pd.isna(value)
        }
        for record in records
    ]


MAY, JUNE, JULY = "2024-05-31", "2024-06-30", "2024-07-31"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_latest_data_date_says_what_became_of_an_activity(store, merge, order):
    older = row(data_date=MAY, status="in_progress", percent_complete=40.0, budget=5.0, phase="Design")
    newer = row(data_date=JUNE, status="complete", actual_finish="2024-06-10", percent_complete=100.0, phase="Scope")
    tables = [store(older), store(newer)]

    (merged,) = rows_of(merge(*(tables[place] for place in order)))

    # What the newer file leaves empty is empty: the budget of the older one is of another day.
    assert merged == newer | {"baseline_data_date": MAY}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_baseline_of_the_first_file_stays(store, merge, order):
    older = row(data_date=MAY, baseline_start="2024-01-08", baseline_duration_days=53.0)
    newer = row(data_date=JUNE, baseline_finish="2024-09-01", baseline_start="2024-02-01", baseline_duration_days=9.0)
    tables = [store(older), store(newer)]

    (merged,) = rows_of(merge(*(tables[place] for place in order)))

    baseline = {name: older[name] for name in versions.BASELINE}
    assert merged == newer | baseline


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_is_planned_at_first_sight_is_the_baseline_of_a_series(store, merge, order):
    """The update moves the plan of what has not started, and says nothing of what has."""
    first = [row(name, MAY, status="not_started", baseline_source="first_seen") for name in "AB"]
    bare = {
        "baseline_finish": None,
        "baseline_duration_days": None,
        "baseline_source": None,
        "baseline_data_date": None,
    }
    second = [
        row("A", JUNE, status="in_progress", **bare),
        row("B", JUNE, status="not_started", baseline_finish="2024-09-01", baseline_source="first_seen"),
        row("C", JUNE, status="complete", actual_finish="2024-06-01", **bare),
    ]
    tables = [store(*first), store(*second)]

    found = {item["activity_id"]: item for item in rows_of(merge(*(tables[place] for place in order)))}

    assert [found[name]["baseline_finish"] for name in "AB"] == ["2024-03-01"] * 2
    assert [found[name]["baseline_data_date"] for name in "AB"] == [MAY] * 2
    assert found["A"]["status"] == "in_progress"
    assert "baseline_finish" not in found["C"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_declared_baseline_counts_whatever_its_day_is(store, merge, order):
    tables = [
        store(row(data_date=MAY)),
        store(row(data_date=JUNE, baseline_finish="2024-02-15", baseline_source="declared")),
    ]

    (merged,) = rows_of(merge(*(tables[place] for place in order)))

    assert (merged["baseline_finish"], merged["baseline_source"]) == ("2024-02-15", "declared")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_activity_with_a_new_id_is_known_by_its_guid(store, merge, order):
    tables = [
        store(row("A10", MAY, activity_guid="g1"), row("A20", MAY, activity_guid="g2")),
        store(row("A15", JUNE, activity_guid="g1"), row("A20", JUNE, activity_guid="g2")),
        store(row("A15", JULY, activity_guid="g1", phase="Design"), row("A20", JULY, activity_guid="g9")),
    ]

    found = rows_of(merge(*(tables[place] for place in order)))

    assert [(item["activity_id"], item["data_date"], item["baseline_data_date"]) for item in found] == [
        ("A15", JULY, MAY),
        ("A20", JULY, MAY),
    ]


def test_a_guid_that_stands_twice_says_nothing(store, merge):
    merged = merge(
        store(row("A10", MAY, activity_guid="g"), row("A11", MAY, activity_guid="g")),
        store(row("B10", JUNE, activity_guid="g"), row("B11", JUNE, activity_guid="h", project_id="q")),
    )

    assert [item["activity_id"] for item in rows_of(merged)] == ["A10", "A11", "B10", "B11"]


def test_a_baseline_that_only_a_later_file_has_is_not_mixed_with_the_first(store, merge):
    older = row(data_date=MAY)
    newer = row(data_date=JUNE, baseline_start="2024-02-01", baseline_finish="2024-09-01")

    (merged,) = rows_of(merge(store(older), store(newer)))

    assert "baseline_start" not in merged
    assert merged["baseline_finish"] == older["baseline_finish"]


def test_the_result_does_not_depend_on_the_order_of_the_files(store, merge):
    tables = [
        store(row("A", MAY, status="not_started", total_float_days=4.0), row("B", MAY), row("A", MAY, project_id="q")),
        store(row("A", JUNE, status="in_progress", baseline_finish="2024-04-01"), row("C", JUNE, budget=3.0)),
        store(row("A", JULY, status="complete", actual_finish="2024-07-02"), row("B", JULY, phase="Scope")),
    ]

    found = {merge(*order).read_bytes() for order in permutations(tables)}

    assert len(found) == 1
    merged = merge(*tables)
    assert [(item["project_id"], item["activity_id"], item["data_date"]) for item in rows_of(merged)] == [
        ("p", "A", JULY),
        ("p", "B", JULY),
        ("p", "C", JUNE),
        ("q", "A", MAY),
    ]


def test_a_correction_of_the_same_day_wins(store, merge):
    first, second = row(budget=5.0, phase="Scope"), row(budget=7.0, baseline_finish="2024-04-01")

    assert rows_of(merge(store(first), store(second))) == [second]
    assert rows_of(merge(store(second), store(first))) == [first]


def test_a_correction_of_the_first_day_corrects_the_baseline_and_no_more(store, merge):
    first, later = row(data_date=MAY), row(data_date=JUNE, status="complete", actual_finish="2024-06-01")
    correction = row(data_date=MAY, baseline_finish="2024-05-05", status="not_started")

    (merged,) = rows_of(merge(store(first), store(later), store(correction)))

    assert merged == later | {"baseline_finish": "2024-05-05", "baseline_data_date": MAY}


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_float_from_before_the_start_is_kept(store, merge, order):
    tables = [store(row(data_date=MAY, total_float_days=12.0)), store(row(data_date=JUNE))]

    (merged,) = rows_of(merge(*(tables[place] for place in order)))

    assert merged["data_date"] == JUNE
    assert merged["total_float_days"] == 12.0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_newer_float_counts_where_both_files_have_one(store, merge, order):
    tables = [store(row(data_date=MAY, total_float_days=12.0)), store(row(data_date=JUNE, total_float_days=0.0))]

    assert rows_of(merge(*(tables[place] for place in order)))[0]["total_float_days"] == 0.0


def test_columns_that_only_one_file_has_are_kept(store, merge):
    plain = store(row("A", MAY), row("B", MAY), without=("budget",))
    more = store(row("A", JUNE, crew_size=3.0, budget=1.0), row("C", JUNE, crew_size=4.0), more=("crew_size",))

    for order in ((plain, more), (more, plain)):
        merged = merge(*order)
        found = versions.read_table(merged).set_index("activity_id")
        np.testing.assert_array_equal(found["crew_size"], [3.0, np.nan, 4.0])
        np.testing.assert_array_equal(found["budget"], [1.0, np.nan, np.nan])


def test_activities_of_other_projects_with_the_same_id_stay_apart(store, merge):
    merged = merge(store(row(phase="a")), store(row(phase="b", project_id="q")))

    assert [(item["project_id"], item["phase"]) for item in rows_of(merged)] == [("p", "a"), ("q", "b")]


def test_the_same_rows_are_the_same_bytes(store, merge):
    rows = [row(name, phase=phase) for name, phase in (("B", "x"), ("A", "y"), ("C", "z"))]
    once = merge(store(*rows))

    assert merge(store(*reversed(rows))).read_bytes() == once.read_bytes()
    assert merge(store(*rows), store(*rows)).read_bytes() == once.read_bytes()
    assert merge(once).read_bytes() == once.read_bytes()
    assert merge(store(*rows[:2], row("C", phase="other"))).read_bytes() != once.read_bytes()


def test_labels_are_those_of_a_training(tmp_path):
    schedule = example("nyc_sca_2022-12.csv")
    path = tmp_path / "table.parquet"
    path.write_bytes(schedule.parquet)

    for tolerance in (0, 30, 200):
        known = labels.label(schedule.table, tolerance)
        assert versions.describe(path, tmp_path, tolerance_days=tolerance)["labels"] == {
            "matured": len(known),
            "late": known["is_late"].sum(),
            "open": schedule.table["actual_finish"].isna().sum(),
            "censored": len(schedule.table) - len(known),
        }


def test_the_digest_of_the_outcomes_changes_with_them_and_with_nothing_else(store, tmp_path):
    def digest(*rows):
        return versions.describe(store(*rows), tmp_path, tolerance_days=30)["labels_digest"]

    late, timely, censored = row("A"), row("B", actual_finish="2024-02-01"), row("C", baseline_finish="2024-06-01")
    first = digest(late, timely)

    assert first == digest(timely, late) == digest(late, timely, censored)
    assert first == digest(row("A", "2024-12-31", budget=7.0), timely)
    other = [digest(late), digest(timely), digest(censored), digest(late, timely, row("D"))]
    other += [digest(row("A", actual_finish="2024-02-01"), timely), digest(row("A", project_id="q"), timely)]
    assert len({first, *other}) == 7


@pytest.mark.parametrize("tolerance", [0, 30])
def test_outcomes_for_the_monitor_are_the_labels_of_a_training(tmp_path, tolerance):
    schedule = example("nyc_sca_2022-12.csv")
    path, target = tmp_path / "table.parquet", tmp_path / "labels.csv.gz"
    path.write_bytes(schedule.parquet)
    versions.write_labels(path, target, tmp_path, tolerance_days=tolerance)
    found = pd.read_csv(target, dtype={"project_id": str, "activity_id": str}, parse_dates=["matured_at"])
    known = labels.label(schedule.table, tolerance).sort_values(["project_id", "activity_id"])

    assert found["activity_id"].tolist() == known["activity_id"].tolist()
    assert found["is_late"].tolist() == known["is_late"].tolist()
    due = known["baseline_finish"] + pd.Timedelta(days=tolerance)
    assert (found["matured_at"].to_numpy() == due.to_numpy()).all()
    assert found["phase"].tolist() == known["phase"].tolist()


def test_a_given_label_is_the_outcome_for_the_monitor(store, tmp_path):
    path = store(row("A", schedule_adherence=1.0), row("B"), row("C", baseline_finish="2024-06-01"))
    versions.write_labels(path, tmp_path / "labels.csv.gz", tmp_path, tolerance_days=30)
    found = pd.read_csv(tmp_path / "labels.csv.gz")

    assert found[["activity_id", "is_late"]].to_numpy().tolist() == [["A", 0], ["B", 1]]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        # The last day in time is the day before, the day of, the day after the data date.
        ({"baseline_finish": "2024-05-30"}, (1, 1, 1, 0)),
        ({"baseline_finish": "2024-05-31"}, (1, 1, 1, 0)),
        ({"baseline_finish": "2024-06-01"}, (0, 0, 1, 1)),
        ({"baseline_finish": "2024-05-31", "actual_finish": "2024-06-30"}, (1, 0, 0, 0)),
        ({"baseline_finish": "2024-05-30", "actual_finish": "2024-06-30"}, (1, 1, 0, 0)),
        ({"baseline_finish": "2024-06-01", "actual_finish": "2024-06-02"}, (0, 0, 0, 1)),
        ({"schedule_adherence": 1.0}, (1, 0, 1, 0)),
        ({"actual_finish": "2024-02-01", "schedule_adherence": 0.0}, (1, 1, 0, 0)),
        ({"baseline_finish": "2024-06-01", "schedule_adherence": 0.0}, (0, 0, 1, 1)),
        ({"data_date": None, "start": None, "baseline_finish": None, "schedule_adherence": 0.0}, (1, 1, 0, 0)),
        ({"data_date": None, "start": None, "baseline_finish": None, "schedule_adherence": 1.0}, (1, 0, 0, 0)),
        ({"data_date": None, "start": None, "baseline_finish": None}, (0, 0, 0, 1)),
    ],
)
def test_an_activity_has_a_label_once_its_last_day_in_time_is_over(store, tmp_path, other, expected):
    path = store(row() | other)

    found = versions.describe(path, tmp_path, tolerance_days=30)["labels"]

    assert found == dict(zip(("matured", "late", "open", "censored"), expected, strict=True))
    if other.get("data_date", True):
        assert len(labels.label(versions.read_table(path), 30)) == expected[0]
        assert labels.label(versions.read_table(path), 30)["is_late"].sum() == expected[1]


def test_a_table_is_described(store, tmp_path):
    path = store(
        row("A", budget=1.0, phase="Design", activity_name="x" * 100),
        row("B", budget=2.0, phase="Design", data_date=MAY),
        row("C", phase="Scope", crew_size=5.0),
        more=("crew_size",),
    )

    found = versions.describe(path, tmp_path, tolerance_days=30)

    assert found["sha256"] == versions.sha256(path)
    assert found["dataset_id"] == found["sha256"][:16]
    assert (found["rows"], found["data_date"], found["dated"]) == (3, JUNE, True)
    assert list(found["columns"]) == [*TYPES, "crew_size"]
    columns = found["columns"]
    assert columns["budget"] == {"type": "DOUBLE", "missing": 1, "min": "1.0", "max": "2.0", "mean": 1.5}
    assert columns["phase"] == {"type": "VARCHAR", "missing": 0, "min": "Design", "max": "Scope", "distinct": 2}
    assert columns["data_date"] == {"type": "DATE", "missing": 0, "min": MAY, "max": JUNE}
    assert columns["actual_finish"] == {"type": "DATE", "missing": 3, "min": None, "max": None}
    assert columns["work_type"] == {"type": "VARCHAR", "missing": 3, "min": None, "max": None, "distinct": 0}
    assert columns["activity_name"] == {"type": "VARCHAR", "missing": 2, "min": "x" * 80, "max": "x" * 80}
    assert columns["total_float_days"] == {"type": "DOUBLE", "missing": 3, "min": None, "max": None}
    assert columns["crew_size"]["mean"] == 5.0
    json.dumps(found, allow_nan=False)


def test_a_table_without_dates_is_described(store, tmp_path):
    path = store({"activity_id": "row-2", "project_id": "p", "schedule_adherence": 1.0})

    found = versions.describe(path, tmp_path, tolerance_days=30)

    assert (found["data_date"], found["dated"]) == (None, False)


def test_a_reference_has_what_the_steps_need_and_no_more():
    manifest = {name: name for name in (*versions.REFERENCE, "columns", "sources", "code_version")}

    assert versions.reference(manifest) == {name: name for name in versions.REFERENCE}
    assert versions.reference({"dataset_id": "a", "columns": {}}) == {"dataset_id": "a"}


def test_a_table_is_read_with_the_types_of_a_training(store):
    path = store(row("A", phase="Design", budget=1.0, crew_size=2.0), row("B"), more=("crew_size",))

    table = versions.read_table(path)

    kinds = {"text": "object", "date": "datetime64[s]", "number": "float64"}
    for column in COLUMNS:
        assert str(table[column.name].dtype) == kinds[column.kind]
    assert str(table["baseline_data_date"].dtype) == "datetime64[s]"
    assert str(table["crew_size"].dtype) == "float64"
    assert table["phase"].tolist() == ["Design", None]
    assert table["work_type"].tolist() == [None, None]
    assert table["actual_finish"].isna().all()
    assert list(table.columns) == [*TYPES, "crew_size"]


def test_some_of_a_table_are_read(store):
    path = store(row("A", phase="Design"), row("B", phase="Scope"), row("C"))

    assert versions.read_table(path, "phase = 'Scope'")["activity_id"].tolist() == ["B"]
    empty = versions.read_table(path, "false")
    assert (len(empty), str(empty["start"].dtype), str(empty["phase"].dtype)) == (0, "datetime64[s]", "object")


def test_open_activities_are_listed_in_the_order_of_their_ids(store, tmp_path):
    path = store(
        row("C", budget=1.5, activity_name="Dächer & Türen"),
        row("B", actual_finish="2024-06-01"),
        row("A", status="not_started", crew_size=3.0),
        row("Z", project_id="a"),
        row("D") | {"data_date": None},
        more=("crew_size",),
    )
    target = tmp_path / "open.jsonl.gz"

    assert versions.write_open(path, target, tmp_path) == 3

    lines = [json.loads(line) for line in gzip.decompress(target.read_bytes()).splitlines()]
    assert [line["activity_id"] for line in lines] == ["Z", "A", "C"]
    assert set(lines[0]) == {column.name for column in COLUMNS}
    known = {name: value for name, value in lines[2].items() if value is not None}
    expected = row("C", budget=1.5, activity_name="Dächer & Türen")
    assert known == {name: value for name, value in expected.items() if name in set(lines[0])}


def test_where_nothing_is_open_nothing_is_listed(store, tmp_path):
    path = store(row(actual_finish="2024-06-01"))

    assert versions.write_open(path, tmp_path / "open.jsonl.gz", tmp_path) == 0


def schedule(tmp_path, **other) -> Schedule:
    known = {
        **{"table": tmp_path, "rejected": None, "counts": {}, "problems": [], "data_date": date(2024, 6, 30)},
        # Nothing of it says whether a file has changed.
        "understood": {},
        **{"source": "plan", "profile": Profile(name="p6", title="P6"), "notes": ()},
        **{"header": ("Id", "Start", "Budget", ""), "mapped": ("activity_id", "start", "budget")},
    }
    return Schedule(**{**known, **other})


def test_a_file_of_the_same_kind_has_not_changed(tmp_path):
    before = {"profile": "p6", "header": ["Budget", "Id", "", "Start"], "mapped": ["budget", "start", "activity_id"]}

    assert schema_changes.schema_changes(before, schedule(tmp_path)) == []


def test_changes_of_a_file_are_named(tmp_path):
    before = {"profile": "msproject", "header": ["Id", "Start", "Cost", "Area"], "mapped": ["location", "start"]}

    assert schema_changes.schema_changes(before, schedule(tmp_path)) == [
        "read with profile p6, the last one with msproject",
        "no longer has the columns Cost, Area",
        "newly has the columns Budget",
        "lost for the model: location",
    ]


def test_a_long_list_of_changed_columns_is_cut(tmp_path):
    before = {"profile": "p6", "header": [f"Column {number}" for number in range(1000)], "mapped": []}

    assert max(map(len, schema_changes.schema_changes(before, schedule(tmp_path)))) == 500


def test_the_code_version_changes_with_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(slipcast, "__file__", str(tmp_path / "__init__.py"))
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/p6.yaml").write_text("a")
    code_version = provenance.code_version.__wrapped__  # A process keeps it.
    seen = [code_version()]
    (tmp_path / "notes.txt").write_text("not code")
    assert code_version() == seen[0]

    (tmp_path / "profiles/p6.yaml").write_text("b")
    seen.append(code_version())
    (tmp_path / "profiles/p6.yaml").rename(tmp_path / "profiles/p7.yaml")
    seen.append(code_version())
    (tmp_path / "candidates.json").write_text("{}")
    seen.append(code_version())
    (tmp_path / "module.py").write_text("")
    seen.append(code_version())

    assert len(set(seen)) == 5
    for text in seen:
        version, _, digest = text.partition("+")
        assert version == slipcast.__version__
        assert len(bytes.fromhex(digest)) == 6


def test_the_code_version_of_this_package_is_that_of_its_files():
    assert provenance.code_version() == provenance.code_version.__wrapped__()
