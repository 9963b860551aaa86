"""One activity, one answer: however its facts are written."""

# mlflow/mlflow#5525: the same rows in another form of request get another answer
# awslabs/gluonts#920: a missing value is a category in one place and missing in another

import json
import unicodedata
from datetime import date, timedelta

import pytest

from slipcast.datasets import versions
from slipcast.ingest.schedule import read_schedule
from slipcast.schema import clean_text
from support.predict_api import ACTIVITY, call, environment

BARE = {name: value for name, value in ACTIVITY.items() if name != "baseline_finish"}


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


def ask(app, capsys, *activities):
    """Return the probabilities of activities and the features that the model saw."""
    capsys.readouterr()
    found = call(app, "POST", "/predictions", {"activities": list(activities)}).json()["predictions"]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    features = [item["features"] for line in lines if line.get("log") == "prediction" for item in line["items"]]
    return [item["probability"] for item in found], features


@pytest.mark.parametrize("start", ["2022-03-01", "2023-12-31", "2024-02-28"])
@pytest.mark.parametrize("days", [1, 2, 30, 211, 366, 1500])
@pytest.mark.parametrize("baseline", [{}, {"baseline_start": "2021-07-15"}])
def test_by_days_as_by_finish(app, capsys, start, days, baseline):
    begin = date.fromisoformat(baseline.get("baseline_start", start))
    finish = {"baseline_finish": (begin + timedelta(days - 1)).isoformat()}
    sent = BARE | baseline | {"start": start}

    scores, features = ask(
        app,
        capsys,
        sent | finish,
        sent | {"baseline_duration_days": days},
        sent | finish | {"baseline_duration_days": days},
    )

    assert len(set(scores)) == 1
    assert features[0] == features[1] == features[2]
    assert features[0]["finish_season_sin"] is not None


@pytest.mark.parametrize(
    "written",
    [
        {"phase": "Design "},
        {"phase": "\u00a0Design"},
        {"location": "\tdistrict 01\r\n"},
        {"work_type": " SCA CIP ", "phase": "Design"},
        {"activity_name": "   "},
        {"start": " 2022-03-01 "},
    ],
)
def test_white_space_around_a_text_is_none_of_it(app, capsys, written):
    scores, features = ask(app, capsys, ACTIVITY, ACTIVITY | written)

    assert scores[0] == scores[1]
    assert features[0] == features[1]


@pytest.mark.parametrize("text", ["Café", "Überbau", "가나", "ἀρχή"])
def test_both_unicode_forms_of_a_text_are_one(app, capsys, text):
    forms = [ACTIVITY | {"phase": unicodedata.normalize(form, text)} for form in ("NFC", "NFD")]

    _, features = ask(app, capsys, *forms)

    assert forms[0] != forms[1]
    assert features[0]["phase"] == features[1]["phase"] == forms[0]["phase"]


def test_an_identifier_comes_back_as_it_was_sent_and_is_logged_clean(app, capsys):
    answer = call(app, "POST", "/predictions", ACTIVITY | {"activity_id": " A1 "}).json()

    assert answer["predictions"][0]["activity_id"] == " A1 "
    logged = next(line for line in capsys.readouterr().out.splitlines() if line.startswith('{"log":"prediction"'))
    assert json.loads(logged)["items"][0]["activity_id"] == "A1"


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_intake_stores_a_text_as_the_api_reads_it(tmp_path, form):
    texts = ["Überbau", " Café ", "가나\u00a0", "plain"]
    lines = [f"A{number},{text},2024-12-31,2024-01-01,2024-03-01,100" for number, text in enumerate(texts)]
    file = tmp_path / "hall_2024-12-31.csv"
    header = "activity_id,phase,data_date,start,baseline_finish,budget"
    file.write_text(unicodedata.normalize(form, "\n".join([header, *lines])), encoding="utf-8")

    schedule = read_schedule(file, file.name, workdir=tmp_path)

    stored = versions.read_table(schedule.table).sort_values("activity_id")["phase"].tolist()
    assert stored == [clean_text(text) for text in texts]
