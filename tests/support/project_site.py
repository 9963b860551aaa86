"""Projects as the pipeline stores them: updates of the annex with its network, scored by small models."""

import gzip
import json
import tempfile
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from slipcast.datasets import network, versions
from slipcast.forecast import batch
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.projects.documents import Basis, Update
from slipcast.forecast.reasons import Explainer, described
from slipcast.ingest.schedule import read_schedule
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast.schedule.network import Key
from support.forecast_models import forecast_json, with_forecast
from support.predict_api import artefact

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "annex"
DAYS = ("2025-02-28", "2025-08-29", "2026-03-31")
SOURCE = "ps118_annex"


def _without_history(chunk: Any, names: Any) -> list[dict[str, Any]]:
    return [{**activity, "history": {}} for activity in chunk]


@cache
def read(day: str) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Return all activities and the network by table of an update of the annex, as prepare stores them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "reading").mkdir()
        path = FOLDER / f"{SOURCE}_{day}.xer"
        schedule = read_schedule(path, path.name, workdir=folder / "reading", max_bad_share=0.2)
        rows, _ = network.updates(schedule.network, schedule.network, folder)
        versions.write_dated(schedule.table, folder / "activities.jsonl.gz", folder)
        lines = gzip.decompress((folder / "activities.jsonl.gz").read_bytes()).splitlines()
    tables = {table: [network.stored(row) for row in found] for table, found in rows.items()}
    return [json.loads(line) for line in lines], json.loads(json.dumps(tables))


@cache
def update(day: str, *, linked: bool = True, model_version: str = "4") -> Update:
    """Return an update of the annex as it was scored; without its network if it is not `linked`."""
    activities, tables = read(day)
    document = json.loads(forecast_json())
    forecaster = Forecaster(document)
    explainer = Explainer(document, forecaster)
    raw = with_forecast(artefact())
    details: dict[Key, Basis] = {}

    def keep(activity: Mapping[str, Any], detail: batch.Detail) -> None:
        limit = detail.features["to_finish"] + 30
        parts = explainer.reasons(detail.features, detail.facts.stage, limit, detail.judged)
        said = [item._asdict() for item in described(parts, detail.features, detail.judged)] if parts else []
        details[Key(activity["project_id"], activity["activity_id"])] = Basis(detail.finish, said)

    rows = batch.score(
        [activity for activity in activities if activity["actual_finish"] is None],
        scorer.load(raw, digest(raw)),
        _without_history,
        data_date=date.fromisoformat(day),
        model_version=model_version,
        forecaster=forecaster,
        explained=0,
        detail=keep,
    )
    return Update(
        source=SOURCE,
        data_date=date.fromisoformat(day),
        activities=activities,
        predictions={Key(row["project_id"], row["activity_id"]): row for row in rows},
        details=details,
        tables=tables if linked else {},
        model_version=model_version,
        tolerance_days=30,
        quality={"passed": 12, "checks": 14},
    )
