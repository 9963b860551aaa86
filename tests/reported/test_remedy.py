"""Remedy that does not help: a message says what to do, and who does it gets the same message again."""

# objectionary/phino#389: a message names the option that was given, and not the command that is missing

import csv
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from slipcast.ingest.files.formats import Limits
from slipcast.ingest.mapping.profile import built_in, load_profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule
from slipcast.ingest.sql.rules import BEFORE_BASELINE_START, BEFORE_START, PLANNED, ROW_RULES, cell_rules
from slipcast.schema import COLUMNS

HEADER = (
    *("activity_id", "data_date", "status", "start", "baseline_start", "baseline_finish", "actual_finish"),
    *("baseline_duration_days", "total_float_days", "predecessor_count", "budget", "percent_complete"),
)
GOOD = {
    **{"activity_id": "A1", "data_date": "2024-12-31", "status": "complete", "start": "2023-01-02"},
    **{"baseline_start": "2023-01-02", "baseline_finish": "2023-06-30", "actual_finish": "2023-07-10"},
    **{"baseline_duration_days": "180", "total_float_days": "3", "predecessor_count": "2", "budget": "1000"},
    **{"percent_complete": "100"},
}


def table(*rows: dict[str, str], header: tuple[str, ...] = HEADER) -> bytes:
    """Return a CSV file of ten good rows and of `rows`."""
    out = io.StringIO()
    writer = csv.DictWriter(out, header, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows([GOOD | {"activity_id": f"G{number}"} for number in range(10)] + [GOOD | row for row in rows])
    return out.getvalue().encode()


@dataclass(frozen=True)
class Case:
    """A cell that breaks a rule, and the same cell after its remedy was carried out."""

    remedy: str
    wrong: dict[str, str]
    right: dict[str, str]


# In the profile that the remedy speaks of.
PROFILE = f"""
name: own
title: Own
columns: {{{", ".join(f"{name}: [{name}]" for name in HEADER)}}}
dates: {{formats: ["%d of %B %Y"]}}
numbers: {{decimal: ",", thousands: "."}}
status: {{complete: [fertig]}}
"""
CELLS = (
    Case(
        "Write it as year-month-day, or give dates.formats in the profile", {"start": "soon"}, {"start": "2023-01-02"}
    ),
    Case("Check the year", {"actual_finish": "0203-07-10"}, {"actual_finish": "2023-07-10"}),
    Case("Write digits with a decimal point, or give numbers in the profile", {"budget": "a lot"}, {"budget": "12.5"}),
    Case("Write digits with a decimal point, or give numbers in the profile", {"budget": "1e15"}, {"budget": "1e14"}),
    Case("Write days as a number, or with a unit as in 12d", {"total_float_days": "x"}, {"total_float_days": "12d"}),
    Case("Use one of them, or leave it empty", {"status": "nearly"}, {"status": ""}),
    Case("Use one of them, or leave it empty", {"status": "nearly"}, {"status": "complete"}),
    Case("Fill it in", {"start": ""}, {"start": "2023-01-02"}),
    Case(
        "Check start and baseline finish",
        {"baseline_finish": "2022-01-01", "baseline_start": "", "baseline_duration_days": ""},
        {"baseline_start": "", "baseline_duration_days": ""},
    ),
    Case("Check the baseline", {"baseline_finish": "2022-01-01"}, {}),
    Case(
        "Give the planned duration, or leave it empty",
        {"baseline_duration_days": "-3", "baseline_start": ""},
        {"baseline_duration_days": "", "baseline_start": ""},
    ),
    Case(
        "Check the unit of the duration, or the year of the baseline finish",
        {"baseline_duration_days": "99999", "baseline_start": ""},
        {"baseline_duration_days": "99", "baseline_start": ""},
    ),
    Case("Check start and finish", {"actual_finish": "2022-12-31"}, {"actual_finish": "2023-12-31"}),
    Case(
        "A finish in the future is a forecast: leave it empty",
        {"actual_finish": "2025-01-01", "status": "in_progress"},
        {"actual_finish": "", "status": "in_progress"},
    ),
    Case("Give the finish or the right status", {"actual_finish": ""}, {"actual_finish": "", "status": "in_progress"}),
    Case("Give per cent", {"percent_complete": "101"}, {"percent_complete": "10.1"}),
    Case("Leave it empty if it is not known", {"budget": "-1"}, {"budget": ""}),
    Case("Leave it empty if it is not known", {"predecessor_count": "-1"}, {"predecessor_count": ""}),
    Case(
        "Shorten it",
        {"activity_id": "A" * 10_001, "status": "complete\n"},
        {"activity_id": "A" * 100, "status": "complete"},
    ),
    Case("Give each activity an id of its own", {"activity_id": "G1"}, {"activity_id": "G11"}),
)


@pytest.fixture
def read(tmp_path) -> Callable[..., Any]:
    """Read a file as the prepare function does, each time in a folder of its own."""
    number = iter(range(1000))

    def reading(raw: bytes, name: str = "hall_2024-12-31.csv", **options: Any) -> Any:
        work = tmp_path / str(next(number))
        work.mkdir()
        (work / "dropped").write_bytes(raw)
        return read_schedule(work / "dropped", name, workdir=work, **options)

    return reading


@pytest.mark.parametrize("case", CELLS, ids=lambda case: f"{case.remedy[:30]} {next(iter(case.wrong.values()))[:12]}")
def test_a_cell_that_is_corrected_as_told_is_accepted(read, case):
    found = read(table(case.wrong))

    assert found.counts["rejected"] == 1
    with found.rejected.open(encoding="utf-8", newline="") as lines:
        assert case.remedy in [row["remedy"] for row in csv.DictReader(lines)]
    mended = read(table(case.right))
    assert (mended.counts["accepted"], mended.counts["rejected"], mended.rejected) == (11, 0, None)


def test_each_remedy_for_a_cell_is_carried_out():
    mapped = [column.name for column in COLUMNS if column.name != "schedule_adherence"]
    rules = [*cell_rules(mapped, ["start"]), PLANNED, *BEFORE_START, *BEFORE_BASELINE_START, *ROW_RULES]

    assert {rule.remedy for rule in rules} <= {case.remedy for case in CELLS}


@dataclass(frozen=True)
class File:
    """A file that is refused whole, and what its remedy makes of it."""

    remedy: str
    wrong: bytes
    right: bytes
    name: str = "hall_2024-12-31.csv"
    new_name: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    new_options: dict[str, Any] = field(default_factory=dict)


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in HEADER if name not in names)


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return out.getvalue()


