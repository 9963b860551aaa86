"""Relations as text in one cell: ``12FS+5d``, ``A1000: FS 3``, in the words of the languages of MS Project."""

import re
from collections.abc import Container, Iterator
from functools import lru_cache
from typing import NamedTuple

# Finish and start in English, German, French, Spanish, Portuguese, Italian and Dutch; no two of them contradict.
TYPES = {
    **{"FS": "FS", "SS": "SS", "FF": "FF", "SF": "SF"},
    **{"EA": "FS", "AA": "SS", "EE": "FF", "AE": "SF"},
    **{"FD": "FS", "DD": "SS", "DF": "SF"},
    **{"FC": "FS", "CC": "SS", "CF": "SF"},
    **{"TI": "FS", "II": "SS", "TT": "FF", "IT": "SF"},
    **{"FI": "FS", "IF": "SF"},
    **{"EB": "FS", "BB": "SS", "BE": "SF"},
}
MINUTES = ("m", "min", "mins", "minute", "minutes", "minuten", "minuto", "minutos", "minuti", "minuut")
HOURS = (
    *("h", "hr", "hrs", "hour", "hours", "std", "stunde", "stunden", "heure", "heures", "hora", "horas", "ora"),
    *("ore", "u", "uur", "uren"),
)
DAYS = (
    *("d", "day", "days", "dy", "dys", "t", "tag", "tage", "tg", "j", "jr", "jrs", "jour", "jours", "día"),
    *("días", "dia", "dias", "g", "gg", "giorno", "giorni", "dag", "dagen", "dg", "dgn"),
)
WEEKS = (
    *("w", "wk", "wks", "week", "weeks", "wo", "woche", "wochen", "s", "sem", "sems", "semaine", "semaines"),
    *("semana", "semanas", "sett", "settimana", "settimane", "weken"),
)
MONTHS = (
    *("mo", "mon", "mons", "month", "months", "monat", "monate", "mois", "mes", "meses", "mês", "mese", "mesi"),
    *("maand", "maanden"),
)
# Minutes of an elapsed unit; a working day has those of the calendar.
ELAPSED = {
    **dict.fromkeys(MINUTES, 1),
    **dict.fromkeys(HOURS, 60),
    **dict.fromkeys(DAYS, 1440),
    **dict.fromkeys(WEEKS, 10080),
    **dict.fromkeys(MONTHS, 43200),
}
# Marks of elapsed time: edays, fTage (fortlaufend), jé (écoulé), dt (transcurrido, trascorso), vdag (verstreken).
_ELAPSED_BEFORE, _ELAPSED_AFTER = ("e", "f", "v"), ("é", "e", "t", "d")
_AMOUNT = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<number>\d{1,9}(?:[.,]\d{1,6})?)\s*(?P<unit>[^\W\d_]*)\.?(?P<percent>%?)\??", re.UNICODE
)
_CODES = "|".join(TYPES)
_COLON = re.compile(rf"(?P<id>.+?)\s*:\s*(?P<type>{_CODES})?\s*(?P<lag>[+-]?\s*\d.*)?", re.IGNORECASE)
_SIGNED, _BARE = (
    re.compile(rf"\s*{colon}\s*(?P<type>{_CODES})?\s*(?P<lag>{sign}\s*\d.*)?", re.IGNORECASE)
    for colon, sign in (("", "[+-]"), (":", "[+-]?"))
)
_NUMBER = re.compile(rf"(?P<id>\d+)\s*(?P<type>{_CODES})?\s*(?P<lag>[+-]\s*\d.*)?", re.IGNORECASE)


class Lag(NamedTuple):
    """A lag: minutes, or per cent of the predecessor's duration; neither if the text cannot be read.

    Attributes
    ----------
    elapsed
        Whether the minutes run on at night and on holidays.
    """

    minutes: float | None
    percent: float | None
    elapsed: bool


class Relation(NamedTuple):
    """A relation to another activity, by the reference that the text has."""

    reference: str
    kind: str
    lag: Lag


