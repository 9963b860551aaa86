"""One activity, one answer: every door gives the same probability, whatever optional fields and language it has."""

import csv
import io
import json
from importlib import import_module

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from slipcast.edge import cli
from slipcast.features import activity
from slipcast.features.table import feature_table
from slipcast.forecast import batch, stage
from slipcast.model import bulk_scorer, scorer
from slipcast.model.artifact import digest
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline
from support.predict_api import METADATA, call
from support.schedules import example
from tests.integration.test_predict_function import environment

COUNT = 1_000
# Categories in the languages of schedules; the second form of two is the decomposed one of the first.
LANGUAGES = {
    "as they are": {},
    "German": {"Design": "Entwurf – Überarbeitung", "Construction": "Ausführung"},
    "Chinese": {"Design": "设计", "Construction": "施工"},
    "Arabic": {"Design": "تصميم", "Construction": "بناء"},
    "Hindi": {"Design": "डिज़ाइन", "Construction": "निर्माण"},
    "Vietnamese, decomposed": {
        "Design": "Thie\u0302\u0301t ke\u0302\u0301",
        "Construction": "Xa\u0302y du\u031b\u0323ng",
    },
}


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """The last activities of the example, as a client sends them: all fields that the example has, and a few more."""
    table = example("nyc_sca_2025-06.csv").table.tail(COUNT)
    found = []
    for number, row in enumerate(table.to_dict("records")):
        sent = {
            **{name: row[name] for name in activity.TEXTS if isinstance(row.get(name), str) and name != "status"},
            **{name: row[name].date().isoformat() for name in ("start", "baseline_finish")},
            **({} if pd.isna(row["budget"]) else {"budget": float(row["budget"])}),
            **({"total_float_days": number % 90 - 30} if number % 3 else {}),
            **({"predecessor_count": number % 5} if number % 4 else {}),
            "activity_id": f"{row['activity_id']}-{number}",
            # Before, during and after, with and without the facts that a table has.
            **(
                {"data_date": (row["start"] + pd.Timedelta(days=number % 900 - 60)).date().isoformat()}
                if number % 7
                else {}
            ),
            **({"status": ("not_started", "in_progress")[number % 2]} if number % 3 == 0 else {}),
        }
        if number % 5 == 0 and not pd.isna(row["actual_finish"]):
            sent["actual_finish"] = row["actual_finish"].date().isoformat()
        if sent["baseline_finish"] < sent["start"]:
            sent["baseline_start"] = sent["baseline_finish"]
        found.append(sent)
    return found


@pytest.fixture(scope="module", params=["logistic_regression", "random_forest", "hist_gradient_boosting"])
def model(request, rows) -> bytes:
    """A model of the example, which knows the categories of each language."""
    table = pd.concat(
        [pd.DataFrame([translated(row, names) for row in rows[::3]]) for names in LANGUAGES.values()], ignore_index=True
    )
    for name in activity.DAYS:
        table[name] = pd.to_datetime(table.get(name))
    # As the intake stores text.
    for name in ("phase", "work_type", "location"):
        table[name] = [text if pd.isna(text) else activity.clean_text(text) for text in table[name]]
    late = (
        np.random.default_rng(1).random(len(table))
        < 0.2 + 0.5 * table["phase"].str.len() / table["phase"].str.len().max()
    )
    candidate = next(item for item in load_candidates() if item.name == request.param)
    few = {"n_estimators": 20} if request.param == "random_forest" else {}
    fitted = build_pipeline(candidate, 1, **few).fit(feature_table(table), late.astype(int))
    return export(fitted, family=request.param, threshold=1 / 3, metadata=METADATA)


def translated(row: dict, names: dict[str, str]) -> dict:
    return {**row, "phase": names.get(row.get("phase"), row.get("phase"))}


def by_days(row: dict) -> dict:
    taken, _ = activity.check(row)
    days = activity.baseline(taken.get("baseline_start", taken["start"]), None, taken["baseline_finish"]).days
    return {name: value for name, value in row.items() if name != "baseline_finish"} | {"baseline_duration_days": days}


def bare(row: dict) -> dict:
    facts = ("data_date", "status", "actual_finish")
    names = ("activity_id", "start", "baseline_start", "baseline_finish", *facts)
    return {name: row[name] for name in names if name in row}


FIELDS = {
    "all": dict,
    "by days": by_days,
    "bare": bare,
    "untidy": lambda row: row | {"phase": f" {row.get('phase') or ''}\u00a0"},
}


def in_csv(rows: list[dict]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, activity.BY_NAME)
    writer.writeheader()
    writer.writerows({name: repr(v) if isinstance(v, float) else v for name, v in row.items()} for row in rows)
    return buffer.getvalue()