TWICE = table().replace(b"budget", b"start", 1)
DAYS = (
    table()
    .replace(b"2023-01-02", b"02/01/2023")
    .replace(b"2023-06-30", b"06/06/2023")
    .replace(b"2023-07-10", b"07/07/2023")
)
NAMELESS = re.sub(rb"\nG\d", b"\n", table())
SEVERAL_DATES = table({"data_date": "2024-11-30"}, {"data_date": "2024-11-30", "activity_id": "A2"})
FILES = (
    File("Export the schedule again", b"\n", table()),
    File("Export these columns too, or write a profile", table(header=without("start")), table()),
    File("Remove or rename one of them", TWICE, table().replace(b"budget", b"other", 1)),
    File("Export the schedule again", table().splitlines(keepends=True)[0], table()),
    File(
        "Put the data date into its name",
        table({"actual_finish": "", "status": ""}, header=without("data_date")),
        table({"actual_finish": "", "status": ""}, header=without("data_date")),
        name="hall.csv",
        new_name="hall_2024-12-31.csv",
    ),
    File(
        "or into a column data_date",
        table({"actual_finish": "", "status": ""}, header=without("data_date")),
        table({"actual_finish": "", "status": ""}),
        name="hall.csv",
    ),
    File("Assign a baseline in the scheduling tool", table().replace(b"2023-06-30", b""), table()),
    File("Export it as well", NAMELESS, table()),
    File("Drop one file for each data date", SEVERAL_DATES, table()),
    File("Write it as year-month-day", DAYS, table()),
    File(
        "Drop them in several parts",
        packed({f"h_{n}.csv": table() for n in range(61)}),
        packed({f"hall_{n}.csv": table() for n in (1, 2)}),
        name="hall.zip",
    ),
    File(
        "Pack the schedules once, or not at all",
        packed({"a.csv": table(), "b.zip.csv": packed({"c.csv": table()})}),
        packed({"a.csv": table(), "c.csv": table()}),
        name="hall.zip",
    ),
    File(
        "Remove some, or look for line breaks that were lost",
        table(),
        table(),
        options={"limits": Limits(max_columns=5)},
        new_options={"limits": Limits(max_columns=50)},
    ),
)


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.remedy[:40])
def test_a_file_that_is_corrected_as_told_is_accepted(read, case):
    with pytest.raises(ScheduleRefused) as refused:
        read(case.wrong, case.name, **case.options)

    assert case.remedy in refused.value.remedy
    assert case.remedy in str(refused.value)
    assert read(case.right, case.new_name or case.name, **case.new_options).counts["accepted"] >= 10


def test_a_profile_does_what_remedies_say_of_it(read):
    own = load_profile(PROFILE, "profiles/own.yaml")
    raw = table({"start": "2 of January 2023", "budget": "1.000,5", "status": "fertig"})

    assert read(raw).counts["rejected"] == 1
    found = read(raw, profile=own)
    assert found.counts["rejected"] == 0
    assert 1000.5 in [row["budget"] for row in found.rows()]


def test_a_file_that_fits_two_profiles_is_read_from_the_folder_of_one(read):
    canonical = next(profile for profile in built_in() if profile.name == "canonical")
    twin = canonical.model_copy(update={"name": "twin"})

    with pytest.raises(ScheduleRefused, match="equally well") as refused:
        read(table(), profiles=[canonical, twin])

    assert "incoming/canonical/" in refused.value.remedy
    # The folder is what chooses a profile.
    assert read(table(), profile=canonical).profile.name == "canonical"
