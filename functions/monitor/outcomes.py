"""Outcomes of predicted activities: the labels of the latest dataset."""

import gzip
import io
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from slipcast import redaction
from slipcast.monitoring import pending_outcomes
from slipcast.monitoring.realized_performance import Tolerance, performance
from slipcast.monitoring.record import Realised
from slipcast_aws import storage
from slipcast_aws.control import datasets
from slipcast_aws.release import versions

# Number of labels held in memory at once.
ROWS = 50_000


def realised(
    rows: np.ndarray,
    live: versions.LiveModel,
    profile: dict[str, Any],
    *,
    control_table: str,
    tolerance: Tolerance,
    hidden: redaction.Redaction,
) -> Realised:
    """Return the performance of the live model on the labels that matured since its own data.

    Parameters
    ----------
    rows
        pending outcomes of all versions
    """
    own = pending_outcomes.of_version(rows, live.version)
    latest = datasets.latest_dataset(control_table)
    if latest is None or not latest.get("labels_uri") or not profile.get("data_date") or not len(own):
        return Realised(
            "insufficient_data",
            awaiting=len(own),
            coverage=0.0 if len(own) else None,
            dataset_id=latest["dataset_id"] if latest else None,
            data_date=latest["data_date"] if latest else None,
        )
    return performance(
        _joined(own, latest["labels_uri"], pd.Timestamp(profile["data_date"]), hidden),
        len(own),
        profile.get("performance"),
        dataset_id=latest["dataset_id"],
        data_date=latest["data_date"],
        tolerance=tolerance,
    )


def begin_of(live: versions.LiveModel) -> date | None:
    """Return the first day on which the live model can have been asked; None if its release did not record it."""
    return date.fromisoformat(live.trained_at[:10]) if live.trained_at else None


def _joined(rows: np.ndarray, uri: str, known_until: pd.Timestamp, hidden: redaction.Redaction) -> pd.DataFrame:
    with gzip.GzipFile(fileobj=io.BytesIO(storage.read_bytes(uri))) as file:
        parts = [
            pending_outcomes.join(rows, _as_logged(part, hidden), known_until=known_until)
            for part in pd.read_csv(
                file,
                chunksize=ROWS,
                dtype=dict.fromkeys(("project_id", "activity_id", "phase", "work_type", "location"), str),
                parse_dates=["matured_at"],
                keep_default_na=False,
                na_values={"phase": [""], "work_type": [""], "location": [""]},
            )
        ]
    return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)


def _as_logged(part: pd.DataFrame, hidden: redaction.Redaction) -> pd.DataFrame:
    """Return activities with their identifiers as the log has them: hashed if they are redacted."""
    hashed = {
        name: part[name].map(lambda value, name=name: hidden.identity(name, value))
        for name in redaction.IDENTIFIERS
        if name in hidden.columns
    }
    return part.assign(**hashed)
