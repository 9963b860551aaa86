"""Scoreboard: what was forecast, held against what came of it."""

import csv
import io
import json
import math

import numpy as np
import pandas as pd
import pytest

from slipcast.forecast import scoreboard
from slipcast.forecast.scoreboard import (
    GROUPS,
    LEVELS,
    document,
    judged,
    judged_in_parts,
    metrics,
    summary,
    to_csv,
    verdict,
)

DATA_DATE = pd.Timestamp("2025-01-31")


def day(number):
    return DATA_DATE + pd.Timedelta(days=number)


def forecast(activity, *, levels=(10, 20, 40, 60), planned=15, model="m1", project="P1", data_date=DATA_DATE):
    days = {name: day(number) for name, number in zip(LEVELS, levels, strict=True)}
    keys = {
        "source": "towers",
        "project_id": project,
        "activity_id": activity,
        "model_id": model,
        "stage": "in_progress",
    }
    return {**keys, "data_date": data_date, **days, "planned_finish": pd.NaT if planned is None else day(planned)}


def known(activity, finish, *, as_of=50, project="P1"):
    return {
        "source": "towers",
        "project_id": project,
        "activity_id": activity,
        "data_date": day(as_of),
        "actual_finish": pd.NaT if finish is None else day(finish),
    }


def judge(forecasts, facts):
    return judged(pd.DataFrame(forecasts), pd.DataFrame(facts))


def test_a_level_holds_if_the_finish_came_by_its_day():
    row = judge([forecast("A")], [known("A", 30)]).iloc[0]
    assert [row[f"{name}_held"] for name in ("p10", "p50", "p80", "planned_finish")] == [0, 0, 1, 0]
    assert math.isnan(row["p90_held"]), "day 60 is to come: an open activity could not be judged either"


def test_an_open_activity_counts_against_every_day_that_has_passed():
    row = judge([forecast("A")], [known("A", None)]).iloc[0]
    assert [row[f"{name}_held"] for name in ("p10", "p50", "p80")] == [0, 0, 0]
    assert math.isnan(row["p90_held"])


def test_a_finish_on_the_day_itself_holds():
    assert judge([forecast("A")], [known("A", 40)]).iloc[0]["p80_held"] == 1


def test_a_finish_after_the_day_of_the_file_is_a_plan():
    row = judge([forecast("A")], [known("A", 55)]).iloc[0]
    assert pd.isna(row["actual_finish"])
    assert row["p80_held"] == 0


def test_the_loss_is_the_pinball_loss_up_to_what_was_seen():
    finished, open_ = judge([forecast("A"), forecast("B")], [known("A", 30), known("B", None)]).to_dict("records")
    assert finished["p80_loss"] == pytest.approx(0.2 * 10)
    assert finished["p10_loss"] == pytest.approx(0.1 * 20)
    assert finished["planned_finish_loss"] == pytest.approx(0.5 * 15)
    # Open on day 50: at least 10 days after day 40; day 60 is to come.
    assert open_["p80_loss"] == pytest.approx(0.8 * 10)
    assert open_["p90_loss"] == 0


def test_calibrated_forecasts_hold_as_often_as_they_say_while_many_are_open():
    rng = np.random.default_rng(0)
    count = 4000
    given = rng.integers(0, 300, count)
    finish = given + np.ceil(rng.exponential(100, count))
    quantiles = [int(np.ceil(-100 * math.log(1 - level))) for level in LEVELS.values()]
    forecasts = [
        forecast(str(number), levels=[start + q for q in quantiles], data_date=day(start))
        for number, start in enumerate(given.tolist())
    ]
    facts = [known(str(number), end, as_of=320) for number, end in enumerate(finish.tolist())]
    table = judge(forecasts, facts)
    row = summary(table).iloc[0]
    for name, level in LEVELS.items():
        assert row[f"{name}_held"] == pytest.approx(level, abs=0.03)
        assert row[f"{name}_low"] < row[f"{name}_held"] < row[f"{name}_high"]
    # Of the finished alone P50 would seem to hold far more often.
    finished = table[table["actual_finish"].notna()]
    assert (finished["actual_finish"] <= finished["p50"]).mean() > 0.55


def test_groups_add_up():
    forecasts = [
        forecast("A"),
        forecast("B", project="P2", model="m2"),
        forecast("C", project="P2", levels=(50, 100, 150, 200)),
        forecast("D", levels=(300, 400, 500, 600)),
    ]
    facts = [known("A", 30), known("B", 5, project="P2"), known("C", None, project="P2"), known("D", 20)]
    table = judge(forecasts, facts)
    total = summary(table).iloc[0]
    for group in GROUPS:
        parts = summary(table, [group])
        assert parts["forecasts"].sum() == total["forecasts"] == 4
        assert parts["p80_judged"].sum() == total["p80_judged"] == 2
        assert parts["finished"].sum() == 3
    assert summary(table, ["horizon"])["horizon"].tolist() == ["91 to 180 days", "over 365 days", "up to 30 days"]
    # A page shows them as they come.
    horizons = [row["horizon"] for row in document(table, "m1")["groups"]["horizon"]]
    assert horizons == ["up to 30 days", "91 to 180 days", "over 365 days"]
    two = summary(table, ["project_id", "model_id"])
    assert two[["project_id", "model_id"]].values.tolist() == [["P1", "m1"], ["P2", "m1"], ["P2", "m2"]]


def test_a_forecast_given_twice_counts_once_and_unknown_activities_do_not():
    table = judge([forecast("A"), forecast("A", levels=(1, 2, 3, 4)), forecast("X")], [known("A", 30)])
    assert len(table) == 1
    assert table["p80"].tolist() == [day(3)]


