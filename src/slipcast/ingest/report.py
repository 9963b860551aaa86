"""Report on one upload: what was understood, what was not and why, as a document.

`slipcast.reports.intake` makes a page of it.
"""

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

from slipcast.contracts import DatasetRef
from slipcast.ingest.advice import advice
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule
from slipcast.ingest.understanding import Column, Problem, QuarantinedRow, Understood
from slipcast.schedule.comparison import Document
from slipcast.schedule.quality import Quality

# Rows of each kind of change that the report shows.
MOST = 10


class ProfileName(TypedDict):
    """Profile that read a file."""

    name: str
    title: str


class Changed(TypedDict):
    """The largest changes since the last update; ``counts`` of each list, all of it is in ``comparison.json``."""

    counts: dict[str, int]
    shown: Document


class Accepted(TypedDict):
    """Report on a file that was read, whole or in part.

    ``labels`` are those of the file's activities with the baselines of its series. ``quality`` is there for a file with
    a network, ``comparison`` if there is an update before it.
    """

    outcome: Literal["accepted"]
    file: str
    source: str
    profile: ProfileName
    data_date: str | None
    counts: dict[str, int]
    labels: dict[str, int]
    problems: list[Problem]
    understood: Understood
    quarantined: list[QuarantinedRow]
    changes: list[str]
    notes: list[str]
    advice: str
    quality: NotRequired[Quality]
    comparison: NotRequired[Changed]
    # Objects that the report is about, and the dataset version: added by the function that stores them.
    sources: NotRequired[list[dict[str, object]]]
    dataset: NotRequired[DatasetRef]


class Refused(TypedDict):
    """Report on a file that cannot be used; ``columns`` and ``quarantined`` as far as it was understood."""

    outcome: Literal["refused"]
    file: str
    why: str
    row: int | None
    column: str | None
    reason: str
    remedy: str
    columns: list[Column]
    quarantined: list[QuarantinedRow]
    sources: NotRequired[list[dict[str, object]]]


def accepted(
    schedule: Schedule, understood: Understood, *, file: str, labels: dict[str, int], changes: Sequence[str]
) -> Accepted:
    """Return the report on a file that was read, whole or in part.

    Parameters
    ----------
    schedule
        The file as it was read.
    understood
        Of the file, alone or with its series (`understanding.in_series`).
    file
        Its name.
    labels
        Matured, late, open and censored activities of the file.
    changes
        How it differs in kind from the last file of its source.
    """
    return {
        "outcome": "accepted",
        "file": file,
        "source": schedule.source,
        "profile": {"name": schedule.profile.name, "title": schedule.profile.title},
        "data_date": schedule.data_date.isoformat() if schedule.data_date else None,
        "counts": schedule.counts,
        "labels": labels,
        "problems": schedule.problems,
        "understood": understood,
        "quarantined": list(schedule.quarantined),
        "changes": list(changes),
        "notes": list(schedule.notes),
        "advice": advice(understood, schedule.counts, schedule.problems),
    }


def shortened(changed: Document) -> Changed:
    """Return the first changes of each kind; of slips the largest and, as pulls, those that gained most."""
    slips = changed["slips"]
    late, early = [row for row in slips if row["days"] > 0], [row for row in slips if row["days"] < 0]
    shown: Document = {
        **changed,
        "slips": [*late[:MOST], *early[-MOST:]],
        "consumed": changed["consumed"][:MOST],
        "added": changed["added"][:MOST],
        "removed": changed["removed"][:MOST],
        "added_relations": changed["added_relations"][:MOST],
        "removed_relations": changed["removed_relations"][:MOST],
        "changes": changed["changes"][:MOST],
        "planned_changes": changed["planned_changes"][:MOST],
        "baseline_changes": changed["baseline_changes"][:MOST],
    }
    counts = {name: len(rows) for name, rows in changed.items() if isinstance(rows, list) and name != "slips"}
    return {"counts": {**counts, "slips": len(late), "pulls": len(early)}, "shown": shown}


def refused(file: str, refusal: ScheduleRefused) -> Refused:
    """Return the report on a file that cannot be used."""
    return {
        "outcome": "refused",
        "file": file,
        "why": str(refusal),
        "row": refusal.row,
        "column": refusal.column,
        "reason": refusal.reason,
        "remedy": refusal.remedy,
        "columns": list(refusal.understood),
        "quarantined": list(refusal.quarantined),
    }
