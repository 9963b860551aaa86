"""Batch scoring: a table for people, the most urgent first."""

import csv
import gzip
import io
import json
from datetime import date
from functools import partial
from types import SimpleNamespace

import pytest

from slipcast.features.point_in_time import CURRENT, HISTORY
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.forecast import batch
from slipcast.forecast.evaluator import Forecaster
from slipcast.model.explain import contributions
from support.forecast_models import forecast_json

score = partial(batch.score, data_date=date(2024, 1, 31), model_version="7")


def scorer(**other) -> SimpleNamespace:
    """A model whose probability stands in the activity, or in its history."""
    return SimpleNamespace(
        threshold=0.4,
        metadata={"model_id": "abc", "tolerance_days": 30},
        history=(),
        features=lambda activity: activity.get("history", activity)["chance"],
        score=lambda rows: [float(row) for row in rows],
        # A kind that gives no reasons.
        document={"model": {"kind": "mlp"}},
        **other,
    )


def as_they_are(activities, names):
    return activities


def activity(name: str, chance: float, **other) -> dict:
    return {"activity_id": name, "project_id": "p", "chance": chance, **other}


@pytest.mark.parametrize(
    ("probability", "threshold", "band"),
    [
        (0.4, 0.4, "high"),
        (0.39999, 0.4, "medium"),
        (0.2, 0.4, "medium"),
        (0.19999, 0.4, "low"),
        (0.0, 0.4, "low"),
        (1.0, 0.4, "high"),
        (0.0, 0.0, "high"),
        (0.5, 1.0, "medium"),
        (1.0, 1.0, "high"),
    ],
)
def test_risk_bands_begin_at_the_threshold_and_half_of_it(probability, threshold, band):
    assert batch.risk_band(probability, threshold) == band


def test_every_activity_has_a_row_with_all_columns():
    given = activity("A", 0.4, activity_name="Roof", wbs="Shell > Roof", status="not_started", start="2024-01-01")

    (row,) = score([given], scorer(), as_they_are)

    assert tuple(row) == (*batch.COLUMNS, "planned_finish")
    assert row == {
        **{"project_id": "p", "activity_id": "A", "activity_name": "Roof", "status": "not_started"},
        **{"wbs": "Shell > Roof"},
        **{"start": "2024-01-01", "baseline_finish": None, "probability": 0.4, "risk_band": "high", "at_risk": True},
        **{"reasons": "", "model_version": "7", "model_id": "abc", "planned_finish": None},
        **{"data_date": date(2024, 1, 31), "stage": "not_started", "days_late": 0},
        **dict.fromkeys(("probability_late", "expected_days_late", "p10", "p50", "p80", "p90")),
        **dict.fromkeys(("criticality", "completion_days", "late_reasons")),
    }


def test_the_highest_probability_comes_first_and_ties_go_by_project_and_id():
    given = [
        activity("C", 0.1),
        activity("B", 0.5),
        activity("A", 0.5),
        activity("Z", 0.5, project_id="o"),
        activity("D", 0.9),
        activity("E", 0.5, project_id=None),
    ]

    rows = score(given, scorer(), as_they_are)

    assert [row["activity_id"] for row in rows] == ["D", "E", "Z", "A", "B", "C"]
    assert score(reversed(given), scorer(), as_they_are) == rows


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
def test_activities_are_looked_up_a_chunk_at_a_time(monkeypatch, count, sizes):
    monkeypatch.setattr(batch, "CHUNK", 4)
    seen = []

    def history(chunk, names):
        seen.append(len(chunk))
        # Known of each is its own number: a chunk that is mixed up is noticed.
        return [{**one, "history": {"chance": int(one["activity_id"]) / 10}} for one in chunk]

    given = (activity(str(number), 0.0) for number in range(count))
    rows = score(given, scorer(), history)

    assert seen == sizes
    assert {row["activity_id"]: row["probability"] for row in rows} == {str(n): n / 10 for n in range(count)}


def test_a_lookup_that_loses_an_activity_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        score([activity("A", 0.1), activity("B", 0.1)], scorer(), lambda chunk, _: chunk[:1])


def cells(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


def test_the_table_is_for_people():
    given = [activity("A", 1 / 3, baseline_finish="2024-03-01"), activity("B", 2 / 3, activity_name='Dächer, "Ost"')]

    raw = batch.to_csv(score(given, scorer(), as_they_are))

    assert raw.startswith(",".join(batch.COLUMNS).encode() + b"\np,B,")
    first, second = cells(raw)
    assert (first["probability"], first["at_risk"], first["activity_name"]) == ("0.6667", "yes", 'Dächer, "Ost"')
    assert (second["probability"], second["at_risk"], second["risk_band"]) == ("0.3333", "no", "medium")
    assert (second["activity_name"], second["baseline_finish"], second["start"]) == ("", "2024-03-01", "")
    assert (second["stage"], second["days_late"], second["p80"]) == ("not_started", "0", "")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "  =1"])
@pytest.mark.parametrize("column", ["project_id", "activity_id", "activity_name", "status", "start", "reasons"])
def test_no_cell_is_a_formula(formula, column):
    (row,) = score([activity("A", 0.1)], scorer(), as_they_are)

    assert cells(batch.to_csv([row | {column: formula}]))[0][column] == f"'{formula}"


def test_nothing_to_score_is_a_table_without_rows():
    assert score([], scorer(), as_they_are) == []
    assert batch.to_csv([]) == ",".join(batch.COLUMNS).encode() + b"\n"


