"""``slipcast schedule`` and ``slipcast compare``: files of P6 and MS Project, for people and for programs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from slipcast_cli.main import REFUSED, cli

EXAMPLES = Path(__file__).parents[3] / "examples" / "exports"


def run(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    "name", ["p6_bronx_2024-06-30.xer", "p6_highbridge_2023-12-31.xml", "msproject_canarsie_2023-12-31.xml"]
)
def test_dates_path_and_checks_of_a_file_are_printed(name):
    result = run("schedule", EXAMPLES / name, "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["checks"]) == 17
    rows = found["activities"]
    assert all(row["early_start"] <= row["early_finish"] for row in rows)
    finish = max(project["early_finish"] or "" for project in found["projects"].values())
    path = [row for row in rows if row["longest_path"]]
    assert max(row["early_finish"] for row in path) == finish
    text = run("schedule", EXAMPLES / name)
    assert text.exit_code == 0
    assert "longest path" in text.stdout
    assert "critical path length index" in text.stdout


def test_two_updates_are_compared():
    first, second = (EXAMPLES / f"p6_bronx_{day}.xer" for day in ("2022-06-30", "2024-06-30"))

    result = run("compare", first, second, "--json")

    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["slips"]
    assert {"project_id", "activity_id", "activity_name", "days", "float_consumed_hours", "driver"} == found["slips"][
        0
    ].keys()
    assert run("compare", first, second).exit_code == 0


def test_a_table_without_calendars_is_refused_with_a_remedy():
    result = run("schedule", EXAMPLES / "p6_queens_2024-09-30.csv")

    assert result.exit_code == REFUSED
    assert "Export XER or XML" in result.output


def test_a_cycle_is_refused_with_its_activities(tmp_path):
    text = (EXAMPLES / "p6_bronx_2024-06-30.xer").read_bytes().decode("latin-1")
    lines = text.split("\n")
    table = next(place for place, line in enumerate(lines) if line.startswith("%T\tTASK") and "PRED" not in line)
    fields = lines[table + 1].rstrip("\r").split("\t")
    rows = [dict(zip(fields, lines[table + number].rstrip("\r").split("\t"), strict=False)) for number in (2, 3)]
    ids = [row["task_id"] for row in rows]
    cycle = "\n".join(
        [
            "%T\tTASKPRED",
            "%F\ttask_pred_id\ttask_id\tpred_task_id\tpred_type\tlag_hr_cnt",
            f"%R\t990001\t{ids[0]}\t{ids[1]}\tPR_FS\t0",
            f"%R\t990002\t{ids[1]}\t{ids[0]}\tPR_FS\t0",
        ]
    )
    file = tmp_path / "cycle_2024-06-30.xer"
    file.write_bytes(text.replace("%E", f"{cycle}\n%E").encode("latin-1"))

    result = run("schedule", file)

    assert result.exit_code == REFUSED
    assert "wait for each other" in result.output
    assert rows[0]["task_code"] in result.output
