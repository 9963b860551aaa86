"""Canonical schedule: its columns, those used for prediction, and those that must never be used."""

import unicodedata
from typing import Literal, NamedTuple

Kind = Literal["text", "date", "number"]

# Numbers of this size and above are refused by every door: float64 holds whole numbers below it exactly, and sums and
# squares of as many as there can be stay finite.
LARGEST_NUMBER = 1e15
# What surrounds a text without being part of it: spaces, no-break spaces, tabs, ends of lines.
WHITE_SPACE = " \t\u00a0\r\n"


def clean_text(text: str) -> str:
    """Return the text in Unicode's composed form (NFC), without white space around it.

    Examples
    --------
    >>> clean_text(" Design\\u00a0"), len(clean_text("Cafe\\u0301"))
    ('Design', 4)
    """
    text = text.strip(WHITE_SPACE)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


class Column(NamedTuple):
    """A canonical column.

    Attributes
    ----------
    name
        header in the canonical CSV
    kind
        ``text``, ``date`` (ISO 8601 day) or ``number``
    required
        whether a file without it is refused
    description
        meaning and unit
    """

    name: str
    kind: Kind
    required: bool
    description: str


COLUMNS = (
    Column("activity_id", "text", True, "Identifier, unique in the file"),
    Column("activity_name", "text", False, "What is done"),
    Column("project_id", "text", False, "Project; the file's name where absent"),
    Column("wbs", "text", False, "Place in the work breakdown structure; of a path, ' > ' stands between the levels"),
    Column("phase", "text", False, "Phase of the project"),
    Column("work_type", "text", False, "Kind of work or programme"),
    Column("location", "text", False, "Place, as coarse as it matters"),
    Column("data_date", "date", True, "Day that the file describes"),
    Column("status", "text", False, "not_started, in_progress or complete; derived where absent"),
    Column("start", "date", True, "Actual start, else planned start"),
    Column("baseline_start", "date", False, "Start in the baseline"),
    Column("baseline_finish", "date", True, "Finish in the baseline"),
    Column("actual_finish", "date", False, "Finish; empty while the activity is open"),
    Column("planned_finish", "date", False, "Finish that is planned on the data date; empty once it has finished"),
    Column(
        "baseline_duration_days",
        "number",
        False,
        "Calendar days, first and last included; derived from baseline dates where absent",
    ),
    Column("total_float_days", "number", False, "Calendar days of total float"),
    Column("predecessor_count", "number", False, "Number of predecessors"),
    Column("budget", "number", False, "Budget in the currency of the file"),
    Column("percent_complete", "number", False, "0 to 100"),
    Column("schedule_adherence", "number", False, "1 on time, 0 late; derived from the dates where absent"),
)

# Columns that record what happened after the start: with them a model reaches an AUC of .99, but they are unknown when
# a prediction is needed.
POST_HOC = frozenset(
    {"status", "percent_complete", "actual_finish", "planned_finish", "data_date", "is_late", "schedule_adherence"}
)

FEATURE_COLUMNS = (
    *("activity_id", "activity_name", "project_id", "phase", "work_type", "location"),
    *("start", "baseline_start", "baseline_finish"),
    *("baseline_duration_days", "total_float_days", "predecessor_count", "budget"),
)

STATUSES = ("not_started", "in_progress", "complete")