def test_the_planners_date_stands_next_to_the_median():
    table = judge([forecast("A"), forecast("B", planned=None)], [known("A", 30), known("B", 12)])
    row = summary(table).iloc[0]
    assert row["planned_finish_judged"] == 1
    assert row["planned_finish_held"] == 0
    assert row["pinball_ratio"] == pytest.approx(10 / 15)
    alone = summary(judge([forecast("B", planned=None)], [known("B", 12)])).iloc[0]
    assert alone["pinball_ratio"] is None
    assert alone["planned_finish_held"] is None


def test_another_group_is_refused():
    with pytest.raises(ValueError, match="not by color"):
        summary(judge([forecast("A")], [known("A", 30)]), ["color"])


def many(held, *, project="P{}", each=1, model="m1"):
    """Judged forecasts, each project with `each` activities that held as said."""
    rows = [(project.format(number), str(item), value) for number, value in enumerate(held) for item in range(each)]
    forecasts = [forecast(item, project=name, model=model) for name, item, _ in rows]
    facts = [known(item, 30 if value else None, as_of=70, project=name) for name, item, value in rows]
    return judge(forecasts, facts)


def test_forecasts_that_fail_together_count_for_fewer():
    apart = summary(many([1] * 70 + [0] * 30)).iloc[0]
    together = summary(many([1] * 7 + [0] * 3, each=10)).iloc[0]

    assert apart["p80_held"] == together["p80_held"] == 0.7
    assert apart["p80_high"] < 0.8 < together["p80_high"]
    # The same ten activities, forecast on ten data dates, are ten and not a hundred.
    again = judge(
        [
            forecast(str(item), levels=(1, 2, 40, 45), data_date=day(-number))
            for item in range(10)
            for number in range(10)
        ],
        [known(str(item), 30 if item < 7 else None, as_of=70) for item in range(10)],
    )
    row = summary(again).iloc[0]
    assert (row["forecasts"], row["activities"]) == (100, 10)
    assert row["p80_high"] - row["p80_low"] > 0.4


def test_p80_no_longer_holds_if_chance_does_not_explain_it():
    good, bad = many([1] * 80 + [0] * 20), many([1] * 60 + [0] * 40)

    assert verdict(good, "m1")["undercoverage"] is False
    assert metrics(verdict(good, "m1")) == {
        "CoverageP80": 0.8,
        "PinballRatio": pytest.approx(900 / 1150),
        "Undercoverage": 0,
    }
    assert verdict(bad, "m1")["undercoverage"] is True
    # Fewer than said, but not beyond chance.
    assert verdict(many([1] * 44 + [0] * 16), "m1")["undercoverage"] is False
    # A model with few judged forecasts, or none, has no verdict; those of the one before are no reason to train.
    few = many([0] * 49)
    assert verdict(few, "m1")["undercoverage"] is None
    assert metrics(verdict(few, "m1"))["CoverageP80"] == 0
    assert verdict(bad, "m2") == {"model_id": "m2", "forecasts": 0, "undercoverage": None}
    assert metrics(verdict(pd.DataFrame(), "m2")) == {}


def test_a_verdict_forgets_what_came_due_more_than_a_year_ago():
    old = [forecast(str(number), model="m1", data_date=day(-400)) for number in range(100)]
    new = [forecast(str(number), model="m1", project="P2") for number in range(60)]
    rows = [row | {name: row[name] - pd.Timedelta(days=400) for name in LEVELS} for row in old] + new
    facts = [known(str(number), None, as_of=70) for number in range(100)]
    facts += [known(str(number), 30, as_of=70, project="P2") for number in range(60)]

    found = verdict(judge(rows, facts), "m1")

    assert (found["forecasts"], found["p80_held"], found["undercoverage"]) == (60, 1.0, False)


def test_parts_are_judged_as_the_whole(monkeypatch):
    rows = [forecast(str(number), levels=(number, number + 1, number + 2, number + 9)) for number in range(1, 40)]
    facts = pd.DataFrame([known(str(number), 2 * number, as_of=45) for number in range(1, 40)])
    monkeypatch.setattr(scoreboard, "_ROWS", 7)

    parts = judged_in_parts((pd.DataFrame(rows[at : at + 5]) for at in range(0, 39, 5)), facts)

    pd.testing.assert_frame_equal(parts, judged(pd.DataFrame(rows), facts))
    assert judged_in_parts([], facts).empty


def test_the_document_is_json_and_its_csv_has_all_groups_and_no_formula():
    table = judge(
        [forecast("A"), forecast("B", project="=1+1", planned=None)], [known("A", 30), known("B", None, project="=1+1")]
    )

    board = json.loads(json.dumps(document(table, "m1"), allow_nan=False))

    assert board["as_of"] == "2025-03-22"
    assert [row["project_id"] for row in board["groups"]["project_id"]] == ["=1+1", "P1"]
    assert board["groups"]["data_date"][0]["data_date"] == "2025-01-31"
    lines = list(csv.DictReader(io.StringIO(to_csv(board))))
    assert {line["by"] for line in lines} == {"portfolio", *GROUPS}
    assert [line["group"] for line in lines if line["by"] == "project_id"] == ["'=1+1", "P1"]
    assert lines[0]["p80_held"] == "0.5000"
    empty = document(pd.DataFrame(), "m1")
    assert (empty["total"], empty["metrics"], to_csv(empty)) == (None, {}, "by,group,forecasts\n")