NO_LAG = Lag(0, None, False)
UNKNOWN = Lag(None, None, False)


def relations(
    text: str, known: Container[str], *, day: float = 8, week: float = 40, unit: str = "d"
) -> Iterator[Relation]:
    """Yield the relations in a cell.

    Parameters
    ----------
    text
        Such as ``12FS+5d,14`` (MS Project), ``12EA+0,5 Tage;14`` (its German), ``A1000: FS 3, A1010`` (Primavera).
    known
        References to activities that the file has: an id may end like a relation.
    day, week
        Hours of work.
    unit
        Of a lag without one.

    Examples
    --------
    >>> [(item.reference, item.kind, item.lag.minutes) for item in relations("12FS+5d,14", {"12", "14"})]
    [('12', 'FS', 2400.0), ('14', 'FS', 0)]
    """
    for part in _parts(text):
        yield _relation(part, known, day, week, unit)


def _parts(text: str) -> Iterator[str]:
    """Split where lists are split: at semicolons or line breaks if there are some; a comma may be a decimal one."""
    if ";" in text or "\n" in text:
        yield from filter(None, map(str.strip, re.split(r"[;\n]", text)))
        return
    parts: list[str] = []
    for part in text.split(","):
        decimal = parts and re.search(r"[+-]\s*\d+$", parts[-1]) and re.fullmatch(r"\d+\s*[^\W\d_]+%?", part)
        if decimal:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    yield from filter(None, map(str.strip, parts))


def _relation(part: str, known: Container[str], day: float, week: float, unit: str) -> Relation:
    if part in known:
        return Relation(part, "FS", NO_LAG)
    found = _NUMBER.fullmatch(part)
    reference = found["id"] if found else ""
    if found is None:
        # An id may hold what looks like a lag or a colon, so the longest known one counts.
        for end in range(len(part) - 1, 0, -1):
            reference = part[:end].rstrip()
            if reference in known and (found := _SIGNED.fullmatch(part, end) or _BARE.fullmatch(part, end)):
                break
        else:
            found = _COLON.fullmatch(part)
            reference = found["id"] if found else ""
    if found is None or not (found["type"] or found["lag"]):
        return Relation(part, "FS", NO_LAG)
    kind = TYPES[(found["type"] or "FS").upper()]
    return Relation(reference, kind, lag(found["lag"] or "", day=day, week=week, unit=unit))


@lru_cache(4096)
def lag(text: str, *, day: float = 8, week: float = 40, unit: str = "d") -> Lag:
    """Return a lag or a duration from text such as ``+5d``, ``-2 edays``, ``+50%``; `UNKNOWN` if it cannot be read.

    Examples
    --------
    >>> lag("+2 days"), lag("-1ed").minutes, lag("+50%").percent
    (Lag(minutes=960.0, percent=None, elapsed=False), -1440.0, 50.0)
    """
    text = text.strip()
    if not text:
        return NO_LAG
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return UNKNOWN
    amount = float(found["number"].replace(",", ".")) * (-1 if found["sign"] == "-" else 1)
    word = found["unit"].lower()
    if found["percent"]:
        return Lag(None, amount, word == "e") if word in ("", "e") else UNKNOWN
    work = {
        **dict.fromkeys(MINUTES, 1),
        **dict.fromkeys(HOURS, 60),
        **dict.fromkeys(DAYS, 60 * day),
        **dict.fromkeys(WEEKS, 60 * week),
        # MS Project's month has twenty days.
        **dict.fromkeys(MONTHS, 60 * day * 20),
    }
    word = word or unit
    if word in work:
        return Lag(amount * work[word], None, False)
    for bare in (word[1:] if word[0] in _ELAPSED_BEFORE else "", word[:-1] if word[-1] in _ELAPSED_AFTER else ""):
        if bare in ELAPSED:
            return Lag(amount * ELAPSED[bare], None, True)
    return UNKNOWN