class Explained(SimpleNamespace):
    """A model whose probability stands in the activity, and that reasons with its project's slip."""

    def __init__(self, monkeypatch) -> None:
        super().__init__(threshold=0.4, metadata={"model_id": "abc", "tolerance_days": 30}, history=(), asked=[])
        monkeypatch.setattr(contributions, "unavailable", lambda model: None)
        monkeypatch.setattr(contributions, "contributions_of", self._contributions)

    @classmethod
    def plain(cls) -> "Explained":
        """Return such a model that gives no reasons."""
        model = cls.__new__(cls)
        SimpleNamespace.__init__(
            model,
            threshold=0.4,
            metadata={"model_id": "abc", "tolerance_days": 30},
            history=(),
            document={"model": {"kind": "mlp"}},
        )
        return model

    def features(self, activity):
        empty = {**dict.fromkeys(NUMERIC), **dict.fromkeys(CATEGORICAL, "(missing)")}
        return empty | {
            "project_slip_days": activity["chance"] * 100,
            "location": activity.get("location", "(missing)"),
        }

    def score(self, rows):
        return [row["project_slip_days"] / 100 for row in rows]

    def _contributions(self, model, features):
        self.asked.append(features["project_slip_days"])
        given = dict.fromkeys(features, 0.0) | {"project_slip_days": 0.62, "location": -0.1}
        return contributions.Contributions(0.0, given)


def test_reasons_are_text_in_the_words_of_the_schedule(monkeypatch):
    model = Explained(monkeypatch)
    given = [activity("A", 0.45, location="East")]

    (row,) = score(given, model, as_they_are, own_names={"location": "Bauteil"})
    (plain,) = score(given, model, as_they_are)

    assert row["reasons"] == "project slip so far 45 (+0.62); Bauteil East (-0.10)"
    assert plain["reasons"] == "project slip so far 45 (+0.62); location East (-0.10)"


@pytest.mark.parametrize(("chunk", "explained"), [(2, 3), (4, 3), (100, 3), (3, 0), (2, 100)])
def test_only_the_most_urgent_activities_are_explained(monkeypatch, chunk, explained):
    monkeypatch.setattr(batch, "CHUNK", chunk)
    model = Explained(monkeypatch)
    given = [activity(str(number), chance) for number, chance in enumerate((0.1, 0.6, 0.3, 0.9, 0.2, 0.7, 0.5))]

    rows = score(given, model, as_they_are, explained=explained)

    assert model.asked == [90.0, 70.0, 60.0, 50.0, 30.0, 20.0, 10.0][:explained]
    assert [bool(row["reasons"]) for row in rows] == [place < explained for place in range(7)]


def test_a_reason_is_no_formula(monkeypatch):
    model, names = Explained(monkeypatch), {"location": "=1+1"}
    monkeypatch.setattr(
        contributions, "contributions_of", lambda *_: contributions.Contributions(0.0, {"location": 1.0, "phase": 0.0})
    )
    rows = score([activity("A", 0.5)], model, as_they_are, own_names=names)

    assert cells(batch.to_csv(rows))[0]["reasons"] == "'=1+1 unknown (+1.00)"


def test_what_is_late_already_is_listed_first_as_late_and_never_by_a_model():
    due = {"start": "2023-06-01", "status": "in_progress"}
    given = [
        activity("late", 0.1, baseline_finish="2024-01-01", **due),
        activity("overdue", 0.1, baseline_finish="2024-01-02", **due),
        activity("risky", 0.9, baseline_finish="2024-06-01", **due),
    ]
    logged = []

    rows = score(given, scorer(), as_they_are, log=lambda *parts: logged.extend(parts[2]))

    assert [(row["activity_id"], row["risk_band"], row["stage"], row["days_late"]) for row in rows] == [
        ("late", "late", "already_late", 30),
        ("risky", "high", "in_progress", 0),
        ("overdue", "low", "overdue", 29),
    ]
    assert (rows[0]["probability"], rows[0]["at_risk"], rows[0]["probability_late"]) == (1.0, True, 1.0)
    assert rows[0]["reasons"] == "late already, 30 days after the baseline finish so far"
    assert logged == [1.0, 0.1, 0.9]


def test_forecasts_stand_in_the_table_and_are_kept():
    asked = []

    def history(chunk, names):
        asked.append((tuple(names), [one["start"].isoformat() for one in chunk]))
        return [{**one, "history": dict.fromkeys(names, 0.0)} for one in chunk]

    model = Explained.plain()
    given = [
        activity("A", 0.2, start="2023-12-01", baseline_finish="2024-04-01", baseline_duration_days=60.0),
        activity("B", 0.2, start="2024-05-01", baseline_finish="2024-09-01", status="not_started"),
        activity("C", 0.2, start="2023-01-01", baseline_finish="2023-06-01"),
    ]

    rows = score(given, model, history, forecaster=Forecaster(json.loads(forecast_json())))

    # As of the start, or of the day after the data date; those of now as of that day for all.
    assert asked == [(HISTORY, ["2023-12-01", "2024-02-01", "2023-01-01"]), (CURRENT, ["2024-02-01"] * 3)]
    by_id = {row["activity_id"]: row for row in rows}
    assert by_id["C"]["probability_late"] == 1.0
    for row in rows:
        assert row["data_date"] < row["p10"] <= row["p50"] <= row["p80"] <= row["p90"]
        assert row["expected_days_late"] >= row["days_late"]
    lines = list(csv.DictReader(io.StringIO(gzip.decompress(batch.kept(rows, "hall")).decode())))
    assert tuple(lines[0]) == batch.KEPT
    assert {line["activity_id"]: line["p80"] for line in lines} == {
        one: row["p80"].isoformat() for one, row in by_id.items()
    }
    assert {(line["source"], line["model_id"], line["data_date"]) for line in lines} == {("hall", "abc", "2024-01-31")}
    assert batch.kept(rows, "hall") == batch.kept(rows, "hall")
