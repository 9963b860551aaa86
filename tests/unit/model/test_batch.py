"""Batch scoring: a table for people, the most urgent first."""

import csv
import io
from types import SimpleNamespace

import pytest

from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.model import batch
from slipcast.model.explain import contributions


def scorer(**other) -> SimpleNamespace:
    """A model whose probability stands in the activity, or in its history."""
    return SimpleNamespace(
        threshold=0.4,
        metadata={"model_id": "abc"},
        features=lambda activity: activity.get("history", activity)["chance"],
        score=lambda rows: [float(row) for row in rows],
        # A kind that gives no reasons.
        document={"model": {"kind": "mlp"}},
        **other,
    )


def as_they_are(activities):
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
    given = activity("A", 0.4, activity_name="Roof", status="not_started", start="2024-01-01", budget=5.0)

    (row,) = batch.score([given], scorer(), as_they_are, model_version="7")

    assert tuple(row) == batch.COLUMNS
    assert row == {
        **{"project_id": "p", "activity_id": "A", "activity_name": "Roof", "status": "not_started"},
        **{"start": "2024-01-01", "baseline_finish": None, "probability": 0.4, "risk_band": "high", "at_risk": True},
        **{"reasons": "", "model_version": "7", "model_id": "abc"},
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

    rows = batch.score(given, scorer(), as_they_are, model_version="7")

    assert [row["activity_id"] for row in rows] == ["D", "E", "Z", "A", "B", "C"]
    assert batch.score(reversed(given), scorer(), as_they_are, model_version="7") == rows


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
def test_activities_are_looked_up_a_chunk_at_a_time(monkeypatch, count, sizes):
    monkeypatch.setattr(batch, "CHUNK", 4)
    seen = []

    def history(chunk):
        seen.append(len(chunk))
        # Known of each is its own number: a chunk that is mixed up is noticed.
        return [{**one, "history": {"chance": int(one["activity_id"]) / 10}} for one in chunk]

    given = (activity(str(number), 0.0) for number in range(count))
    rows = batch.score(given, scorer(), history, model_version="7")

    assert seen == sizes
    assert {row["activity_id"]: row["probability"] for row in rows} == {str(n): n / 10 for n in range(count)}


def test_a_lookup_that_loses_an_activity_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        batch.score([activity("A", 0.1), activity("B", 0.1)], scorer(), lambda chunk: chunk[:1], model_version="7")


def cells(raw: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


def test_the_table_is_for_people():
    given = [activity("A", 1 / 3, baseline_finish="2024-03-01"), activity("B", 2 / 3, activity_name='Dächer, "Ost"')]

    raw = batch.to_csv(batch.score(given, scorer(), as_they_are, model_version="7"))

    assert raw.startswith(",".join(batch.COLUMNS).encode() + b"\np,B,")
    first, second = cells(raw)
    assert (first["probability"], first["at_risk"], first["activity_name"]) == ("0.6667", "yes", 'Dächer, "Ost"')
    assert (second["probability"], second["at_risk"], second["risk_band"]) == ("0.3333", "no", "medium")
    assert (second["activity_name"], second["baseline_finish"], second["start"]) == ("", "2024-03-01", "")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", "  =1"])
@pytest.mark.parametrize("column", ["project_id", "activity_id", "activity_name", "status", "start", "reasons"])
def test_no_cell_is_a_formula(formula, column):
    (row,) = batch.score([activity("A", 0.1)], scorer(), as_they_are, model_version="7")

    assert cells(batch.to_csv([row | {column: formula}]))[0][column] == f"'{formula}"


def test_nothing_to_score_is_a_table_without_rows():
    assert batch.score([], scorer(), as_they_are, model_version="7") == []
    assert batch.to_csv([]) == ",".join(batch.COLUMNS).encode() + b"\n"


class Explained(SimpleNamespace):
    """A model whose probability stands in the activity, and that reasons with its project's slip."""

    def __init__(self, monkeypatch) -> None:
        super().__init__(threshold=0.4, metadata={"model_id": "abc"}, asked=[])
        monkeypatch.setattr(contributions, "unavailable", lambda model: None)
        monkeypatch.setattr(contributions, "contributions_of", self._contributions)

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

    (row,) = batch.score(given, model, as_they_are, model_version="7", own_names={"location": "Bauteil"})
    (plain,) = batch.score(given, model, as_they_are, model_version="7")

    assert row["reasons"] == "project slip so far 45 (+0.62); Bauteil East (-0.10)"
    assert plain["reasons"] == "project slip so far 45 (+0.62); location East (-0.10)"


@pytest.mark.parametrize(("chunk", "explained"), [(2, 3), (4, 3), (100, 3), (3, 0), (2, 100)])
def test_only_the_most_urgent_activities_are_explained(monkeypatch, chunk, explained):
    monkeypatch.setattr(batch, "CHUNK", chunk)
    model = Explained(monkeypatch)
    given = [activity(str(number), chance) for number, chance in enumerate((0.1, 0.6, 0.3, 0.9, 0.2, 0.7, 0.5))]

    rows = batch.score(given, model, as_they_are, model_version="7", explained=explained)

    assert model.asked == [90.0, 70.0, 60.0, 50.0, 30.0, 20.0, 10.0][:explained]
    assert [bool(row["reasons"]) for row in rows] == [place < explained for place in range(7)]


def test_a_reason_is_no_formula(monkeypatch):
    model, names = Explained(monkeypatch), {"location": "=1+1"}
    monkeypatch.setattr(
        contributions, "contributions_of", lambda *_: contributions.Contributions(0.0, {"location": 1.0, "phase": 0.0})
    )
    rows = batch.score([activity("A", 0.5)], model, as_they_are, model_version="7", own_names=names)

    assert cells(batch.to_csv(rows))[0]["reasons"] == "'=1+1 unknown (+1.00)"
