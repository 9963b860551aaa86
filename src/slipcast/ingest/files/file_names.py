"""Facts in a file's name: the series it belongs to, and the day it describes."""

import calendar
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import PurePosixPath

SUFFIXES = {".csv", ".txt", ".tsv", ".gz", ".zip", ".xlsx", ".xlsm", ".xer", ".xml", ".pmxml"}
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
_BASELINE = rf"{_FROM}(?:(?:base[-_ ]?line|basisplan|tgt|target)[-_ ]?\d*|bl(?:[-_ ]?0?[01])?){_TO}"
# A longer number is that of the project, as in UP-54069.
_NUMBER = r"[-_. #]*(?:no|nr)?[-_. #]*(?:\d{1,3}(?:\.\d+)?[a-z]?|[a-z])"
_UPDATES = (
    # Primavera calls a copy for a baseline "X - B1".
    r"\s-\sb\d+$",
    rf"{_FROM}copy of ",
    rf"{_FROM}(?:updated?|upd?|revision|rev|copy)(?:{_NUMBER})?{_TO}",
    rf"{_FROM}(?:version|ver|issue|progress|period|stand|status|month)[-_. #]*(?:no|nr)?[-_. #]*\d+{_TO}",
    rf"{_FROM}(?:v\d+(?:\.\d+)*|r\d\d){_TO}",
    _BASELINE,
    rf"{_FROM}(?:current|latest|final|draft|modified|rebaselined?|as[-_ ]built){_TO}",
    rf"{_FROM}(?:dd|data[-_ ]date)(?:[-_ ]?\d{{6}})?{_TO}",
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


# Characters of the readable part of a series, which is a part of keys: S3 takes 1,024 bytes, a letter has up to 4.
LONGEST = 80
# Hexadecimal digits of the digest after a readable part that does not say all of the name.
DIGEST_DIGITS = 8
# Categories of Unicode that only separate words: connectors, dashes, brackets, spaces, control characters.
SEPARATORS = ("Pc", "Pd", "Ps", "Pe", "Zs", "Cc")


def stem(name: str) -> str:
    """Return a file's name without its folder and its known suffixes, in Unicode's composed form (NFC).

    Systems write letters with marks in either form: macOS decomposes them, so that the same name has other bytes.
    """
    path = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/"))
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


def says_nothing(series: str) -> bool:
    """Return whether a series has the name of no project: ``export``, ``update_5``."""
    return series in NAMELESS or not without_marks(series)


def is_baseline(name: str) -> bool:
    """Return whether a file's name says that it is the baseline."""
    return re.search(_BASELINE, stem(name), re.IGNORECASE) is not None


def source(name: str, folder: str = "") -> str:
    """Return the series of files that a file belongs to: its name without dates and marks of updates, below its folder.

    ``tower_a_2025-06-30.csv``, ``tower_a_2025-07-31_rev2.csv`` and ``Tower A baseline.xer`` are all of ``tower_a``. Two
    names have one series only if they differ in case, spaces, hyphens, brackets and the like alone: what else is not
    kept, such as the signs of ``A+B`` and ``A&B``, is in a digest at the end.

    Examples
    --------
    >>> source("東京站_2024-12-31.csv"), source("A+B.csv"), source("A&B.csv")
    ('東京站', 'a_b.300273da', 'a_b.4e012385')
    """
    text = stem(name)
    own = [_slug(part) for part in (folder, without_marks(text))]
    if not any(own):
        own = [_slug(MONTH.sub("", DAY.sub("", text)))]
    return "-".join(part for part in own if part) or "schedule"


def former_source(name: str, folder: str = "") -> str:
    """Return the series as earlier versions named it: letters with marks, of other scripts, and signs became ``_``."""
    path = PurePosixPath(name.replace("\\", "/"))
    while path.suffix.lower() in SUFFIXES and path.stem:
        path = path.with_suffix("")
    text = path.name
    own = [_former_slug(part) for part in (folder, without_marks(text))]
    if not any(own):
        own = [_former_slug(MONTH.sub("", DAY.sub("", text)))]
    if not any(own) and (letters := re.sub(r"[\W\d_]+", "", text)):
        return f"schedule_{hashlib.sha256(letters.encode()).hexdigest()[:8]}"
    return "-".join(part for part in own if part) or "schedule"


def former_names(uploads: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return the series that go on under the name of an earlier version: its name now → its name then.

    If files of several series shared a name then, it stays with the series that is still called so, else with that of
    the last file, as its predictions and its open activities are of that one.

    Parameters
    ----------
    uploads
        name, folder and series of each file that was taken in, the earliest first

    Examples
    --------
    >>> former_names([("A+B.csv", "", "a_b"), ("A&B.csv", "", "a_b"), ("hall.csv", "", "hall")])
    {'a_b.4e012385': 'a_b'}
    """
    owners: dict[str, str] = {}
    for name, folder, used in uploads:
        for place in dict.fromkeys((folder, "")):
            if owners.get(used) != used and former_source(name, place) == used:
                owners[used] = source(name, place)
                break
    return {now: then for then, now in owners.items() if now != then}


def name_in_use(series: str, former: Mapping[str, str]) -> str:
    """Return the name under which a series is stored.

    Parameters
    ----------
    series
        as `source` returns it
    former
        as `former_names` returns it
    """
    if series in former:
        return former[series]
    # Its name belongs to another series, since an earlier version.
    return f"{series}.{_digest(series)}" if series in former.values() else series


def _slug(text: str) -> str:
    """Return text as a part of a key: letters, marks and digits of all scripts, everything else as ``_``.

    Where more than case and separators is lost, a digest of the whole follows.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    # Marks of direction, soft hyphens and the like are invisible, and come in by copying.
    text = "".join(" " if _separates(each) else each for each in text if unicodedata.category(each) != "Cf")
    text = " ".join(text.split())
    slug = re.sub(r"_+", "_", "".join(each if _is_kept(each) else "_" for each in text)).strip("_")
    lost = len(slug) > LONGEST or any(each != " " and not _is_kept(each) for each in text)
    return f"{slug[:LONGEST] or 'schedule'}.{_digest(text)}" if lost else slug


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def _separates(character: str) -> bool:
    return character in ".," or character.isspace() or unicodedata.category(character) in SEPARATORS


def _is_kept(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


def _former_slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:80]
