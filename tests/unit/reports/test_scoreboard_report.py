"""The page of the scoreboard: it says what the figures say, whatever stands in them, and needs nothing else."""

import pandas as pd
import pytest

from slipcast.forecast import scoreboard
from slipcast.reports.scoreboard import render
from support import kept_forecasts
from support.page import Page

HOSTILE = "</title></style></svg>'\"><script>alert(1)</script><img src=//x.example/y onerror=z>$\\frac{a}$ \x00é漢"


def board(factor: float = 1.0, model: str = "m", **changed) -> dict:
    rows, finishes = kept_forecasts.portfolio(factor)
    table = pd.DataFrame(rows).assign(**changed)
    for name in ("data_date", "planned_finish", *scoreboard.LEVELS):
        table[name] = pd.to_datetime(table[name])
    facts = pd.DataFrame(
        [(*key, pd.Timestamp(kept_forecasts.day(400)), pd.Timestamp(kept_forecasts.day(value)))
         for key, value in finishes.items()],
        columns=["project_id", "activity_id", "data_date", "actual_finish"],
    )  # fmt: skip
    judged = scoreboard.judged(table, facts)
    return scoreboard.document(judged, model) | {"at": "2026-11-30T12:00:00+00:00", "dataset_id": "0f3c9a7be21d4c55"}


def test_the_page_says_how_often_p80_held_and_what_the_planner_reached():
    found = board()
    page = Page(render(found))

    assert page.problems == []
    held = f"{found['total']['p80_held']:.0%}".replace("%", " %")
    assert f"Of the finishes we called 80 % sure, {held} held" in page.text
    assert "planner" in page.text
    for heading in ("By horizon", "By project", "By model", "By stage", "By data date"):
        assert heading in page.text
    assert render(found) == render(found)


def test_a_p80_that_does_not_hold_says_what_to_do():
    page = Page(render(board(0.4)))

    assert "P80 no longer holds" in page.text
    assert "add a reserve" in page.text


def test_too_few_forecasts_and_none_are_no_verdict():
    assert "too few forecasts" in Page(render(board(model="another"))).text
    empty = scoreboard.document(pd.DataFrame(), "m") | {"at": "2026-11-30T12:00:00+00:00", "dataset_id": "d"}
    page = Page(render(empty))
    assert page.problems == []
    assert "No finish that we called 80 % sure has come due yet" in page.text


@pytest.mark.parametrize("column", ["source", "model_id"])
def test_hostile_names_are_text(column):
    page = Page(render(board(model=HOSTILE if column == "model_id" else "m", **{column: HOSTILE})))

    assert page.problems == []
    assert "alert(1)" in page.text
