"""Form of a logged prediction. Every reader of the log relies on it, so it is checked once, where a line is read.

Standard library only.
"""

import re
import sys
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from slipcast.features.row import CATEGORICAL, NUMERIC

NEEDED = ("prediction_id", "at", "model_version", "activity_id", "features", "score")
_NUMERIC, _CATEGORICAL = frozenset(NUMERIC), frozenset(CATEGORICAL)
_LARGEST = sys.float_info.max
# The mean of many leaves may lie a rounding error outside 0 and 1.
_ROUNDING = 1e-9
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def flaw(row: Any) -> str | None:
    """Return why a line of the log is no prediction; None if it is one.

    Parameters
    ----------
    row
        decoded line

    Examples
    --------
    >>> flaw({"at": "2026-01-05T08:58:18"})
    'at is no moment with an offset from UTC'
    """
    if not isinstance(row, dict):
        return "it is not an object"
    if not is_moment(row.get("at")):
        return "at is no moment with an offset from UTC"
    absent = next((name for name in NEEDED if name not in row), None)
    if absent is not None:
        return f"{absent} is missing"
    for name in ("prediction_id", "model_version", "activity_id"):
        if not _is_text(row[name]):
            return f"{name} is no text"
    if row.get("project_id") is not None and not _is_text(row["project_id"]):
        return "project_id is no text"
    score = row["score"]
    # NaN fails the comparison.
    if type(score) not in (float, int) or not -_ROUNDING <= score <= 1 + _ROUNDING:
        return "score is no probability"
    day = row.get("data_date")
    if day is not None and not _is_day(day):
        return "data_date is no day"
    redacted = row.get("redacted", ())
    if not isinstance(redacted, list | tuple) or not all(_is_text(name) for name in redacted):
        return "redacted is no list of names"
    return _flaw_of_features(row["features"])


def is_moment(value: Any) -> bool:
    """Return whether a value is an ISO 8601 moment with an offset from UTC, as every line of the log has."""
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _flaw_of_features(features: Any) -> str | None:
    if not isinstance(features, Mapping):
        return "features is no object"
    for name, value in features.items():
        kind = type(value)
        if kind is float or kind is int:
            # Integers of any length are compared exactly; NaN and infinity fail.
            sound = name not in _CATEGORICAL and -_LARGEST <= value <= _LARGEST
        elif kind is str:
            sound = name not in _NUMERIC and _is_text(value)
        else:
            sound = value is None
        if not sound:
            return f"feature {name[:100]!r} is neither a finite number nor a text that it may be"
    return None


def _is_text(value: Any) -> bool:
    """Return whether a value is text that can be stored: JSON may hold half of a surrogate pair, UTF-8 may not."""
    if type(value) is not str:
        return False
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_day(value: Any) -> bool:
    if not isinstance(value, str) or not _DAY.match(value):
        return False
    try:
        date.fromisoformat(value[:10])
    except ValueError:
        return False
    return True
