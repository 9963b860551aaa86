"""What a file's name says: the series it belongs to, and the day it describes."""

import calendar
import hashlib
import re
from datetime import date
from pathlib import PurePosixPath

SUFFIXES = {".csv", ".txt", ".tsv", ".gz", ".zip", ".xlsx", ".xlsm", ".xer", ".xml"}
DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
# Not the first part of a day that is none or is written otherwise, as in 2025-02-31 and 2025-06-7.
MONTH = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.](0[1-9]|1[0-2])(?!\d|[-_.]\d\d?(?!\d))")
_NAMES = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
# Marks between letters and digits of others; ``_`` is a letter for \b.
_FROM, _TO = r"(?<![^\W_])", r"(?![^\W_])"
# Days that are written otherwise than `DAY`: they tell updates apart, and not which day they mean to everybody.
_OTHER_DAYS = (
    rf"{_FROM}\d{{1,2}}[-_. ]?(?:{_NAMES})[-_. ]?(?:(?:19|20)?\d\d)?{_TO}",
    rf"{_FROM}(?:{_NAMES})[-_. ]?(?:\d{{1,2}}[-_., ]+)?(?:19|20)?\d\d{_TO}",
    rf"{_FROM}\d{{1,2}}([-_.])\d{{1,2}}\1(?:19|20)?\d\d{_TO}",
    rf"{_FROM}(?:19|20)\d\d[-_ ]?(?:q[1-4]|(?:kw|cw|wk|w)\d\d?){_TO}",
    rf"{_FROM}(?:q[1-4]|(?:kw|cw|wk|w|week)[-_ ]?\d\d?)[-_ ]?(?:(?:19|20)\d\d)?{_TO}",
    rf"{_FROM}(?:19|20)\d\d(?:0[1-9]|1[0-2]){_TO}",
)
# BL4 may be a block, BL1 is the first baseline.
_BASELINE = rf"{_FROM}(?:(?:base[-_ ]?line|basisplan|tgt|target)[-_ ]?\d*|bl[-_ ]?[01]?){_TO}"
_UPDATES = (
    # Primavera calls a copy for a baseline "X - B1".
    r"\s-\sb\d+$",
    rf"{_FROM}(?:update|updated|upd|up|revision|rev|copy)[-_. #]*(?:no|nr)?[-_. #]*(?:\d+(?:\.\d+)?[a-z]?|[a-z])?{_TO}",
    rf"{_FROM}(?:version|ver|issue|progress|period|stand|status|month)[-_. #]*(?:no|nr)?[-_. #]*\d+{_TO}",
    rf"{_FROM}(?:v\d+(?:\.\d+)*|r\d\d){_TO}",
    _BASELINE,
    rf"{_FROM}(?:current|latest|final|draft|modified|rebaselined?|as[-_ ]built|dd|data[-_ ]date){_TO}",
    r"\(\d+\)$",
)
_MARKS = re.compile("|".join((*_OTHER_DAYS, *_UPDATES)), re.IGNORECASE)
# Names of files that say nothing about the project.
NAMELESS = frozenset(
    {
        *("schedule", "schedules", "export", "exports", "project", "projekt", "projet", "proyecto", "program"),
        *("programme", "plan", "report", "data", "upload", "book", "book1", "mappe1", "task", "tasks", "activities"),
        *("xer", "p6", "msp", "table", "untitled", "new", "sheet1"),
    }
)


def stem(name: str) -> str:
    """Return a file's name without its folder and its known suffixes."""
    path = PurePosixPath(name.replace("\\", "/"))
    while path.suffix.lower() in SUFFIXES and path.stem:
        path = path.with_suffix("")
    return path.name


def data_date(name: str) -> date | None:
    """Return the day that a file's name gives, of a month its last day; None if it gives none."""
    text = stem(name)
    for found in DAY.finditer(text):
        try:
            return date(int(found[1]), int(found[3]), int(found[4]))
        except ValueError:
            continue
    if month_only := MONTH.search(text):
        year, month = int(month_only[1]), int(month_only[2])
        return date(year, month, calendar.monthrange(year, month)[1])
    return None


def without_marks(text: str) -> str:
    """Return a name without dates and without marks of updates and revisions; empty if nothing else is in it.

    ``HALL-UP2``, ``HALL rev. B`` and ``HALL 30-Jun-25`` all are ``HALL``.
    """
    text = MONTH.sub("", DAY.sub("", text))
    return _MARKS.sub("", text).strip(" -_.,#()[]") if _MARKS.search(text) else text.strip(" -_.,")


def is_baseline(name: str) -> bool:
    """Return whether a file's name says that it is the baseline."""
    return re.search(_BASELINE, stem(name), re.IGNORECASE) is not None


def source(name: str, folder: str = "") -> str:
    """Return the series of files that a file belongs to: its name without dates and marks of updates, below its folder.

    ``tower_a_2025-06-30.csv``, ``tower_a_2025-07-31_rev2.csv`` and ``Tower A baseline.xer`` are all of ``tower_a``.
    """
    text = stem(name)
    own = [_plain(part) for part in (folder, without_marks(text))]
    if not any(own):
        own = [_plain(MONTH.sub("", DAY.sub("", text)))]
    if not any(own) and (letters := re.sub(r"[\W\d_]+", "", text)):
        # A name in another script: another series than other such names.
        return f"schedule_{hashlib.sha256(letters.encode()).hexdigest()[:8]}"
    return "-".join(part for part in own if part) or "schedule"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:80]
