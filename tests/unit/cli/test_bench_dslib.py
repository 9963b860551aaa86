"""Reader and tables of DSLIB, with workbooks as the database has them: dates, numbers, texts such as ``3d 5h``."""

import io
import zipfile
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from slipcast.forecast import completion, relative
from slipcast.schedule.engine import schedule
from slipcast.schedule.network import Key, Status
from slipcast.schedule.working_time import minute_of, moment_of
from slipcast_cli import bench_dslib, bench_dslib_methods, bench_dslib_tables, dslib
from slipcast_cli.main import cli

BEGIN = datetime(2014, 3, 3, 8)
HEAD = ["ID", "Name", "WBS", "Predecessors", "Successors", "Baseline Start", "Baseline End", "Duration", "Total Cost"]
TRACKED = ["ID", "Name", "Baseline Start", "Baseline End", "Duration", "Actual Start", "Actual Duration"]
TRACKED += ["Remaining Duration", "Percentage Completed", "Tracking"]


def workbook(sheets):
    """Return an xlsx file; dates become numbers with a date format, as Excel has them."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts, names, links = "", "", ""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number, (name, rows) in enumerate(sheets.items(), 1):
            lines = "".join(f"<row>{''.join(_cell(value) for value in row)}</row>" for row in rows)
            archive.writestr(
                f"xl/worksheets/sheet{number}.xml",
                f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>',
            )
            parts += f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{kinds}.worksheet+xml"/>'
            names += f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>'
            links += f'<Relationship Id="r{number}" Type="{office}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{kinds}.styles+xml"/>{parts}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" '
            f'Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{names}</sheets></workbook>'
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships">{links}<Relationship Id="styles" '
            f'Type="{office}/styles" Target="styles.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/styles.xml",
            f'<styleSheet xmlns="{main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/>'
            f"</cellXfs></styleSheet>",
        )
    return packed.getvalue()


def _cell(value):
    if isinstance(value, datetime):
        return f'<c s="1"><v>{(value - datetime(1899, 12, 30)) / timedelta(days=1)}</v></c>'
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


def agenda():
    hours = [[f"{hour}:00 - {hour + 1}:00", "Yes" if 8 <= hour < 12 or 13 <= hour < 17 else "No"] for hour in range(24)]
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    for row, day in zip(hours, days, strict=False):
        row += ["", day, "No" if day[0] == "S" else "Yes", "", ""]
    # Good Friday.
    hours[0][6] = datetime(2014, 4, 18)
    return [["Working Hours", "", "", "Working Days", "", "", "Holidays (Optional)"], *hours]


def project(rng, factor):
    """Return the sheets of a project: a chain of eight activities of five days that take about `factor` times that."""
    clock = dslib.WorkingTime(dslib._calendar(agenda()), minute_of(BEGIN), minute_of(BEGIN))
    at = clock.worked(minute_of(BEGIN))
    rows, facts, actual = [], [], at
    for number in range(1, 9):
        begin, end = (moment_of(clock.start(at)), moment_of(clock.finish(at + 2400)))
        before = f"{number - 1}FS" if number > 1 else ""
        rows.append([number, f"Step {number}", f"1.{number}", before, "", begin, end, "5d", 1000 + number])
        worked = round(2400 * factor * rng.uniform(0.8, 1.2) / 60) * 60
        facts.append((moment_of(clock.start(actual)), worked, actual + worked))
        at, actual = at + 2400, actual + worked
    summary = [0, "Project", "1", "", "", BEGIN, rows[-1][6], "40d", 8036]
    head = ["General", *[""] * 8]
    sheets = {"Baseline Schedule": [head, HEAD, summary, *rows], "Agenda": agenda()}
    first, last = facts[0][2] - facts[0][1], facts[-1][2]
    for number in range(1, 5):
        now = first + (last - first) * number // 4
        tracked = []
        for row, (begin, worked, finish) in zip(rows, facts, strict=True):
            if finish <= now:
                state = [begin, f"{worked // 480}d {worked % 480 // 60}h", "0", 1, "Finished"]
            elif clock.worked(minute_of(begin)) < now:
                passed = now - clock.worked(minute_of(begin))
                # As most workbooks have it: the share of the duration in the end.
                left = f"{(worked - passed) // 60}h {(worked - passed) % 60}m"
                state = [begin, f"{passed // 60}h {passed % 60}m", left, passed / worked, "Started"]
            else:
                state = ["", "0", "5d", 0, "Not Started"]
            tracked.append([*row[:2], *row[5:8], *state])
        status = ["", "TP Status Date", moment_of(clock.finish(now)), "", "TP Name", f"period {number}"]
        name = "Project Control - TP1" if number == 1 else f"TP{number}"
        sheets[name] = [status, [""], head, TRACKED, *tracked]
    return sheets


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    # As the public copy has it: the overview lies above the folder of the workbooks.
    path = tmp_path_factory.mktemp("dslib") / "Excel"
    path.mkdir()
    rng = np.random.default_rng(3)
    for number in range(1, 19):
        sheets = project(rng, rng.uniform(0.9, 2.5))
        (path / f"C2014-{number:02d} Some Building.xlsx").write_bytes(workbook(sheets))
    overview = [["Project database"], ["Code", "Project name", "Sector"]]
    overview += [
        [f"C2014-{number:02d}", "x", "IT" if number % 3 else "Construction (civil)"] for number in range(1, 19)
    ]
    (path.parent / "DSLIB_Analysis_Scheet.xlsx").write_bytes(workbook({"DSLIB": overview}))
    return path


@pytest.fixture(scope="module")
def projects(folder):
    return list(dslib.read_folder(folder))


def test_a_workbook_is_a_network_with_its_frozen_baseline_and_its_periods(projects):
    first = projects[0]
    assert (first.name, first.sector, len(projects)) == ("C2014-01", "it", 18)
    # The summary is none of the activities.
    assert len(first.network.activities) == 8
    assert [relation.kind for relation in first.network.relations] == ["FS"] * 7
    calendar = first.network.calendars[dslib.CALENDAR]
    assert calendar.week == (((480, 720), (780, 1020)),) * 5 + ((), ())
    assert list(calendar.exceptions) == [datetime(2014, 4, 18).date()]
    # The plan is its own critical path, over the holiday as well.
    dates = schedule(first.network).activities
    for key, item in first.network.activities.items():
        assert dates[key].early_finish == item.planned_finish
    assert len(first.periods) == 4
    assert not any(dslib.unusable(item) for item in projects)


def test_a_period_has_the_state_of_its_date_and_nothing_later(projects):
    first = projects[0]
    network = first.as_of(first.periods[1])
    states = [network.activities[Key("C2014-01", str(number))].status for number in range(1, 9)]
    assert states == sorted(states, key=[Status.COMPLETE, Status.IN_PROGRESS, Status.NOT_STARTED].index)
    assert {Status.COMPLETE, Status.NOT_STARTED} < set(states) | {Status.IN_PROGRESS}
    for item in network.activities.values():
        for moment in (item.actual_start, item.actual_finish):
            assert moment is None or moment <= first.periods[1].data_date
    assert network.projects["C2014-01"].data_date == first.periods[1].data_date


def test_progress_that_knows_the_finish_is_found(projects):
    for share, records in dslib.leaks(projects, 240).values():
        assert share == 1.0
        assert records > 20


def test_honest_progress_is_not_called_a_leak(projects):
    """Progress that says what the plan leaves: the work takes longer."""

    def honest(project):
        periods = []
        for period in project.periods:
            state = project.as_of(period).activities
            said = {
                key: replace(
                    item, percent=1 - state[key].remaining / state[key].duration, remaining=state[key].remaining
                )
                for key, item in period.progress.items()
            }
            periods.append(replace(period, progress=said))
        return replace(project, periods=periods)

    late = [honest(project) for project in projects if len(dslib.finishes(project)) == 8]
    for share, records in dslib.leaks(late, 240).values():
        assert share < 0.5
        assert records > 20


def test_projects_that_are_not_tracked_to_their_end_are_left_out_with_the_reason(projects):
    first = projects[0]
    cut = replace(first, periods=first.periods[:2])
    assert dslib.unusable(cut) == "not complete in the last period"
    assert dslib.unusable(replace(first, periods=[])) == "no tracking periods"


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("3d 5h", 3 * 480 + 300), ("344h", 344 * 60), ("0", 0), (0.0, 0), ("1,5w", 3600), ("n/a", None)],
)
def test_durations_are_days_of_the_agenda(text, minutes):
    assert dslib._length(text, 480) == minutes


@pytest.mark.slow
def test_the_benchmark_judges_every_method_on_the_same_rows(folder, monkeypatch):
    monkeypatch.setattr(bench_dslib_tables, "DRAWS", 20)
    monkeypatch.setattr(bench_dslib_methods, "AT_START_TREES", 5)
    monkeypatch.setattr(bench_dslib_methods, "COMPLETION_FOLDS", 2)
    monkeypatch.setattr(bench_dslib, "FOLDS", 2)
    monkeypatch.setattr(relative, "TREES", 4)
    monkeypatch.setattr(completion, "FOLDS", 2)
    monkeypatch.setattr(completion, "ITERATIONS", 5)
    run = CliRunner().invoke(cli, ["bench", "dslib", str(folder)])
    assert run.exit_code == 0, run.output
    others = "learned from other sectors alone"
    for words in (
        "18 projects",
        *(f"{name} knows the finish in 100%" for name in ("Percent complete", "Remaining duration")),
        "| forecast |",
        "**Completion",
        others,
    ):
        assert words in run.output
    # Who has the workbooks and no overview gets all but the sectors.
    monkeypatch.setattr(dslib, "_sectors", lambda workbook: {})
    run = CliRunner().invoke(cli, ["bench", "dslib", str(folder)])
    assert run.exit_code == 0, run.output
    assert "Sectors are not held out" in run.output
    assert others not in run.output
    refused = CliRunner().invoke(cli, ["bench", "dslib", str(folder.parent / "none")])
    assert refused.exit_code


def test_means_over_projects_count_each_project_once():
    means = bench_dslib.ProjectMeans(pd.Series(["a"] * 9 + ["b"]))
    values = np.array([1.0] * 9 + [3.0])
    assert means.mean(values) == 2
    difference, (low, high), ratio, _ = means.difference(values, np.ones(10))
    assert (difference, ratio) == (1, 1)
    assert low <= 1 <= high
