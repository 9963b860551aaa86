"""The network of files of each tool, as what is scheduled."""

from datetime import datetime
from pathlib import Path

import pytest

from slipcast.datasets.database import connect
from slipcast.datasets.network_columns import TABLES
from slipcast.ingest.read_network import read_network, read_rows
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Key, Status
from slipcast.schedule.options import FloatKind, Options, OutOfSequence
from slipcast.schedule.tables import network_of
from slipcast.schedule.working_time import moment_of
from support.hall import XER, msp, p6

OPTIONS = (
    "%T\tSCHEDOPTIONS\r\n"
    "%F\tschedoptions_id\tproj_id\tsched_open_critical_flag\tsched_lag_early_start_flag\tsched_retained_logic\t"
    "sched_float_type\tsched_progress_override\tsched_use_project_end_date_for_float\r\n"
    "%R\t1\t100\tY\tN\tN\tFT_Min\tY\tN\r\n%T\tTASKPRED"
)
OTHER = Options(OutOfSequence.PROGRESS_OVERRIDE, True, True, False, FloatKind.SMALLEST)


def put(folder: Path, text: str, name: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_the_schedule_options_of_p6_are_those_of_the_project(tmp_path):
    plain = read_network(put(tmp_path, XER, "plain.xer"))
    other = read_network(put(tmp_path, XER.replace("%T\tTASKPRED", OPTIONS), "other.xer"))
    xml = p6().replace(
        "<ScheduleOptions>",
        "<ScheduleOptions><CalculateFloatBasedOnFinishDate>0</CalculateFloatBasedOnFinishDate>"
        "<ComputeTotalFloatType>Smallest of Start Float and Finish Float</ComputeTotalFloatType>"
        "<MakeOpenEndedActivitiesCritical>1</MakeOpenEndedActivitiesCritical>"
        "<OutOfSequenceScheduleType>Progress Override</OutOfSequenceScheduleType>"
        "<StartToStartLagCalculationType>0</StartToStartLagCalculationType>",
    )

    assert plain.projects["HALL"].options == Options()
    assert other.projects["HALL"].options == OTHER
    assert read_network(put(tmp_path, xml, "other.xml")).projects["HALL"].options == OTHER


@pytest.mark.parametrize(
    ("text", "name", "walls", "roof"),
    [(XER, "hall.xer", "A1", "A2"), (p6(), "hall.xml", "A1", "A2"), (msp(), "hall.xml", "1", "2")],
)
def test_one_project_has_the_same_dates_in_each_notation(tmp_path, text, name, walls, roof):
    network = read_network(put(tmp_path, text, name))
    (project,) = network.projects

    dates = schedule(network)

    assert network.activities[Key(project, roof)].status is Status.IN_PROGRESS
    found = dates.activities[Key(project, walls)]
    # The lag of four hours has passed since the roof's start; MS Project's status date is the end of the day.
    begin = datetime(2025, 6, 6, 8) if name == "hall.xml" and walls == "1" else datetime(2025, 6, 5, 8)
    assert moment_of(found.early_start) == begin
    assert dates.compiled.by_key[Key(project, walls)].clock.between(found.early_start, found.early_finish) == 72 * 60


def test_the_tables_of_a_dataset_version_are_the_network_of_the_file(tmp_path):
    path = put(tmp_path, XER.replace("%T\tTASKPRED", OPTIONS), "hall_2025-06-05.xer")
    work = tmp_path / "work"
    work.mkdir()
    files = read_schedule(path, path.name, workdir=work).network
    with connect(tmp_path) as database:
        rows = {}
        for name, file in files.items():
            found = database.execute("SELECT * FROM read_parquet(?)", [str(file)])
            columns = [column[0] for column in found.description]
            rows[name] = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]

    version, file = network_of(rows), read_network(path)

    assert rows.keys() == TABLES.keys()
    (project,) = version.projects
    assert version.projects[project] == file.projects["HALL"]
    assert [
        (found.early_start, found.late_finish, found.total_float) for found in schedule(version).activities.values()
    ] == [(found.early_start, found.late_finish, found.total_float) for found in schedule(file).activities.values()]


def test_what_contradicts_or_says_nothing_gives_way(tmp_path):
    rows = read_rows(put(tmp_path, XER, "hall.xer"))
    first, second = rows["activities"]
    first |= {"status": "not_started", "actual_start": "2025-06-04 08:00", "constraint_type": "start_on"}
    second |= {"remaining_minutes": "", "early_start": "9999-01-01 00:00", "expected_finish": "9999-01-01 00:00"}
    rows["relations"][0] |= {"relation_type": "XX", "lag_minutes": "", "lag_percent": "50"}

    network = network_of(rows)

    walls, roof = network.activities.values()
    assert (walls.status, walls.constraints) == (Status.IN_PROGRESS, ())
    assert (roof.remaining, roof.expected_finish) == (roof.duration, None)
    assert (network.relations[0].kind, network.relations[0].lag) == ("FS", roof.duration / 2)


def test_a_project_without_any_date_is_refused_with_a_remedy(tmp_path):
    text = XER.replace("2025-06-05 08:00\tY", "\tY")
    rows = read_rows(put(tmp_path, text, "hall.xer"))
    for row in rows["activities"]:
        row["planned_start"] = ""

    with pytest.raises(ValueError, match="no data date"):
        network_of(rows)
    path = put(tmp_path, "Activity ID;Start\r\nA;2025-01-01\r\n", "table.csv")
    with pytest.raises(ScheduleRefused, match="Export XER or XML"):
        read_network(path)
