"""How a case ends."""

import re
from dataclasses import dataclass

from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule

CLASSES = (
    "no profile knows this header", "rows are bad", "equally well", "twice", "rows are left out", "no activities",
    "several data dates", "day/month or month/day", "which day it describes", "gzip file", "zip file", "workbook",
    "UTF-8", "UTF-16", "binary data", "is empty", "not YAML", "there is no header", "archive", "XER file", "table ",
    "the file is ", "cannot be used", "tell the outcome", "Extra inputs", "Input should", "more than",
)  # fmt: skip


class Violation(AssertionError):
    """A case did not end as it must."""


@dataclass
class Outcome:
    """How a case ended: ``dataset``, ``dataset and quarantine``, ``refused``, or ``profile refused``; and why."""

    kind: str
    reason: str = ""
    schedule: Schedule | None = None
    refusal: ScheduleRefused | None = None


def demand(condition: object, message: str) -> None:
    """Raise Violation unless the condition holds."""
    if not condition:
        raise Violation(message)


def reason_class(reason: str) -> str:
    """Return the part of a reason that does not depend on the file."""
    return next((word.strip() for word in CLASSES if word in reason), re.sub(r"\d+", "N", reason)[:40])
