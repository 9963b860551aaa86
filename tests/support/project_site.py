"""Projects as the pipeline stores them: updates of the annex with its network, and forecasts of its open activities."""

import gzip
import json
import tempfile
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from slipcast.datasets import network, versions
from slipcast.forecast import serving
from slipcast.forecast.distribution import FinishDistribution
from slipcast.forecast.projects.documents import Basis, Update
from slipcast.forecast.stage import as_of
from slipcast.ingest.schedule import read_schedule
from slipcast.schedule.network import Key

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "annex"
DAYS = ("2025-02-28", "2025-08-29", "2026-03-31")
SOURCE = "ps118_annex"
TOLERANCE_DAYS = 30
# Finishes relative to the days that are planned to remain, as forecasts have them: late more often than early.
SHARES = ((0.0, 0.0), (0.5, 0.1), (1.0, 0.4), (1.5, 0.7), (3.0, 0.95), (6.0, 1.0))
REASON = {"feature": "total_float_days", "name": "Total Float in days", "value": "0", "effect": 0.12}


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
def update(day: str, *, linked: bool = True, forecast: bool = True) -> Update:
    """Return an update of the annex as it was scored.

    Parameters
    ----------
    linked
        whether it has its network
    forecast
        whether the model was released with a forecast
    """
    activities, tables = read(day)
    today = date.fromisoformat(day)
    predictions, details = {}, {}
    for activity in activities:
        if activity["actual_finish"] is not None:
            continue
        dated, facts = as_of(activity, today, TOLERANCE_DAYS)
        # An activity that the baseline does not have has no finish in it.
        row = {"to_finish": ((dated["baseline_finish"] or date.max) - today).days}
        remaining = min(max(row["to_finish"], 20), 400)
        finish = FinishDistribution(*zip(*((remaining * share, level) for share, level in SHARES), strict=True))
        key = Key(activity["project_id"], activity["activity_id"])
        stated = (
            serving.stated(finish, row, facts, TOLERANCE_DAYS)
            if forecast
            else serving.forecast(None, {}, facts, TOLERANCE_DAYS, 0.3)
        )
        probability = facts.probability(0.3)
        predictions[key] = {"probability": probability, "at_risk": probability > 0.2, **stated._asdict()}
        if forecast:
            details[key] = Basis(finish, [REASON])
    return Update(
        source=SOURCE,
        data_date=today,
        activities=activities,
        predictions=predictions,
        details=details,
        tables=tables if linked else {},
        model_version="4",
        tolerance_days=TOLERANCE_DAYS,
        quality={"passed": 12, "checks": 14},
    )
