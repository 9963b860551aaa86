"""Compact records (44 bytes) of predictions that await their outcome, keyed by hashed ids."""

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

# `key` is the digest of project and activity, 0 if the caller named no project; `lone` that of the activity alone. Days
# and milliseconds since 1970.
FIELDS = {"version": "S12", "key": "u8", "lone": "u8", "score": "f4", "as_of": "i4", "at": "datetime64[ms]"}
KIND = np.dtype(list(FIELDS.items()))


def day_of(item: Mapping[str, Any]) -> str:
    """Return the ISO day as of which a prediction was made: its data date, else the day of the request.

    Examples
    --------
    >>> day_of({"at": "2026-01-05T08:58:18Z"})
    '2026-01-05'
    """
    return str(item.get("data_date") or item["at"])[:10]


def asked_of(items: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Return logged predictions as rows of `KIND`, the first one of each version for each activity.

    Parameters
    ----------
    items
        ``model_version``, ``activity_id``, ``score``, ``at`` (ISO 8601), perhaps ``project_id`` and ``data_date``
    """
    rows = np.empty(len(items), dtype=KIND)
    rows["version"] = [str(item["model_version"]).encode() for item in items]
    rows["lone"] = keys([item["activity_id"] for item in items])
    rows["key"] = [_key(item["project_id"], item["activity_id"]) if item.get("project_id") else 0 for item in items]
    rows["score"] = [item["score"] for item in items]
    rows["as_of"] = np.array([day_of(item) for item in items], dtype="datetime64[D]").astype("int32")
    # numpy knows no zones.
    moments = [datetime.fromisoformat(item["at"]).astimezone(UTC).replace(tzinfo=None) for item in items]
    rows["at"] = np.array(moments, dtype="datetime64[ms]")
    return first(rows)


def first(rows: np.ndarray) -> np.ndarray:
    """Return the earliest prediction of each version for each activity."""
    ordered = rows[np.argsort(rows["at"], kind="stable")]
    _, places = np.unique(ordered[["version", "key", "lone"]], return_index=True)
    return ordered[np.sort(places)]


def together(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the rows of several tables as one, the earliest prediction of each version for each activity."""
    return first(np.concatenate([np.empty(0, dtype=KIND), *parts]))


def of_version(rows: np.ndarray, version: str) -> np.ndarray:
    """Return the rows of one model version."""
    values: np.ndarray = rows[rows["version"] == version.encode()]
    return values


def keys(activities: Iterable[Any], projects: Iterable[Any] | None = None) -> np.ndarray:
    """Return the digests of activities, with their projects if those are given: shape (n,), uint64."""
    if projects is None:
        return np.array([_key("", activity) for activity in activities], dtype="uint64")
    pairs = zip(projects, activities, strict=True)
    return np.array([_key(project, activity) for project, activity in pairs], dtype="uint64")


def _key(project: Any, activity: Any) -> int:
    digest = hashlib.blake2b(f"{project}\x1f{activity}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def pack(rows: np.ndarray) -> bytes:
    """Return rows as a compressed npz file."""
    buffer = io.BytesIO()
    # As plain columns: what numpy reads without pickle.
    np.savez_compressed(buffer, allow_pickle=False, **{name: rows[name] for name in FIELDS})
    return buffer.getvalue()


def unpack(raw: bytes) -> np.ndarray:
    """Return what `pack` wrote."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as columns:
        rows = np.empty(len(columns["key"]), dtype=KIND)
        for name in FIELDS:
            rows[name] = columns[name]
    return rows


def join(rows: np.ndarray, labelled: pd.DataFrame, *, known_until: pd.Timestamp | None) -> pd.DataFrame:
    """Return the predicted activities with a label that the model has not learned from.

    An activity counts once, with its first prediction: later ones may already reflect its delay. Activities that had
    matured before the day as of which the prediction was made test nothing and are left out. The day of maturity
    decides, not the day on which the outcome became known: timely outcomes are known earlier, so the rest would be late
    too often.

    Parameters
    ----------
    rows
        of one version, as `first` returns them
    labelled
        matured activities, each once: ``project_id``, ``activity_id``, ``is_late``, ``matured_at`` and the known ones
        of `slices.COLUMNS`
    known_until
        data date of the model's own dataset; activities matured by then are left out

    Returns
    -------
    pd.DataFrame
        the predicted ones of `labelled`, with ``score``, ``as_of`` and ``at``. A prediction without a project is joined
        by the activity's id if only one project has that id.
    """
    whole, lone = keys(labelled["activity_id"], labelled["project_id"]), keys(labelled["activity_id"])
    values, counts = np.unique(lone, return_counts=True)
    lone = np.where(np.isin(lone, values[counts > 1]), 0, lone)
    found = []
    for name, wanted, have in (("key", whole, rows["key"] != 0), ("lone", lone, rows["key"] == 0)):
        part = rows[have]
        order = np.argsort(part[name])
        place = np.searchsorted(part[name][order], wanted)
        place = np.minimum(place, max(len(part) - 1, 0))
        hit = (part[name][order][place] == wanted) & (wanted != 0) if len(part) else np.zeros(len(wanted), dtype=bool)
        asked = part[order][place[hit]] if len(part) else part
        found.append(
            labelled[hit].assign(
                score=asked["score"].astype("float64"),
                as_of=asked["as_of"].astype("datetime64[D]").astype("datetime64[s]"),
                at=asked["at"],
            )
        )
    both = pd.concat(found).sort_values("at", kind="stable").drop_duplicates(["project_id", "activity_id"])
    both = both[both["matured_at"] > both["as_of"]]
    return (both if known_until is None else both[both["matured_at"] > known_until]).reset_index(drop=True)
