"""Tables as R, pandas and spreadsheets write them, sent to a scoring protocol."""

# awslabs/gluonts#920: NA in a text column is a value
# mlflow/mlflow#5525: a column that is named twice

import json
from pathlib import Path

import pytest

from support.predict_api import ACTIVITY, call, environment

HEADER = "activity_id,phase,start,baseline_duration_days"
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def app(load_app, tmp_path):
    return load_app("predict.app", **environment(tmp_path))


@pytest.fixture(params=["/invocations", "/predictions"])
def ask(request, app, capsys):
    """Send a table by one of the two doors; its status, and what was logged or the reason."""

    def send(text):
        capsys.readouterr()
        answer = call(app, "POST", request.param, raw=text, headers=CSV)
        if answer.status != 200:
            return answer.status, answer.json()["detail"]
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return 200, [item for line in lines if line.get("log") == "prediction" for item in line["items"]]

    return send


@pytest.mark.parametrize("twice", ["phase", "start", "baseline_duration_days"])
def test_a_column_that_is_named_twice_is_refused(ask, twice):
    status, why = ask(f"{HEADER},{twice}\nA,Design,2025-03-03,211,x\n")

    assert status in (400, 422)
    assert twice in why


def test_a_split_that_names_a_column_twice_is_refused(app):
    split = {"columns": ["start", "baseline_duration_days", "start"], "data": [["2025-03-03", 2, "2024-03-03"]]}

    answer = call(app, "POST", "/invocations", {"dataframe_split": split})

    assert answer.status == 400
    assert "start" in answer.json()["detail"]


@pytest.mark.parametrize("word", ["NA", "NaN", "", "null", "#N/A", "None"])
def test_words_for_missing_are_missing(ask, word):
    status, (first, second) = ask(f"{HEADER},budget\nA,{word},2025-03-03,211,{word}\nB,Design,2025-03-03,211,5\n")

    assert status == 200
    assert (first["features"]["phase"], first["features"]["log_budget"]) == ("(missing)", None)
    assert second["features"]["phase"] == "Design"


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\v", "\f", "\x1c", "\u2029"])
def test_only_line_ends_end_a_line(ask, mark):
    status, items = ask(f"{HEADER}\nA,De{mark}sign,2025-03-03,211\nB,Scope,2025-03-03,211\n")

    assert status == 200
    assert [item["features"]["phase"] for item in items] == [f"De{mark}sign", "Scope"]


@pytest.mark.parametrize("number", ["2_11", "２１１", "0x10", "1,5", "inf", "1e999"])
def test_what_only_python_takes_for_a_number_is_none(ask, number):
    status, why = ask(f'{HEADER}\nA,Design,2025-03-03,"{number}"\n')

    assert status in (400, 422)
    assert "baseline_duration_days" in why


@pytest.mark.parametrize("start", ["\n", "\r\n\r\n", "\ufeff\n"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n\n"])
def test_empty_lines_are_no_rows(ask, start, end):
    assert len(ask(f"{start}{HEADER}\nA,Design,2025-03-03,211{end}")[1]) == 1


def test_a_cell_that_the_csv_module_does_not_take_is_said_to_be_too_long(ask):
    status, why = ask(f'{HEADER}\nA,"{"x" * 140_000}",2025-03-03,211\n')

    assert status in (400, 422)
    # By default the csv module takes 131,072; another part of a process may allow more.
    assert "field larger than field limit" in why or "140000 characters" in why


@pytest.mark.parametrize("text", [json.dumps(ACTIVITY), "a;b\n1;2\n", "\n\n"])
def test_what_is_no_table_of_activities_is_refused(app, text):
    assert call(app, "POST", "/predictions", raw=text, headers=CSV).status == 422


def test_the_cases_that_were_found(ask):
    folder = Path(__file__).parent / "cases"
    status, items = ask((folder / "10_csv_NA.csv").read_text(encoding="utf-8"))
    assert status == 200
    assert "NA" not in {value for item in items for value in item["features"].values()}
    assert ask((folder / "10_csv_duplicate_column.csv").read_text(encoding="utf-8"))[0] in (400, 422)
