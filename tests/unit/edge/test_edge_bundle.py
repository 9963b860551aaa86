"""The edge bundle: one file for any Python from 3.9 on with nothing installed, and how its users meet it."""

import ast
import csv
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from slipcast.datasets import labels
from slipcast.edge import bundle, cli, single_file, table, trial
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import FINISH_SEASONS
from slipcast.features.table import feature_table
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from support.schedules import example
from tests.support.serving_cases import ESTIMATORS, feature_frame, late, pipeline

METADATA = {
    **{"model_id": "abc123", "dataset_id": "d1", "data_date": "2022-12-31", "training_cut": "2021-07-01"},
    "tolerance_days": 30,
}


def interpreters() -> list[str]:
    """Return an interpreter of each version from 3.9 on that this machine has, ours among them."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = {sys.version_info[:2]: sys._base_executable}
    candidates = [shutil.which(f"python3.{minor}") for minor in range(9, 16)]
    candidates += [shutil.which("python3"), "/usr/bin/python3", *map(str, pyenv.glob("versions/3.*/bin/python3"))]
    for candidate in filter(None, candidates):
        asked = [candidate, "-I", "-S", "-c", "import sys; print(sys.version_info.major, sys.version_info.minor)"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        if done.returncode == 0 and (version := tuple(map(int, done.stdout.split()))) >= single_file.OLDEST:
            found.setdefault(version, candidate)
    return [found[version] for version in sorted(found)]


INTERPRETERS = interpreters()


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, bytes], scorer.Scorer, dict]:
    """The bundle of a forest of the example, its scorer and its golden activities."""
    labelled = labels.label(example("nyc_sca_2022-12.csv").table, 30)
    candidate = next(item for item in load_candidates() if item.name == "random_forest")
    features = feature_table(labelled)
    rng = np.random.default_rng(1)
    # The season is derived where it is absent.
    for name in [name for name in HISTORY if name not in FINISH_SEASONS]:
        features[name] = np.where(rng.random(len(features)) < 0.3, np.nan, rng.normal(size=len(features)))
    model = build_pipeline(candidate, 1, n_estimators=40, max_depth=6).fit(features, labelled["is_late"])
    raw = export(model, family="random_forest", threshold=1 / 3, metadata=METADATA)
    rows = labelled.head(60)
    activities = []
    for row, known in zip(rows.to_dict("records"), features.head(60).to_dict("records"), strict=True):
        activity = {name: row[name] for name in ("activity_id", "project_id", "phase", "work_type", "location")}
        activity |= {name: row[name].date().isoformat() for name in ("start", "baseline_finish")}
        activity |= {} if np.isnan(row["budget"]) else {"budget": row["budget"]}
        activities.append(activity | {"history": {name: known[name] for name in HISTORY if known[name] == known[name]}})
    golden = {"activities": activities, "scores": model.predict_proba(features.head(60))[:, 1].tolist()}
    loaded = scorer.load(raw, digest(raw))
    return bundle.files(raw, loaded, golden, None), loaded, golden


@pytest.fixture
def folder(made, tmp_path):
    for name, raw in made[0].items():
        (tmp_path / name).write_bytes(raw)
    return tmp_path


def run(folder, *arguments, interpreter=sys._base_executable, text=None):
    command = [interpreter, "-I", "-S", str(folder / "score.py"), *arguments]
    done = subprocess.run(command, capture_output=True, cwd=folder, input=text, check=False, timeout=300)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


HEADER = "activity_id,phase,start,baseline_finish,budget\n"


# --- One file ----------------------------------------------------------------------------------------------------


def test_at_least_two_interpreters_are_tried():
    """Without an older one beside ours nothing is said about 3.9: the static checks below then stand alone."""
    assert INTERPRETERS
    if len(INTERPRETERS) == 1:
        pytest.skip("this machine has no other Python from 3.9 on")


@pytest.mark.parametrize("interpreter", INTERPRETERS)
def test_any_python_scores_as_scikit_learn_with_nothing_installed(made, folder, interpreter):
    status, out, errors = run(folder, "--check", interpreter=interpreter)
    assert (status, errors) == (0, "")
    assert out.startswith("60 known answers equal scikit-learn's to ")
    assert out.endswith("4 files are as they were published\n")

    status, out, _ = run(folder, "golden.csv", interpreter=interpreter)
    found = [float(row[2]) for row in list(csv.reader(io.StringIO(out)))[1:]]
    assert status == 0
    assert np.abs(np.array(found) - made[2]["scores"]).max() <= 1e-9


@pytest.mark.parametrize("family", ESTIMATORS)
def test_every_family_goes_into_the_file(family, tmp_path):
    frame = feature_frame(200, 5)
    model = pipeline(family, 5).fit(frame, late(frame, 5))
    raw = export(model, family=family, threshold=0.5, metadata=METADATA)
    loaded = scorer.load(raw, digest(raw))
    activities = [
        {
            **{"activity_id": str(number), "start": "2022-03-01", "baseline_duration_days": number + 1},
            **{"total_float_days": number / 7, "phase": "phase 1", "history": {HISTORY[0]: number / 3}},
        }
        for number in range(10)
    ]
    golden = {"activities": activities, "scores": loaded.predict_proba(activities)}

    oldest = INTERPRETERS[0]
    assert "10 known answers" in trial.check(tmp_path, bundle.files(raw, loaded, golden, None), oldest)


def test_the_file_holds_the_modules_as_they_are(made):
    source = made[0]["score.py"].decode()
    held = {}

    for node in ast.walk(ast.parse(source, feature_version=single_file.OLDEST)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_module":
            held[node.args[0].value] = node.args[1].value
    files = single_file.modules()
    assert list(held) == list(files)
    assert {
        "slipcast.model.scorer",
        "slipcast.model.evaluators",
        "slipcast.features.row",
        "slipcast.edge.table",
    } <= set(held)
    for name, path in files.items():
        assert held[name] == path.read_text(encoding="utf-8")


def test_no_module_uses_what_python_3_9_lacks_and_the_file_does_not_lend():
    """vermin knows what came with which version; a newer name would fail on a device only."""
    files = [str(path) for path in single_file.modules().values()]
    lent = ["math.sumprod", "itertools.pairwise", "zip(strict)", "enum.StrEnum"]
    exclude = [part for name in lent for part in ("--exclude", name)]
    command = [str(Path(sys.executable).with_name("vermin")), "--target=3.9-", "--no-tips", "--violations", *exclude]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import numpy\n", "extra, line 1: numpy is not in the standard library"),
        ("def f():\n    from sklearn import tree\n", "extra, line 2: sklearn is not in the standard library"),
        ("match 1:\n    case 1: pass\n", "extra, line 2: Python 3.9: Pattern matching"),
        ("from . import scorer\n", "extra, line 1: write the import with the package's full name"),
    ],
)
def test_a_module_that_needs_more_is_named(tmp_path, monkeypatch, source, message):
    (tmp_path / "extra.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(single_file.SingleFileError, match=message):
        single_file.modules("extra")


def test_quotes_that_would_end_the_literal_are_named(tmp_path, monkeypatch):
    (tmp_path / "quoted.py").write_text("TEXT = '''x'''\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(single_file, "modules", lambda: {"quoted": tmp_path / "quoted.py"})

    with pytest.raises(single_file.SingleFileError, match="quoted holds three single quotes"):
        single_file.build("0" * 64)


# --- The bundle --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("model.json", 2, "error: the model's SHA-256 is "),
        ("golden.csv", 1, "error: golden.csv has the SHA-256 "),
        ("README.md", 1, "error: README.md has the SHA-256 "),
    ],
)
def test_a_damaged_file_fails_the_check(folder, name, status, message):
    raw = bytearray((folder / name).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / name).write_bytes(raw)

    found, out, errors = run(folder, "--check")
    assert (found, out) == (status, "")
    assert errors.startswith(message)
    assert name != "model.json" or run(folder, "golden.csv")[0] == 2


def test_another_answer_than_scikit_learns_fails_the_check(made, tmp_path):
    files, loaded, golden = made
    scores = [golden["scores"][0] + 2e-9, *golden["scores"][1:]]

    with pytest.raises(bundle.EdgeError, match=r"differ from scikit-learn's by 2\.00e-09, allowed are 1e-09"):
        trial.check(tmp_path, bundle.files(files["model.json"], loaded, golden | {"scores": scores}, None))


def test_the_archive_is_the_same_every_time_and_unpacks_into_one_folder(made, tmp_path):
    raw = bundle.archive(made[0], "slipcast-edge-7")

    assert raw == bundle.archive(dict(reversed(made[0].items())), "slipcast-edge-7")
    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        packed.extractall(tmp_path)
    assert {path.name for path in (tmp_path / "slipcast-edge-7").iterdir()} == {
        *("model.json", "score.py", "golden.csv", "README.md", "SHA256SUMS")
    }
    assert run(tmp_path / "slipcast-edge-7", "--check")[0] == 0


def test_the_page_says_what_the_model_needs(made):
    page = made[0]["README.md"].decode()

    assert "# Slipcast model abc123" in page
    assert "model.onnx" not in page
    assert all(name in page for name in made[1].history)
    assert "`model.onnx` is the same model" in bundle.readme(made[1], 60, with_onnx=True)
    assert "$" not in bundle.readme(made[1], 60, with_onnx=True)
    assert all(f"`{name}`" in page for name in table.COLUMNS if name not in HISTORY)


def test_without_known_answers_there_is_no_bundle(made):
    with pytest.raises(bundle.EdgeError, match="no golden activities"):
        bundle.files(made[0]["model.json"], made[1], {"activities": [], "scores": []}, None)


def test_a_golden_activity_that_csv_cannot_hold_is_named(made):
    activity = {"activity_id": "A", "start": "2022-03-01", "baseline_finish": "2021-03-01"}

    with pytest.raises(bundle.EdgeError, match="the golden activity 'A' cannot be written as CSV: line 2, column base"):
        bundle.golden_csv({"activities": [activity], "scores": [0.5]})


def test_what_the_scorer_takes_is_measured(folder):
    found = trial.measure(folder, 300)

    assert found["rows"] == 300
    assert found["seconds"] > 0
    assert 5 < found["peak_mb"] < 100
    assert not (folder / "many.csv").exists()


# --- Scoring a file ----------------------------------------------------------------------------------------------


def test_bad_rows_are_named_and_the_others_scored(folder):
    (folder / "activities.csv").write_text(
        HEADER + "A1,Design,2022-03-01,2022-09-30,250000\n"
        "A2,Design,01/03/2022,2022-09-30,\n"
        "A3,Design,2022-03-01,2022-02-28,\n"
        "\n"
        "A4,Design,2022-03-01,2022-09-30,1.000.000\n"
        "A5,De,sign,2022-03-01,2022-09-30,\n"
        "=A6,Design,2022-03-01,2022-09-30,\n"
    )
    status, out, errors = run(folder, "activities.csv")

    assert status == 1
    assert [line.split(",")[1] for line in out.splitlines()] == ["activity_id", "A1", "'=A6"]
    assert errors.splitlines() == [
        "line 3, column start: '01/03/2022' is no day; write the day as year-month-day, such as 2025-12-31",
        "line 4, column baseline_finish: it is before the start; look whether the two dates are mixed up; "
        "if it starts after its baseline, give baseline_start",
        "line 6, column budget: '1.000.000' is no number; "
        "write it as 1234.5, without quotes, unit and thousands separator",
        "line 7: 6 cells under 5 columns; put a cell that holds a comma between double quotes",
        "2 activities scored, 4 refused; model abc123 (random_forest), at risk from 0.333 on",
    ]


def test_a_file_is_written_whole_or_not_at_all(folder):
    (folder / "broken.csv").write_bytes(HEADER.encode() + b"A1,Design,2022-03-01,2022-09-30,\nA2,\xff,2022-03-01,,\n")
    (folder / "out.csv").write_text("before\n")

    status, out, errors = run(folder, "broken.csv", "-o", "out.csv")
    assert (status, out) == (2, "")
    assert errors.startswith("error: not UTF-8")
    assert (folder / "out.csv").read_text() == "before\n"
    assert not list(folder.glob("*.unfinished"))

    assert run(folder, "golden.csv", "-o", "out.csv")[0] == 0
    assert (folder / "out.csv").read_text().splitlines()[0] == ",".join(cli.OUTPUT)
    assert not list(folder.glob("*.unfinished"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the file is empty; its first line must name the columns"),
        (
            b"activity_id;start;baseline_finish\nA;2022-03-01;2022-09-30\n",
            "the header has no column activity_id, start",
        ),
        (b"activity_id,start\nA,2022-03-01\n", "no column baseline_finish (or baseline_duration_days)"),
        (b"activity_id,start,START,baseline_finish\n", "the header names start more than once"),
        (HEADER.encode() + b'"A"1,Design,2022-03-01,2022-09-30,\n', "line 2: not CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_remedy(folder, text, message):
    status, out, errors = run(folder, "-", text=text)

    assert status == 2
    assert message in errors
    assert out in ("", f"{','.join(cli.OUTPUT)}\n")


def test_standard_input_a_byte_order_mark_and_other_columns_are_taken(folder):
    text = (
        "\ufeffProgress, Activity_ID ,Data_Date,Status,start,baseline_duration_days\r\n"
        'open,Ä1,2022-04-30,In Progress,2022-03-01," 213 "\r\n'
    )
    finish = "activity_id,data_date,start,baseline_finish\nÄ1,2022-04-30,2022-03-01,2022-09-30\n"

    by_days, by_finish = (run(folder, "-", text=each.encode()) for each in (text, finish))
    assert by_days[0] == by_finish[0] == 0
    assert by_days[1] == by_finish[1]
    (line,) = by_days[1].splitlines()[1:]
    assert line.startswith(",Ä1,0.")
    assert line.endswith(",2022-04-30,in_progress,0")


def test_what_is_late_already_needs_no_model(folder):
    rows = (
        "A,2022-03-01,2022-09-30,2022-10-29,\n"
        "B,2022-03-01,2022-09-30,2022-10-30,\n"
        "C,2022-03-01,2022-09-30,2022-10-30,2022-10-30\n"
        "D,2022-03-01,2022-09-30,,\n"
    )
    status, out, _ = run(
        folder, "-", text=f"activity_id,start,baseline_finish,data_date,actual_finish\n{rows}".encode()
    )

    assert status == 0
    found = [line.split(",") for line in out.splitlines()[1:]]
    assert [row[5:] for row in found[:3]] == [["overdue", "29"], ["already_late", "30"], ["complete", "30"]]
    assert found[3][5] == "already_late"
    assert [row[2] == "1.0" for row in found] == [False, True, False, True]


def test_what_a_device_does_not_know_is_missing_and_may_be_given_as_columns(folder, made):
    name = made[1].history[0]
    row = {"activity_id": "A", "start": "2022-03-01", "baseline_finish": "2022-09-30", "data_date": "2022-03-31"}
    text = ",".join([*row, name]) + "\n" + ",".join([*row.values(), "45.5"]) + "\n" + ",".join([*row.values(), ""])

    status, out, _ = run(folder, "-", text=text.encode())
    found = [float(line.split(",")[2]) for line in out.splitlines()[1:]]
    assert status == 0
    assert found == made[1].predict_proba([row | {"history": {name: 45.5}}, row])


@pytest.mark.parametrize("arguments", [[], ["--check", "golden.csv"]])
def test_wrong_arguments_are_refused(folder, arguments):
    status, _, errors = run(folder, *arguments)

    assert status == 2
    assert "give a file with activities, or --check" in errors


def test_a_file_that_is_not_there_is_named(folder):
    status, _, errors = run(folder, "nothing.csv")

    assert status == 2
    assert "nothing.csv" in errors


def test_many_problems_are_cut(folder, made):
    refused = cli.SHOWN_PROBLEMS + 5
    status, _, errors = run(folder, "-", text=(HEADER + ",,,,\n" * refused).encode())

    assert status == 1
    assert f"... and {refused * 2 - cli.SHOWN_PROBLEMS} more" in errors
    assert f"0 activities scored, {refused} refused" in errors


def test_numbers_and_days_that_only_look_like_it():
    def accepts(**cells):
        given = {"activity_id": "A", "start": "2022-03-01", "baseline_finish": "2022-09-30", **cells}
        (row,) = table.read([",".join(given) + "\n", ",".join(given.values()) + "\n"])
        return not row.problems

    assert accepts(budget="1e3")
    assert accepts(budget=".5")
    for budget in ("1_000", "inf", "1e999", "1e15", "٣", "-1", "5 $"):
        assert not accepts(budget=budget), budget
    # A word for a missing value.
    assert accepts(budget="nan")
    assert accepts(start="2020-02-29")
    for start in ("2022-02-29", "2022-13-01", "2022-00-10", "0000-01-01", "20220301", "2022-W09-2", "٢٠٢٢-03-01"):
        assert not accepts(start=start), start
    assert not accepts(baseline_duration_days="0")
