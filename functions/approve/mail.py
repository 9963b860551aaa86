"""The words of the mail that asks for an approval."""

from collections.abc import Mapping
from typing import Any

from slipcast.release import approval as wording
from slipcast_aws.release.approvals import Approval

SUBJECT = "Slipcast: a release waits for your approval"


def compose(approval: Approval, evaluation: Mapping[str, Any], link: str, report: str | None) -> tuple[str, str]:
    """Return subject and text; `report` is where the report is, None if there is none."""
    facts = wording.facts(evaluation)
    width = max(len(name) for name, _ in facts) + 2
    lines = [
        SUBJECT,
        "",
        "Look at it and decide here. Opening the link decides nothing, the buttons on the page do:",
        "",
        link,
        "",
        f"It holds for one decision, until {wording.moment(approval.expires_at)}; without one nothing is released.",
        "Whoever has it can decide: do not pass it on to anyone who should not.",
        "",
        *[f"{name + ':':<{width}}{text}" for name, text in facts],
        "",
        *[
            f"{row['measure']}: {row['challenger']}; model that is live: {row['champion']}"
            for row in wording.figures(evaluation)
        ],
    ]
    if report:
        lines += ["", f"Report: {report}; the page links to it"]
    return SUBJECT, "\n".join(lines)
