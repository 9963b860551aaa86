"""Text of the mail that asks for an approval."""

from collections.abc import Mapping
from typing import Any

from slipcast.release import approval as wording
from slipcast_aws.release.approvals import Approval

SUBJECT = "Slipcast: a release waits for your approval"


def compose(approval: Approval, evaluation: Mapping[str, Any], link: str, report: str | None) -> tuple[str, str]:
    """Return subject and text; `report` is the location of the report, None if there is none."""
    facts = wording.facts(evaluation)
    width = max(len(name) for name, _ in facts) + 2
    lines = [
        SUBJECT,
        "",
        "Review it and decide here. Opening the link decides nothing; the buttons on the page do:",
        "",
        link,
        "",
        f"The link is valid for one decision, until {wording.moment(approval.expires_at)}.",
        "Without a decision nothing is released.",
        "Anyone with the link can decide: share it only with people who may decide.",
        "",
        *[f"{name + ':':<{width}}{text}" for name, text in facts],
        "",
        *[
            f"{row['measure']}: {row['challenger']}; live model: {row['champion']}"
            for row in wording.figures(evaluation)
        ],
    ]
    if report:
        lines += ["", f"Report: {report}; the page links to it"]
    return SUBJECT, "\n".join(lines)
