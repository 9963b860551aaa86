"""What a file's name says: the series it belongs to, and the day it describes."""

import calendar
import re
from datetime import date
from pathlib import PurePosixPath

SUFFIXES = {".csv", ".txt", ".tsv", ".gz", ".zip", ".xlsx", ".xer"}
DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
# Not the first part of a day that is none or is written otherwise, as in 2025-02-31 and 2025-06-7.
MONTH = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.](0[1-9]|1[0-2])(?!\d|[-_.]\d\d?(?!\d))")


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
    if found := MONTH.search(text):
        year, month = int(found[1]), int(found[2])
        return date(year, month, calendar.monthrange(year, month)[1])
    return None


def source(name: str, folder: str = "") -> str:
    """Return the series of files that a file belongs to: its name without the date, below the folder's name.

    ``tower_a_2025-06-30.csv`` and ``tower_a_2025-07-31.csv`` are both of ``tower_a``.
    """
    text = MONTH.sub("", DAY.sub("", stem(name)))
    parts = [re.sub(r"[^a-z0-9]+", "_", part.casefold()).strip("_")[:80] for part in (folder, text)]
    return "-".join(part for part in parts if part) or "schedule"
