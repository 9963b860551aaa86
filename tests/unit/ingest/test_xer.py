"""The activities of an XER file become one table."""

import csv

import pytest

from slipcast.ingest.files.xer import COLUMNS, to_csv
from slipcast.ingest.refusal import ScheduleRefused

HEADER = "ERMHDR\t19.12\t2025-05-20\tProject\tadmin"
PROJECT = "proj_id\tproj_short_name\tlast_recalc_date\tsum_base_proj_id\torig_proj_id"
TASK = (
    *("task_id", "proj_id", "wbs_id", "clndr_id", "task_code", "task_name", "status_code", "target_start_date"),
    *("target_end_date", "act_start_date", "act_end_date"),
)


def table(name: str, fields: str, *rows: str) -> list[str]:
    return [f"%T\t{name}", f"%F\t{fields}", *(f"%R\t{row}" for row in rows)]


def task(code: str, project: str = "1", number: str = "", start: str = "2025-05-01 08:00", **values: str) -> str:
    known = {"task_id": number or code, "proj_id": project, "task_code": code, "target_start_date": start} | values
    return "\t".join(known.get(name, "") for name in TASK)


PROJECTS = table("PROJECT", PROJECT, "1\tTower\t2025-05-19 00:00\t\t")


@pytest.fixture
def read(tmp_path):
    def call(
        *lines: str, end: str = "%E", feed: str = "\r\n", **limits
    ) -> tuple[list[dict[str, str]], tuple[str, ...]]:
        source, out = tmp_path / "plan.xer", tmp_path / "plan.csv"
        source.write_bytes(feed.join([HEADER, *lines, end]).encode())
        notes = to_csv(source, out, name="plan.xer", **limits)
        with out.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            rows = list(reader)
            assert tuple(reader.fieldnames)[: len(COLUMNS)] == COLUMNS
        return rows, notes

    return call


def tasks(*rows: str) -> list[str]:
    return table("TASK", "\t".join(TASK), *rows)


@pytest.mark.parametrize("feed", ["\r\n", "\n", "\r"])
def test_an_activity_is_joined_with_its_tables(read, feed):
    rows, notes = read(
        *PROJECTS,
        *table("CALENDAR", "clndr_id\tday_hr_cnt", "5\t8", "6\t10"),
        *table(
            "PROJWBS",
            "wbs_id\tproj_node_flag\twbs_short_name\twbs_name\tparent_wbs_id",
            *("10\tY\tTWR\tThe tower\t999", "11\tN\tB\tBuild\t10", "12\tN\tF2\tFloor 2\t11"),
        ),
        *table("ACTVTYPE", "actv_code_type_id\tactv_code_type", "1\tTrade", "2\tUnused", "3\tArea, side"),
        *table(
            "ACTVCODE",
            "actv_code_id\tactv_code_type_id\tshort_name\tactv_code_name",
            "7\t1\tEL\tElectrical",
            "8\t3\tN\t",
        ),
        *tasks(
            task("A1", wbs_id="12", clndr_id="6", task_name='Lay "cable", east', status_code="TK_NotStart"),
            task("A2", wbs_id="10"),
        ),
        *table("TASKACTV", "task_id\tactv_code_type_id\tactv_code_id", "A1\t1\t7", "A1\t3\t8"),
        *table("TASKPRED", "task_pred_id\ttask_id\tpred_task_id", "1\tA1\tA2", "2\tA1\tA3"),
        *table("TASKRSRC", "task_id\ttarget_cost", "A1\t100.1", "A1\t200.2", "A2\t\t", "A1\t12,5", "A1\tnan"),
        feed=feed,
    )

    assert notes == ("1 costs of resources and expenses are no numbers",)
    first, second = rows
    assert {name: text for name, text in first.items() if text} == {
        **{"#line": "25", "task_code": "A1", "task_name": 'Lay "cable", east', "status_code": "TK_NotStart"},
        **{"proj_short_name": "Tower", "wbs_path": "TWR.B.F2", "wbs_name": "Floor 2", "wbs_top_name": "Build"},
        "wbs_names": "Build > Floor 2",
        **{"target_start_date": "2025-05-01 08:00", "predecessor_count": "2", "day_hr_cnt": "10", "complete_pct": "0"},
        **{"target_cost": "312.8", "last_recalc_date": "2025-05-19 00:00"},
        **{"code:Trade": "Electrical", "code:Area, side": "N"},
    }
    assert (second["wbs_path"], second["wbs_name"], second["wbs_top_name"]) == ("TWR", "The tower", "")
    assert second["wbs_names"] == ""
    assert (second["predecessor_count"], second["target_cost"], second["code:Trade"]) == ("0", "", "")
    assert "code:Unused" not in first


