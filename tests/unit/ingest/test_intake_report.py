"""The report on an upload: as a document for programs, as a page for people, and harmless whatever the file says."""

from datetime import date
from html.parser import HTMLParser

import pytest

from slipcast.ingest import report
from slipcast.ingest.mapping.profile import Profile
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule

COUNTS = {"read": 12_345, "accepted": 12_001, "rejected": 0, "filtered": 344}
LABELS = {"matured": 7_000, "late": 3_100, "open": 801, "censored": 5_001}
PROBLEM = {"column": "budget", "reason": "is not a number", "remedy": "Write digits", "cells": 1_234}
BAD = {"line": "17", "column": "budget", "value": "a lot", "reason": "is not a number", "remedy": "Write digits"}
EVIL = "<script>alert('x')</script>\"&"


def schedule(tmp_path, **other) -> Schedule:
    columns = {"activity_id": "Id", "phase": {"join": ["Phase", "Part"]}}
    known = {
        **{"table": tmp_path, "rejected": None, "counts": COUNTS, "problems": [], "data_date": date(2024, 6, 30)},
        **{"source": "plan", "profile": Profile(name="mine", title="My export", columns=columns)},
        **{"header": ("ID", "part", "Notes", "", "phase"), "mapped": ("activity_id", "phase"), "notes": ("a note",)},
    }
    return Schedule(**{**known, **other})


def document(tmp_path, changes: tuple[str, ...] = (), file: str = "plan.csv", **other) -> dict:
    return report.accepted(schedule(tmp_path, **other), file=file, labels=LABELS, changes=list(changes))


class Page(HTMLParser):
    """The texts of a page, its cells row by row, its tags."""

    VOID = ("meta", "br")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts, self.rows, self.tags, self.open = [], [], [], []
        self.feed(html.rstrip())
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        if self.open[-1] not in ("style", "title"):
            self.texts.append(data)


def test_the_document_says_what_was_understood(tmp_path):
    problems = [PROBLEM]

    found = document(tmp_path, ("newly has the columns Part",), problems=problems)

    assert found == {
        "outcome": "accepted",
        "file": "plan.csv",
        "source": "plan",
        "profile": {"name": "mine", "title": "My export"},
        "data_date": "2024-06-30",
        "counts": COUNTS,
        "labels": LABELS,
        "problems": problems,
        "columns": {"read": ["activity_id", "phase"], "not_read": ["Notes"]},
        "changes": ["newly has the columns Part"],
        "notes": ["a note"],
    }
    assert document(tmp_path, data_date=None)["data_date"] is None


def test_the_page_of_a_whole_file(tmp_path):
    page = Page(report.page(document(tmp_path)))
    text = " ".join(page.texts)

    assert page.texts[:2] == ["plan.csv ", "accepted"]
    assert "My export (profile mine), source plan, data date 2024-06-30" in text
    figures = {name: value for value, name in zip(page.texts, page.texts[1:], strict=False)}
    assert figures["rows read"] == "12,345"
    assert figures["accepted"] != "12,345"
    assert [figures[name] for name in ("in quarantine", "left out by filters", "outcome known", "of these late")] == [
        "0",
        "344",
        "7,000",
        "3,100",
    ]
    assert (figures["open"], figures["not due yet"]) == ("801", "5,001")
    assert page.rows == [["Read", "activity_id, phase"]]
    assert "Not read: Notes" in text
    assert "a note" in text
    assert "What is wrong" not in text
    assert "Changed since" not in text


def test_the_page_of_a_file_with_bad_rows(tmp_path):
    counts = COUNTS | {"rejected": 2}
    found = document(tmp_path, ("lost for the model: budget",), counts=counts, problems=[PROBLEM])

    page = Page(report.page(found, [BAD, BAD | {"line": "18"}]))

    assert page.texts[1] == "partly accepted"
    assert page.rows[:2] == [
        ["Column", "Problem", "Cells", "What to do"],
        ["budget", "is not a number", "1,234", "Write digits"],
    ]
    assert page.rows[2:5] == [
        ["Line", "Column", "Value", "Problem"],
        ["17", "budget", "a lot", "is not a number"],
        ["18", "budget", "a lot", "is not a number"],
    ]
    assert {"The first 2 bad cells", "Changed since the last file of this source"} <= set(page.texts)
    assert "lost for the model: budget" in page.texts


def test_a_page_shows_only_the_first_bad_cells(tmp_path):
    page = Page(report.page(document(tmp_path), [BAD | {"line": str(number)} for number in range(500)]))

    assert f"The first {report.SAMPLE} bad cells" in page.texts
    assert [row[0] for row in page.rows[1:-1]] == [str(number) for number in range(report.SAMPLE)]


def test_a_file_without_a_data_date_has_none_on_its_page(tmp_path):
    assert "data date" not in report.page(document(tmp_path, data_date=None))


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [
        (17, "budget", "line 17, column budget"),
        (0, None, "line 0"),
        (None, "budget", "column budget"),
        (None, None, "the file as a whole"),
    ],
)
def test_a_refusal_says_where_why_and_what_to_do(row, column, where):
    refusal = ScheduleRefused("plan.csv", "the cell is no date", "Write a date", row, column)

    found = report.refused("plan.csv", refusal)

    assert found == {
        **{"outcome": "refused", "file": "plan.csv", "why": str(refusal), "row": row, "column": column},
        **{"reason": "the cell is no date", "remedy": "Write a date"},
    }
    page = Page(report.page(found))
    assert page.texts[:2] == ["plan.csv ", "refused"]
    assert page.rows == [["Where", where], ["Why", "the cell is no date"], ["What to do", "Write a date"]]


def test_nothing_of_a_file_is_markup(tmp_path):
    profile = Profile(name="mine", title=EVIL, columns={"activity_id": "Id"})
    evil = document(
        tmp_path,
        (EVIL,),
        file=EVIL,
        profile=profile,
        source=EVIL,
        header=(EVIL,),
        mapped=(EVIL,),
        notes=(EVIL,),
        problems=[{"column": EVIL, "reason": EVIL, "remedy": EVIL, "cells": 1}],
    )
    html = report.page(evil, [dict.fromkeys(BAD, EVIL)])
    page = Page(html)

    assert "script" not in page.tags
    assert "<script" not in html
    # File, title, source, change, note, problem, bad cell and columns all are there to be read.
    assert sum(EVIL in text for text in [*page.texts, *(cell for row in page.rows for cell in row)]) >= 12
    refusal = ScheduleRefused(EVIL, EVIL, EVIL, 1, EVIL)
    refused = report.page(report.refused(EVIL, refusal))
    assert "<script" not in refused
    assert [row[1] for row in Page(refused).rows] == [f"line 1, column {EVIL}", EVIL, EVIL]


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+1", "-1", "\t=1"])
def test_no_cell_of_a_page_that_is_pasted_is_a_formula(tmp_path, cell):
    page = Page(report.page(document(tmp_path), [BAD | {"value": cell, "line": cell}]))

    assert page.rows[1] == [f"'{cell}", "budget", f"'{cell}", "is not a number"]


def test_a_page_needs_nothing_from_elsewhere(tmp_path):
    html = report.page(document(tmp_path))

    assert html.startswith("<!doctype html>")
    assert '<meta charset="utf-8"><title>Slipcast: plan.csv</title>' in html
    assert {"script", "link", "img", "iframe"}.isdisjoint(Page(html).tags)
    assert "http" not in html
    assert "url(" not in html
