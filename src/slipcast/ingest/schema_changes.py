"""Differences in kind between a file and the last one of its source."""

from typing import Any

from slipcast.ingest.refusal import REMARKS
from slipcast.ingest.schedule import Schedule


def schema_changes(before: dict[str, Any], schedule: Schedule) -> list[str]:
    """Return in words how a file differs in kind from the last one of its source.

    Parameters
    ----------
    before
        ``profile``, ``header`` and ``mapped`` of the last file.
    """
    changes = []
    if before["profile"] != schedule.profile.name:
        changes.append(f"read with profile {schedule.profile.name}, the last one with {before['profile']}")
    for verb, names in (
        ("no longer has", [name for name in before["header"] if name not in ("", REMARKS, *schedule.header)]),
        ("newly has", [name for name in schedule.header if name not in ("", REMARKS, *before["header"])]),
    ):
        if names:
            changes.append(f"{verb} the columns {', '.join(names)}"[:500])
    if lost := [name for name in before["mapped"] if name not in schedule.mapped]:
        changes.append(f"lost for the model: {', '.join(lost)}")
    return changes