def test_tables_may_come_in_any_order_and_twice(read):
    rows, _ = read(*tasks(task("A1")), *PROJECTS, *tasks(task("A2")))

    assert [(row["#line"], row["task_code"], row["proj_short_name"]) for row in rows] == [
        ("4", "A1", "Tower"),
        ("10", "A2", "Tower"),
    ]


def test_all_projects_are_kept(read):
    rows, notes = read(
        *table("PROJECT", PROJECT, "1\tTower\t\t\t", "2\tBridge\t\t77\t88"),
        *tasks(task("A1", "1"), task("A1", "2"), task("A1", "3")),
    )

    assert [row["proj_short_name"] for row in rows] == ["Tower", "Bridge", ""]
    assert notes == ("1 activities belong to no project of the file",)


@pytest.mark.parametrize("projects", [("1\tTower\t\t2\t", "2\tPlan\t\t\t"), ("1\tTower\t\t\t", "2\tPlan\t\t\t1")])
def test_a_baseline_project_gives_baseline_dates(read, projects):
    rows, notes = read(
        *table("PROJECT", PROJECT, *projects),
        *tasks(
            task("A1", "1", "11", start="2025-06-01", target_end_date="2025-07-01"),
            task("A2", "1", "12"),
            task("A1", "2", "21", start="2025-02-01", target_end_date="2025-03-01"),
            task("A3", "2", "23", act_start_date="2025-01-01"),
            task("A2", "2", "22", start="2025-02-01", act_start_date="2025-01-15", act_end_date="2025-01-20"),
        ),
    )

    assert notes == ()
    assert [(row["task_code"], row["bl_start_date"], row["bl_finish_date"]) for row in rows] == [
        ("A1", "2025-02-01", "2025-03-01"),
        ("A2", "2025-01-15", "2025-01-20"),
    ]


def test_the_earliest_of_several_baselines_is_used(read):
    rows, notes = read(
        *table("PROJECT", PROJECT, "1\tTower\t\t\t", "2\tLate\t2025-02-01\t\t1", "3\tEarly\t2025-01-01\t\t1"),
        *tasks(task("A1", "1", "1"), task("A1", "2", "2", start="L"), task("A1", "3", "3", start="E")),
    )

    assert [(row["proj_short_name"], row["bl_start_date"]) for row in rows] == [("Tower", "E")]
    assert notes == ("2 baselines, none assigned: 'Early' is used",)


def test_baselines_alone_are_read_as_current(read):
    rows, notes = read(
        *table("PROJECT", PROJECT, "1\tA\t\t2\t", "2\tB\t\t1\t"),
        *tasks(task("A1", "1"), task("A1", "2")),
    )

    assert [row["proj_short_name"] for row in rows] == ["A", "B"]
    assert notes == ("all activities belong to baseline projects, which are read as current",)


def test_a_project_that_is_its_own_baseline_has_none(read):
    rows, notes = read(*table("PROJECT", PROJECT, "1\tA\t\t1\t1"), *tasks(task("A1")))

    assert (rows[0]["bl_start_date"], notes) == ("", ())


