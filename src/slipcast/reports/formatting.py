"""Formatting of figures and names for people; filters of the templates."""

import re
from typing import Any

# Characters that XML 1.0 does not allow; they become the replacement character.
_NOT_TEXT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NONE = "–"
# Words in Slipcast's own names that keep their spelling in print.
_PRINTED = {
    "auc": "AUC",
    "brier": "Brier",
    "ci": "95 %",
    "cv": "CV",
    "f1": "F1",
    "mlp": "MLP",
    "rbf": "RBF",
    "svc": "SVC",
}


def clean(value: Any) -> str:
    """Return `value` as text in which each character may stand in XML."""
    return _NOT_TEXT.sub("\ufffd", str(value))


def number(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of decimals, an integer with thousands separators, ``–`` for None.

    Examples
    --------
    >>> number(0.12345), number(12345), number(None)
    ('0.123', '12,345', '–')
    """
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    # Adding 0 turns the minus zero of a small loss into zero.
    return f"{value:,}" if isinstance(value, int) else f"{round(value + 0.0, digits) + 0.0:,.{digits}f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as per cent.

    Examples
    --------
    >>> percent(0.125)
    '12.5 %'
    """
    return NONE if value is None else f"{value * 100:.{digits}f} %"


def signed(value: float | None, digits: int = 3) -> str:
    """Return a number with its sign."""
    return NONE if value is None else f"{value:+.{digits}f}"


def interval(values: list[float] | None, digits: int = 3) -> str:
    """Return an interval as ``low to high``."""
    return NONE if values is None else f"{number(float(values[0]), digits)} to {number(float(values[1]), digits)}"


def seconds(value: float | None) -> str:
    """Return a duration: seconds below two minutes, then minutes.

    Examples
    --------
    >>> seconds(90), seconds(150)
    ('90.0 s', '2.5 min')
    """
    if value is None:
        return NONE
    return f"{value:,.1f} s" if value < 120 else f"{value / 60:,.1f} min"


def compact(value: float | None) -> str:
    """Return a number of unknown size with four significant digits."""
    if value is None:
        return NONE
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:,.2f}" if 1000 <= abs(value) < 1e6 else f"{value:.4g}"


def anything(value: Any) -> str:
    """Return any JSON value as text on one line."""
    if value is None or isinstance(value, bool):
        return number(value)
    if isinstance(value, int | float):
        return compact(value)
    if isinstance(value, list):
        if len(value) == 2 and all(isinstance(item, float) for item in value):
            return f"{compact(value[0])} to {compact(value[1])}"
        return ", ".join(anything(item) for item in value) or NONE
    if isinstance(value, dict):
        return ", ".join(f"{name} {anything(item)}" for name, item in value.items()) or NONE
    return clean(value)


def plain(name: str) -> str:
    """Return the name of a family, a feature or a column as words."""
    return " ".join(_PRINTED.get(part, part) for part in clean(name).split("_"))


def short(name: Any, length: int = 26) -> str:
    """Return a name on one line, cut to `length` characters; the table next to a chart has the full name."""
    text = " ".join(clean(name).split())
    return text if len(text) <= length else f"{text[: length - 1]}…"


def day(value: str | None) -> str:
    """Return the day of an ISO date or time."""
    return NONE if value is None else clean(value)[:10]


def moment(value: str | None) -> str:
    """Return day and minute of an ISO time."""
    return NONE if value is None else f"{clean(value)[:16].replace('T', ' ')} UTC"


FILTERS = {
    function.__name__: function
    for function in (number, percent, signed, interval, seconds, compact, anything, plain, short, day, moment)
}
