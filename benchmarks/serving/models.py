"""The models and the rows: one fit of each family, stored in every form that is compared."""

import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import pandas as pd
from sklearn.pipeline import Pipeline

from slipcast.datasets import labels, versions
from slipcast.features.point_in_time import HISTORY
from slipcast.features.point_in_time_table import history_table
from slipcast.features.row import CATEGORICAL, NUMERIC
from slipcast.features.table import feature_table
from slipcast.ingest.schedule import read_schedule
from slipcast.model import artifact
from slipcast.model.export.pipeline import export
from slipcast.training.candidates import load_candidates
from slipcast.training.pipeline import build_pipeline

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "nyc_sca_2025-06.csv"
FOLDER = ROOT / ".cache" / "serving"
TOLERANCE_DAYS = 30
TRAINING_ROWS = 2200
SEED = 1
SIZES = (1, 100, 1000, 10_000)
PARAMS: dict[str, dict[str, Any]] = {
    "logistic_regression": {"C": 0.1},
    "hist_gradient_boosting": {"max_iter": 300, "learning_rate": 0.03, "max_leaf_nodes": 31},
    "random_forest": {"n_estimators": 300, "max_depth": 12, "min_samples_leaf": 2, "max_features": 0.3},
}
METADATA = {
    **{"model_id": "benchmark", "dataset_id": "nyc-sca-2025-06", "data_date": "2025-06-30", "params": {}},
    **{"training_cut": "", "training_rows": TRAINING_ROWS, "tolerance_days": TOLERANCE_DAYS, "metrics": {}},
}
TEXT = ("activity_id", "activity_name", "project_id", "phase", "work_type", "location")
DAYS = ("start", "baseline_start", "baseline_finish")
NUMBERS = ("budget", "total_float_days", "predecessor_count")


class Case(NamedTuple):
    """A family with its files and requests.

    Attributes
    ----------
    model : the artifact; sha256 : its digest; pipeline : joblib; mlflow : folder of the MLflow model
    """

    family: str
    model: Path
    sha256: str
    pipeline: Path
    mlflow: Path


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labelled activities with their features: for training, and later ones."""
    with tempfile.TemporaryDirectory() as folder:
        schedule = read_schedule(EXAMPLE, EXAMPLE.name, workdir=Path(folder))
        table = versions.read_table(schedule.table)
    labelled = labels.label(table, TOLERANCE_DAYS).sort_values("start", kind="stable")
    rows = labelled.join(history_table(table, labelled, TOLERANCE_DAYS)).reset_index(drop=True)
    return rows.iloc[:TRAINING_ROWS], rows.iloc[TRAINING_ROWS:]


def activity(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as the API takes it."""
    present = {name: value for name, value in row.items() if not pd.isna(value)}
    return {
        **{name: present[name] for name in TEXT if name in present},
        **{name: present[name].date().isoformat() for name in DAYS if name in present},
        # Of the day before the start, so that none is late already and the model answers.
        "data_date": (present["start"].date() - timedelta(days=1)).isoformat(),
        **{name: present[name] for name in NUMBERS if name in present},
        "history": {name: present[name] for name in HISTORY if name in present},
    }


def build(families: list[str]) -> tuple[list[Case], pd.DataFrame]:
    """Fit and store the models, and return them with the rows to predict, enough for the largest request.

    The rows are those that follow the training rows in time, repeated in another order where there are too few.
    """
    import mlflow

    train, later = tables()
    features = feature_table(train)
    candidates = {candidate.name: candidate for candidate in load_candidates()}
    cases = []
    for family in families:
        folder = FOLDER / "models" / family
        folder.mkdir(parents=True, exist_ok=True)
        fitted = build_pipeline(candidates[family], SEED, **PARAMS[family]).fit(features, train["is_late"])
        cases.append(_store(fitted, family, folder, features, mlflow))
    repeated = pd.concat([later.sample(frac=1, random_state=seed) for seed in range(1 + max(SIZES) // len(later))])
    rows = repeated.head(max(SIZES)).reset_index(drop=True)
    rows["activity_id"] = [f"{name}-{number}" for number, name in enumerate(rows["activity_id"])]
    return cases, rows


def _store(fitted: Pipeline, family: str, folder: Path, features: pd.DataFrame, mlflow: Any) -> Case:
    raw = export(fitted, family=family, threshold=1 / 3, metadata={**METADATA, "family": family}, training=features)
    model, pipeline, logged = folder / "model.json", folder / "pipeline.joblib", folder / "mlflow"
    model.write_bytes(raw)
    joblib.dump(fitted, pipeline)
    if not logged.exists() or (folder / "digest").read_text() != artifact.digest(raw):
        import shutil

        shutil.rmtree(logged, ignore_errors=True)
        mlflow.sklearn.save_model(
            fitted,
            logged,
            pip_requirements=["scikit-learn", "pandas"],
            serialization_format="cloudpickle",
            pyfunc_predict_fn="predict_proba",
            input_example=features.head(2),
        )
        (folder / "digest").write_text(artifact.digest(raw))
    return Case(family, model, artifact.digest(raw), pipeline, logged)


def body(rows: pd.DataFrame) -> str:
    """Return the request for rows, as the API takes it."""
    activities = [activity(row) for row in rows.to_dict("records")]
    return json.dumps({"activities": activities} if len(activities) > 1 else activities[0])


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the same request as a table: a column for each field and each point-in-time feature."""
    activities = [activity(row) for row in rows.to_dict("records")]
    return pd.DataFrame([{**item, **item.pop("history")} for item in activities])


def arrow(rows: pd.DataFrame) -> bytes:
    """Return the same table as an Arrow IPC stream."""
    import pyarrow

    found, sink = pyarrow.Table.from_pandas(table(rows), preserve_index=False), pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, found.schema) as writer:
        writer.write_table(found)
    return sink.getvalue().to_pybytes()


def frame(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features of rows, as the pipelines take them."""
    return feature_table(rows)[[*NUMERIC, *CATEGORICAL]]


def records(features: pd.DataFrame) -> str:
    """Return rows as JSON; `DataFrame.to_json` rounds, and a rounded value may lie on the other side of a split."""
    return json.dumps(features.astype(object).where(features.notna(), None).to_dict("records"))
