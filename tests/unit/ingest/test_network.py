"""The network of a schedule: relations, calendars and what the tool computed, from each format, and merged."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from slipcast.datasets import network, versions
from slipcast.datasets.database import connect
from slipcast.ingest.relations import lag, relations
from slipcast.ingest.schedule import Schedule, read_schedule
from slipcast.schema import COLUMNS
from support.hall import XER, msp, p6

KINDS = ("FS", "SS", "FF", "SF")


@pytest.mark.parametrize(
    ("language", "codes"),
    [
        ("English", "FS SS FF SF"),
        ("German", "EA AA EE AE"),
        ("French", "FD DD FF DF"),
        ("Spanish", "FC CC FF CF"),
        ("Portuguese", "TI II TT IT"),
        ("Italian", "FI II FF IF"),
        ("Dutch", "EB BB EE BE"),
    ],
)
def test_kinds_of_relations_are_known_in_the_languages_of_ms_project(language, codes):
    text = ";".join(f"{number}{code}" for number, code in enumerate(codes.split(), 10))

    assert [(item.reference, item.kind) for item in relations(text, ())] == list(
        zip(("10", "11", "12", "13"), KINDS, strict=True)
    )


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("12FS+5d,14", (), [("12", "FS", 2400, None), ("14", "FS", 0, None)]),
        ("12FS-2 days", (), [("12", "FS", -960, None)]),
        ("7SS+50%", (), [("7", "SS", None, 50)]),
        ("7FS+3 edays", (), [("7", "FS", 4320, None)]),
        ("12EA+0,5 Tage;14", (), [("12", "FS", 240, None), ("14", "FS", 0, None)]),
        ("12EA+0,5 Tage,14", (), [("12", "FS", 240, None), ("14", "FS", 0, None)]),
        ("12FD+2 jours", (), [("12", "FS", 960, None)]),
        ("12+4h", (), [("12", "FS", 240, None)]),
        ("12FS+1 mon", (), [("12", "FS", 9600, None)]),
        ("12FS+5 parsecs", (), [("12", "FS", None, None)]),
        ("A1000: FS 3, A1010", (), [("A1000", "FS", 1440, None), ("A1010", "FS", 0, None)]),
        ("A1000: SS -2d", (), [("A1000", "SS", -960, None)]),
        ("PO 100: FF", (), [("PO 100", "FF", 0, None)]),
        ("A1000FS+5d", ("A1000",), [("A1000", "FS", 2400, None)]),
        # An id may end like a relation.
        ("STAFF, A-1+2", ("STAFF", "STA", "A-1+2", "A-1"), [("STAFF", "FS", 0, None), ("A-1+2", "FS", 0, None)]),
        # An id may look like an id and a lag; the longest one that is known counts.
        ("A-10 FS +2", ("A", "A-10"), [("A-10", "FS", 960, None)]),
        ("A-10FS+2d", ("A-10",), [("A-10", "FS", 960, None)]),
        ("T:1: SS 2", ("T:1",), [("T:1", "SS", 960, None)]),
        ("8FC+1 sem.", (), [("8", "FS", 2400, None)]),
        ("7FS+3ed,9FC+2j", (), [("7", "FS", 4320, None), ("9", "FS", 960, None)]),
        ("A1000\nA1010", (), [("A1000", "FS", 0, None), ("A1010", "FS", 0, None)]),
        (" , ", (), []),
    ],
)
def test_a_cell_of_relations_is_read(text, known, expected):
    found = [(item.reference, item.kind, item.lag.minutes, item.lag.percent) for item in relations(text, known)]

    assert found == expected


def test_elapsed_time_is_told_from_working_time():
    assert [lag(text).elapsed for text in ("1d", "1ed", "1 fTag", "1 jé", "+20e%")] == [False, True, True, True, True]
    assert lag("2d", day=10).minutes == 1200
    assert lag("1ed", day=10).minutes == 1440


def read(folder: Path, content: str | bytes, name: str, day: str = "") -> Schedule:
    work = folder / f"read-{len(list(folder.iterdir()))}"
    work.mkdir()
    path = work / "dropped"
    text = content.replace("2025-06-05", day) if day and isinstance(content, str) else content
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_schedule(path, name, workdir=work)


def rows(files: dict[str, Path], table: str) -> list[dict[str, Any]]:
    with connect(files[table].parent) as database:
        found = database.execute("SELECT * FROM read_parquet(?)", [str(files[table])])
        columns = [item[0] for item in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def by_id(schedule: Schedule, table: str = "activities", key: str = "activity_id") -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in rows(schedule.network, table)}


NAMES = {"xer": ("A1", "A2"), "pmxml": ("A1", "A2"), "mspdi": ("1", "2")}
FILES = {"xer": (XER, "hall.xer"), "pmxml": (p6(), "hall.xml"), "mspdi": (msp(), "hall.xml")}


@pytest.mark.parametrize("kind", FILES)
def test_activities_and_relations_are_those_of_the_tool(tmp_path, kind):
    schedule = read(tmp_path, *FILES[kind])
    walls, roof = (by_id(schedule)[name] for name in NAMES[kind])

    assert (walls["source"], walls["project_id"], str(walls["data_date"])) == ("hall", "hall", "2025-06-05")
    assert (walls["activity_type"], walls["status"], roof["status"]) == ("task", "not_started", "in_progress")
    assert (walls["planned_minutes"], walls["remaining_minutes"]) == (72 * 60, 72 * 60)
    assert walls["total_float_minutes"] == 6 * 60
    assert [str(walls[name])[:16] for name in ("early_finish", "late_finish")] == [
        "2025-06-20 13:00",
        "2025-06-23 10:00",
    ]
    assert roof["percent_complete"] == 75
    (relation,) = rows(schedule.network, "relations")
    assert (relation["predecessor_id"], relation["successor_id"]) == (NAMES[kind][1], NAMES[kind][0])
    assert (relation["relation_type"], relation["lag_minutes"]) == ("SS", 240)


@pytest.mark.parametrize(("kind", "whose"), [("xer", "predecessor"), ("pmxml", "successor"), ("mspdi", "successor")])
def test_a_lag_counts_on_the_calendar_that_the_schedule_options_say(tmp_path, kind, whose):
    schedule = read(tmp_path, *FILES[kind])

    (relation,) = rows(schedule.network, "relations")
    walls = by_id(schedule)[NAMES[kind][0]]
    assert (relation["lag_calendar"], relation["lag_calendar_id"]) == (whose, walls["calendar_id"])


@pytest.mark.parametrize("kind", FILES)
def test_calendars_have_week_and_the_exceptions_of_their_base(tmp_path, kind):
    schedule = read(tmp_path, *FILES[kind])

    calendar = by_id(schedule, "calendars", "calendar_id")[by_id(schedule)[NAMES[kind][0]]["calendar_id"]]
    assert json.loads(calendar["week"]) == [[[480, 720], [780, 1020]]] * 5 + [[], []]
    assert json.loads(calendar["exceptions"])["2025-06-09"] == []
    assert (calendar["hours_per_day"], calendar["hours_per_week"]) == (8, 40)


def test_constraints_expected_finish_and_kind_of_per_cent_are_kept(tmp_path):
    text = p6().replace(
        "<PercentCompleteType>Duration</PercentCompleteType><PlannedDuration>72",
        "<PercentCompleteType>Units</PercentCompleteType><ExpectedFinishDate>2025-06-30T17:00:00</ExpectedFinishDate>"
        "<PrimaryConstraintType>Start On or After</PrimaryConstraintType>"
        "<PrimaryConstraintDate>2025-06-06T08:00:00</PrimaryConstraintDate><PlannedDuration>72",
    )
    task = by_id(read(tmp_path, text, "hall.xml"))["A1"]
    assert (task["constraint_type"], str(task["constraint_date"])) == ("start_on_or_after", "2025-06-06 08:00:00")
    assert (str(task["expected_finish"]), task["percent_complete_type"]) == ("2025-06-30 17:00:00", "units")

    text = msp().replace(
        "<CalendarUID>-1</CalendarUID><PredecessorLink>",
        "<CalendarUID>-1</CalendarUID><ConstraintType>7</ConstraintType><Deadline>2025-07-01T17:00:00</Deadline>"
        "<ConstraintDate>2025-06-30T17:00:00</ConstraintDate><PredecessorLink>",
    )
    task = by_id(read(tmp_path, text, "hall.xml"))["1"]
    assert (task["constraint_type"], task["second_constraint_type"]) == ("finish_on_or_before", "deadline")


def test_lags_of_ms_project_may_be_elapsed_or_shares(tmp_path):
    elapsed = read(tmp_path, msp().replace("<LagFormat>5<", "<LagFormat>8<"), "hall.xml")
    share = read(tmp_path, msp().replace("2400</LinkLag>\n<LagFormat>5<", "50</LinkLag>\n<LagFormat>19<"), "hall.xml")

    assert rows(elapsed.network, "relations")[0]["lag_calendar"] == "elapsed"
    assert rows(elapsed.network, "relations")[0]["lag_calendar_id"] is None
    assert (rows(share.network, "relations")[0]["lag_percent"], rows(share.network, "relations")[0]["lag_minutes"]) == (
        50,
        None,
    )


def test_a_link_of_a_task_without_a_number_is_left_out(tmp_path):
    nameless = msp().replace("<Task><UID>1</UID><ID>2</ID>", "<Task><ID>7</ID>")
    assert nameless != msp()

    assert rows(read(tmp_path, nameless, "hall.xml").network, "relations") == []


def test_an_inactive_task_is_no_part_of_the_network_and_a_summary_is(tmp_path):
    found = by_id(read(tmp_path, msp(), "hall.xml"))

    assert {name: row["activity_type"] for name, row in found.items()} == {
        **{"0": "summary", "5": "summary", "1": "task", "2": "task", "6": "finish_milestone"}
    }


TABLE = (
    "Nr.;Eindeutige Nr.;Vorgangsname;Anfang;Ende;Ist-Anfang;Ist-Ende;Dauer;Verbleibende Dauer;Vorgänger;Nachfolger;"
    "Meilenstein;Statusdatum\r\n"
    "1;10;Wände;02.06.2025;06.06.2025;NV;NV;5 Tage;5 Tage;;3EA;Nein;01.06.2025\r\n"
    "2;20;Frei;09.06.2025;09.06.2025;NV;NV;0 Tage;0 Tage;1EA+2 Tage;;Ja;01.06.2025\r\n"
    "3;30;Dach;10.06.2025;20.06.2025;NV;NV;9 Tage;9 Tage;1EA;2AA+1 Woche;Nein;01.06.2025\r\n"
)


def test_links_of_a_table_name_lines_and_both_columns_are_one_network(tmp_path):
    schedule = read(tmp_path, TABLE, "hall.csv")
    found = {(row["predecessor_id"], row["successor_id"]): row for row in rows(schedule.network, "relations")}

    assert {key: (row["relation_type"], row["lag_minutes"]) for key, row in found.items()} == {
        ("10", "20"): ("FS", 960),
        # In both columns, and one relation.
        ("10", "30"): ("FS", 0),
        ("30", "20"): ("SS", 2400),
    }
    # A milestone is no activity that can be late, and a part of the network.
    assert sorted(by_id(schedule)) == ["10", "20", "30"]
    assert by_id(schedule)["30"]["remaining_minutes"] == 9 * 480


def test_a_table_without_relations_has_no_network(tmp_path):
    schedule = read(tmp_path, TABLE.replace("Vorgänger", "x").replace("Nachfolger", "y"), "hall.csv")

    assert schedule.network == {}


def merged(folder: Path, *schedules: Schedule) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for place, schedule in enumerate(schedules):
        target = folder / f"merged-{len(list(folder.iterdir()))}-{place}"
        target.mkdir()
        files = network.merge(files, schedule.network, target)
    return files


def digests(files: dict[str, Path]) -> dict[str, str]:
    return {name: versions.sha256(path) for name, path in files.items()}


def test_each_data_date_is_kept_and_the_order_of_files_does_not_matter(tmp_path):
    updates = [read(tmp_path, XER, "hall.xer", day) for day in ("2025-06-05", "2025-06-04", "2025-06-03")]
    first, second = merged(tmp_path, *updates), merged(tmp_path, *reversed(updates))

    assert digests(first) == digests(second)
    assert len(rows(first, "activities")) == 6
    assert len({row["data_date"] for row in rows(first, "relations")}) == 3
    assert digests(first) == digests(merged(tmp_path, *updates, updates[1]))


def test_a_correction_replaces_the_network_of_its_project_on_its_day(tmp_path):
    wrong = read(tmp_path, XER, "hall.xer")
    right = read(tmp_path, XER.replace("PR_SS\t4", "PR_FF\t0").replace("\tA2\t", "\tA3\t"), "hall.xer")

    assert digests(merged(tmp_path, wrong, right)) == digests(merged(tmp_path, right))


def test_old_data_dates_are_dropped_beyond_a_number(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "KEPT", 2)
    updates = [read(tmp_path, XER, "hall.xer", day) for day in ("2025-06-05", "2025-06-04", "2025-06-03")]

    kept = {str(row["data_date"]) for row in rows(merged(tmp_path, *updates), "activities")}

    assert kept == {"2025-06-05", "2025-06-04"}


def test_nothing_of_the_network_reaches_the_table_of_the_features(tmp_path):
    changed = XER.replace("PR_SS\t4", "PR_FF\t40").replace(
        "2025-06-05 08:00\t2025-06-06 10:00", "2025-06-05 08:00\t2025-06-09 10:00"
    )
    plain, other = read(tmp_path, XER, "hall.xer"), read(tmp_path, changed, "hall.xer")

    assert digests(plain.network)["activities"] != digests(other.network)["activities"]
    assert digests(plain.network)["relations"] != digests(other.network)["relations"]
    # The finish that is planned now is kept for the scoreboard; it is no feature.
    known = [[{**row, "planned_finish": None} for row in schedule.rows()] for schedule in (plain, other)]
    assert known[0] == known[1]
    origin = {"source", "source_sha256", "activity_guid", "baseline_source", "baseline_data_date"}
    assert set(plain.rows()[0]) == {column.name for column in COLUMNS} | origin


def test_the_id_of_a_version_stands_for_its_network_too(tmp_path):
    schedule = read(tmp_path, XER, "hall.xer")
    manifest = versions.describe(schedule.table, tmp_path, tolerance_days=30)

    whole = versions.with_network(manifest, schedule.network, tmp_path)

    assert versions.with_network(manifest, {}, tmp_path) == manifest
    assert whole["dataset_id"] != manifest["dataset_id"]
    assert whole["network"]["relations"] == {"sha256": digests(schedule.network)["relations"], "rows": 1}


def test_rows_are_sorted_by_what_they_are_about(tmp_path):
    found = [
        (row["project_id"], row["data_date"], row["activity_id"])
        for row in rows(read(tmp_path, XER, "hall.xer").network, "activities")
    ]

    assert all(first < second for first, second in pairwise(found))
