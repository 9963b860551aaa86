"""Text of the mail about the completion of all projects."""

from collections.abc import Mapping, Sequence
from typing import Any

from slipcast.reports.project.page import DRIVERS, headline

# Projects of a mail: a topic passes on 256 KB.
MOST = 200


def compose(projects: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], address: str) -> tuple[str, str]:
    """Return subject and text.

    Parameters
    ----------
    projects
        what a list says of each project, and the part `sections.FORECAST` of its latest update
    address
        of the web application
    """
    ordered = sorted(projects, key=lambda item: item[0]["project_id"])
    subject = f"Slipcast: completion of {len(ordered)} project{'s' * (len(ordered) != 1)}"
    lines = [subject, "", f"Charts, reasons and files: {address}", ""]
    for head, forecast in ordered[:MOST]:
        lines += [f"{head['name']}, data date {head['data_date']}", f"  {headline(head)}"]
        lines.append(
            f"  {head['at_risk']} of {head['open']} open activities at risk, {head['already_late']} late already"
        )
        lines += [
            f"  {driver['days']:+.1f} days  {driver['name'] or driver['activity_id']} ({driver['activity_id']})"
            for driver in forecast["drivers"][:DRIVERS]
        ]
        lines += [f"  {address}#/projects/{head['project_id']}", ""]
    if len(ordered) > MOST:
        lines.append(f"and {len(ordered) - MOST} more")
    return subject, "\n".join(lines)
