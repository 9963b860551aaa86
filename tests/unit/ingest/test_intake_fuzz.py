"""Damaged files are read, read in part or refused; nothing else. benchmarks/fuzz_intake.py does the same for longer."""

import dataclasses
import os
import random

import duckdb
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from intake_fuzz import checks
from intake_fuzz.cases import Case, case, cases
from intake_fuzz.cells import CELLS
from intake_fuzz.checks import check
from intake_fuzz.outcomes import Violation
from intake_fuzz.runs import described, merged, run
from intake_fuzz.seeds import seeds
from intake_fuzz.text import BYTES, TEXTS, written
from intake_fuzz.xml import XMLS
from slipcast.ingest.refusal import ScheduleRefused
from support.budgets import examples

CASES = int(os.environ.get("SLIPCAST_FUZZ_CASES", examples(24, 120)))
HEADER = "activity_id,start,baseline_finish,data_date"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<a xmlns="x"><b>1</b><b>2</b></a>\n'
GOOD = "A,2024-01-01,2024-03-01,2024-06-30"
BAD = "B,soon,=1+1,2024-06-30"
FILE = Case("x.csv", f"{HEADER}\n{GOOD}\n{BAD}\n".encode(), max_bad_share=1.0)


@settings(max_examples=CASES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(damaged=cases(), thorough=st.integers(0, 4))
def test_a_damaged_file_adds_up_or_is_refused(damaged, thorough):
    note(" > ".join(damaged.steps))
    check(damaged, thorough=thorough == 0)


def test_undamaged_files_are_read():
    """Else every case would end in the same refusal."""
    for seed in seeds():
        raw = seed.raw or written([list(row) for row in seed.rows], random.Random(1)).encode()
        outcome = check(Case(seed.name, raw, seed.profile), thorough=False)
        assert outcome.kind in ("dataset", "dataset and quarantine"), f"{seed.name}: {outcome.refusal}"


def test_a_case_is_known_by_its_number():
    assert [case(3, index) for index in range(40)] == [case(3, index) for index in range(40)]
    assert case(3, 1) != case(4, 1)


@pytest.mark.parametrize(
    ("kinds", "whole"), [(CELLS, None), (TEXTS, "a,b\n1,2\n3;4\n"), (BYTES, b"a,b\n1,2\n3;4\n"), (XMLS, XML)]
)
def test_each_kind_of_damage_changes_something(kinds, whole):
    for name, change in kinds.items():
        results = []
        for number in range(30):
            before = whole if whole is not None else [["a", "b", "c"], ["1", "2", "3"], ["4", "5", "6"]]
            after = change(before, random.Random(number))
            results.append((before if whole is None else after) != (whole or [list("abc"), list("123"), list("456")]))
        assert any(results), name


def test_a_sound_reading_is_no_violation():
    assert check(FILE).kind == "dataset and quarantine"


def _counts(**wrong: int):
    return lambda schedule: dataclasses.replace(schedule, counts=schedule.counts | wrong)


def _quarantine(old: str, new: str):
    def change(schedule):
        schedule.rejected.write_text(schedule.rejected.read_text().replace(old, new))
        return schedule

    return change


def _another_id(schedule):
    table = schedule.table.with_name("other.parquet")
    with duckdb.connect() as database:
        rows = database.read_parquet(str(schedule.table))
        rows.select(duckdb.SQLExpression("* REPLACE ('Z' AS activity_id)")).write_parquet(str(table))
    return dataclasses.replace(schedule, table=table)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_counts(read=3), "do not add up"),
        (_counts(read=3, accepted=2), "the table holds 1 rows"),
        (_counts(read=1, rejected=0), "1 lines in quarantine"),
        (_counts(read=3, filtered=1), "2 rows below the header"),
        (_quarantine("'=1+1", "=1+1"), "=1\\+1"),
        (_quarantine("soon", "never"), "is not in its line"),
        (_quarantine("\n3,", "\n9,"), "line 9 of 4"),
        (_quarantine("3,baseline_finish", "2,baseline_finish"), "2 lines in quarantine"),
        (_another_id, "'Z' is not in the file"),
        (lambda schedule: dataclasses.replace(schedule, notes=("<b>",), source="<x>"), None),
    ],
)
def test_a_wrong_reading_is_a_violation(monkeypatch, change, complaint):
    read = checks.read_schedule
    monkeypatch.setattr(checks, "read_schedule", lambda *args, **options: change(read(*args, **options)))

    if complaint is None:
        assert check(FILE).kind == "dataset and quarantine"
    else:
        with pytest.raises(Violation, match=complaint):
            check(FILE)


@pytest.mark.parametrize(
    ("refusal", "complaint"),
    [
        (ScheduleRefused("y.csv", "bad", "Mend it"), "is about 'y.csv'"),
        (ScheduleRefused("x.csv", "bad", " "), "no remedy"),
        (ScheduleRefused("x.csv", "bad", "Mend it", 9), "row 9 of 4"),
        (ScheduleRefused("x.csv", "2 of 2 rows are bad, at most 0% may be; the first: 'never' is", "x", 3), "line 3"),
        (ScheduleRefused("x.csv", "the header names phase twice", "Mend it", 1), "not twice in line 1"),
        (ScheduleRefused("x.csv", "x" * 4000, "Mend it"), "characters"),
    ],
)
def test_a_refusal_that_misleads_is_a_violation(monkeypatch, refusal, complaint):
    def refuse(*_, **__):
        raise refusal

    monkeypatch.setattr(checks, "read_schedule", refuse)

    with pytest.raises(Violation, match=complaint):
        check(FILE)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<script>", "<script>"),
        ("<bdi onclick=x></bdi>", "onclick"),
        ("<!-- -->", "comment"),
        ("</td>", "closes nothing"),
    ],
)
def test_markup_in_the_page_is_a_violation(monkeypatch, text, complaint):
    page = checks.render
    monkeypatch.setattr(checks, "render", lambda document: page(document).replace("</td>", f"{text}</td>", 1))

    with pytest.raises(Violation, match=complaint):
        check(FILE)


def test_any_other_end_than_a_refusal_is_a_violation(monkeypatch):
    monkeypatch.setattr(checks, "read_schedule", lambda *_, **__: 1 / 0)

    tally = run(11, range(3))

    assert [index for index, _ in tally.failed] == [0]
    assert "ZeroDivisionError" in tally.failed[0][1]
    assert described(merged([tally, tally])).endswith("2 violations")