def test_line_breaks_in_values_are_tolerated(read):
    first, second = (
        task("A1", task_name="Pour\n\nslab", status_code="TK_Active"),
        task("A2", task_name="a\x85b\u2028c\rd"),
    )
    rows, notes = read(*PROJECTS, *tasks(*first.split("\n")[:1]), *first.split("\n")[1:], f"%R\t{second}", "", "stray")

    assert [(row["#line"], row["task_name"], row["status_code"]) for row in rows] == [
        ("7", "Pour slab", "TK_Active"),
        ("10", "a b c d", ""),
    ]
    assert notes == ("1 lines belong to no row",)


def test_ragged_rows_are_kept_and_noted(read):
    rows, notes = read(*PROJECTS, *tasks("1\t1\t\t\tA1", task("A2") + "\tmore", task("A3") + "\t\t"))

    assert [row["task_code"] for row in rows] == ["A1", "A2", "A3"]
    assert notes == ("2 rows of TASK have more or fewer values than fields, at lines 7, 8",)


def test_levels_that_name_each_other_end(read):
    rows, _ = read(
        *PROJECTS,
        *table("PROJWBS", "wbs_id\twbs_name\tparent_wbs_id", "1\ta\t2", "2\tb\t1"),
        *tasks(task("A1", wbs_id="1")),
    )

    assert (rows[0]["wbs_name"], len(rows)) == ("a", 1)


@pytest.mark.parametrize(
    ("lines", "reason", "line", "column"),
    [
        (PROJECTS, "no table TASK", None, None),
        (tasks(task("A1")), "no table PROJECT", None, None),
        ([], "no table PROJECT", None, None),
        ([*table("PROJECT", PROJECT), *tasks(task("A1"))], "holds no project", None, None),
        ([*PROJECTS, *tasks()], "holds no activities", None, None),
        ([*PROJECTS, *table("TASK", "task_id", "1")], "no field task_code", None, "task_code"),
        ([*table("PROJECT", "x", "1"), *tasks(task("A1"))], "no field proj_id", None, "proj_id"),
        ([*PROJECTS, *table("TASK", "", "1")], "names no fields", 6, None),
        ([*PROJECTS, "%T\tTASK", "%R\t1"], "no field names", 6, None),
        (["%T", "%R", "%R\t1"], "no table PROJECT", None, None),
        ([*PROJECTS, *tasks("x" * 4_000_001)], "more than 4,000,000 characters", 7, None),
        ([*PROJECTS, *tasks("x"), *["x" * 1_000_000] * 4], "more than 4,000,000 characters", 7, None),
    ],
)
def test_an_unusable_file_is_refused(read, lines, reason, line, column):
    with pytest.raises(ScheduleRefused) as caught:
        read(*lines)
    assert reason in caught.value.reason
    assert (caught.value.row, caught.value.column) == (line, column)


def test_a_cut_file_is_refused_within_a_row_and_noted_between_two(read):
    with pytest.raises(ScheduleRefused, match=r"plan\.xer, line 8: the file is cut within a row"):
        read(*PROJECTS, *tasks(task("A1"), "2\t1\t\t"), end="")
    rows, notes = read(*PROJECTS, *tasks(task("A1"), task("A2")), end="")

    assert len(rows) == 2
    assert notes[0] == "the end mark %E is missing: the file may be cut between two rows"


def test_too_many_code_types_are_refused(read):
    types = table("ACTVTYPE", "actv_code_type_id\tactv_code_type", *(f"{number}\tT{number}" for number in range(9)))
    assigned = table(
        "TASKACTV", "task_id\tactv_code_type_id\tactv_code_id", *(f"A1\t{number}\t1" for number in range(9))
    )

    with pytest.raises(ScheduleRefused, match="9 types of activity code are assigned, at most 8 may be"):
        read(*PROJECTS, *types, *tasks(task("A1")), *assigned, max_columns=len(COLUMNS) + 8)