def tensors(rows: list[dict]) -> dict:
    names = dict.fromkeys(name for row in rows for name in row)
    return {
        "inputs": [
            {
                "name": name,
                "datatype": "FP64" if name in activity.NUMBERS else "BYTES",
                "shape": [len(rows), 1],
                "data": [row.get(name) for row in rows],
            }
            for name in names
        ]
    }


def columnar(rows: list[dict]) -> tuple[bytes, bytes]:
    """Return the rows as a stream of Arrow, and as Parquet with days as days."""
    frame = pd.DataFrame(rows)
    dated = frame.assign(**{name: pd.to_datetime(frame[name]) for name in activity.DAYS if name in frame})
    stream, file = io.BytesIO(), io.BytesIO()
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    dated.to_parquet(file)
    return stream.getvalue(), file.getvalue()


def doors(app, rows: list[dict], raw: bytes) -> dict[str, list[float]]:
    """Return the probabilities by door."""
    stream, predictions = import_module("predict.stream.message"), import_module("predict.api.predictions")

    def post(target, body=None, *, text=None, kind="application/json"):
        answer = call(app, "POST", target, body, raw=text, headers={"Content-Type": kind})
        assert answer.status == 200, answer.text[:500]
        return answer

    def listed(answer):
        return [item["probability"] for item in answer.json()["predictions"]]

    loaded = scorer.load(raw, digest(raw))
    split = pd.DataFrame(rows).astype(object).where(lambda table: table.notna(), None).to_dict(orient="split")
    arrow, parquet = columnar(rows)
    lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
    scored = batch.score(
        [activity.check(row)[0] for row in rows],
        loaded,
        lambda chunk, names: chunk,
        data_date=stage.today(),
        model_version="4",
        explained=0,
    )
    by_id = {item["activity_id"]: item["probability"] for item in scored}
    many = bulk_scorer.load(raw, digest(raw))
    model = app.serving.model()
    refused: list = []
    return {
        "API": listed(post("/predictions", {"activities": rows})),
        # What msgspec does not take as it is gets read field by field.
        "API, by field": listed(
            post("/predictions", {"activities": [row | {"start": f"{row['start']} "} for row in rows]})
        ),
        "API, CSV": [
            float(r["probability"])
            for r in csv.DictReader(io.StringIO(post("/predictions", text=in_csv(rows), kind="text/csv").text))
        ],
        "API, lines": [
            json.loads(line)["probability"]
            for line in post("/predictions", text=lines, kind="application/x-ndjson").text.splitlines()
        ],
        "API, Arrow": listed(post("/predictions", text=arrow, kind="application/vnd.apache.arrow.stream")),
        "API, Parquet": listed(post("/predictions", text=parquet, kind="application/vnd.apache.parquet")),
        "V2": post("/v2/models/slipcast/infer", tensors(rows)).json()["outputs"][0]["data"],
        "MLflow, CSV": listed(post("/invocations", text=in_csv(rows), kind="text/csv")),
        "MLflow, JSON": listed(post("/invocations", {"dataframe_split": split})),
        "stream": [predictions.score("m", model, stream.read(json.dumps(row))).scores[0] for row in rows],
        "batch": [by_id[row["activity_id"]] for row in rows],
        "large batches": predictions.score(
            "m",
            model._replace(scorer=many),
            import_module("predict.api.requests").read(json.dumps({"activities": rows})),
        ).scores,
        "edge": [
            item["probability"] for item in cli.predictions(loaded, io.StringIO(in_csv(rows), newline=""), refused)
        ],
    }


@pytest.fixture
def app(load_app, model, tmp_path):
    path = tmp_path / "model.json"
    path.write_bytes(model)
    return load_app("predict.app", **environment(path, digest(model)))


@pytest.mark.parametrize("fields", FIELDS)
def test_every_door_gives_the_same_answer(app, rows, model, fields):
    threshold = scorer.load(model, digest(model)).threshold
    language = list(LANGUAGES)
    # Every activity in one language, all languages in each run.
    sent = [
        FIELDS[fields](translated(row, LANGUAGES[language[number % len(language)]])) for number, row in enumerate(rows)
    ]

    found = doors(app, sent, model)

    expected = np.array(found.pop("API"))
    assert len(set(expected.tolist())) > 20
    assert 100 < (expected == 1.0).sum() < 900
    for door, scores in found.items():
        assert np.abs(np.array(scores) - expected).max() <= 1e-12, door
        assert ((np.array(scores) >= threshold) == (expected >= threshold)).all(), door


def test_the_same_activity_has_one_answer_by_any_of_its_fields(app, rows):
    def scores(way):
        answer = call(app, "POST", "/predictions", {"activities": [FIELDS[way](row) for row in rows]})
        return np.array([item["probability"] for item in answer.json()["predictions"]])

    assert np.abs(scores("by days") - scores("all")).max() == 0
    assert np.abs(scores("untidy") - scores("all")).max() == 0
    assert np.abs(scores("bare") - scores("all")).max() > 0
