"""SQL expressions that turn the text of a cell into a value, for duckdb.

Cells are named by position, and every word of a profile goes through `literal`: nothing that a file or a profile holds
is read as SQL.
"""

from collections.abc import Iterable, Sequence

from slipcast.datasets.database import literal
from slipcast.ingest.files.grid import WHITE
from slipcast.ingest.mapping.profile import Band, Dates, Durations, Numbers, Several, Source
from slipcast.schema import LARGEST_NUMBER

SEPARATED = {
    "YMD": ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d"),
    # Two digits first: %Y reads 25 as the year 25.
    "DMY": ("%d/%m/%y", "%d.%m.%y", "%d-%m-%y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"),
    "MDY": ("%m/%d/%y", "%m-%d-%y", "%m.%d.%y", "%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"),
}
NAMED = (
    *("%d-%b-%y", "%d-%b-%Y", "%d %b %y", "%d %b %Y", "%d %B %Y", "%d-%B-%Y", "%d/%b/%y", "%d/%b/%Y"),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y"),
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Primavera, and MS Project in seven languages; a month is 20 working days, as in MS Project.
NAMES = {
    "h": "h hr hrs hour hours std stunde stunden heure heures hora horas ora ore uur uren u",
    "d": "d dy day days t tag tage j jr jour jours día días dia dias g giorno giorni dag dagen",
    "w": "w wk wks week weeks woche wochen wo sem semaine semaines semana semanas settimana settimane sett weken",
    "m": "m mo mon mons month months monat monate mois mes meses mês mese mesi maand maanden mnd",
}
UNITS = {unit: tuple(names.split()) for unit, names in NAMES.items()}
WORKING_DAYS_PER_MONTH = 20


def words(items: Iterable[str]) -> str:
    """Return words as a SQL list to compare lower-case cells with."""
    return "(" + ", ".join(literal(item.strip().lower()) for item in items) + ")"


def cell(position: int, missing: Iterable[str], *, bare: bool) -> str:
    """Return the text of a cell in Unicode's composed form, NULL where it is empty or one of the words for missing.

    As `schema.clean_text`. `bare` says that there is no white space but spaces. To trim white space off every cell
    takes longer than all checks together, so only cells that have any are trimmed.
    """
    name = f"c{position}"
    if bare:
        text = f"nullif(CASE WHEN contains({name}, ' ') THEN trim({name}) ELSE {name} END, '')"
    else:
        white = " OR ".join(f"contains({name}, {literal(mark)})" for mark in WHITE)
        text = f"nullif(CASE WHEN {white} THEN trim({name}, {literal(WHITE)}) ELSE {name} END, '')"
    text = f"nfc_normalize({text})"
    listed = [item for item in missing if item.strip()]
    return f"(CASE WHEN lower({text}) IN {words(listed)} THEN NULL ELSE {text} END)" if listed else text


def only_if(text: str, source: Source) -> str:
    """Return the text only if the source's pattern is found in it."""
    if source.matching is None:
        return text
    return f"(CASE WHEN regexp_matches({text}, {literal(source.matching)}) THEN {text} END)"


# Excel's number of a day, of the years 1954 to 2119; the part after the point is the time.
SERIAL = r"^[2-7]\d{4}(\.\d+)?$"
# Day 0 of Excel's two systems of dates.
EXCEL_EPOCHS = {1900: "1899-12-30", 1904: "1904-01-01"}
# RE2 takes milliseconds to compile \pL{2,10}, for each of hundreds of expressions.
# "Mon 05/05/25", "Mo 6. Jan 2025"; "Monday, January 6, 2025"
WEEKDAY = r"^[^\d\s.,]+\.?,?\s+(\d{1,4}[./-]|\d{1,2}\.?\s+[^\d\s]|[^\d\s.,]+\.?\s+\d)"
# "2025-05-05T08:00:00+02:00", "05/05/25 8:00 AM": the day where the project is.
CLOCK = r"(\d)(T|,?\s+)\d{1,2}:\d\d(:\d\d([.,]\d+)?)?(\s*[AaPp]\.?\s?[Mm]\.?|\s*Uhr)?\s*(Z|UTC|GMT|[+-]\d\d:?(\d\d)?)?$"
# "6. Januar 2025", "6 de enero de 2025"
SPELLED = r"^(\d{1,2})\.?\s+(de\s+)?([^\d\s.]+)\.?\s+(de\s+)?(\d{2,4})$"


# Beginnings of the names of Monday to Sunday, as MS Project writes them in seven languages; the longest one counts.
WEEKDAYS = (
    *("mo lu lun seg ma", "tu tue di mar ter", "we wed mi mié mie mer wo qua", "th thu do jeu jue gio qui"),
    *("fr ven vie vr sex", "sa sam sáb sab za", "su sun so dim dom zo"),
)
_WEEKDAYS = {name: place for place, names in enumerate(WEEKDAYS, 1) for name in names.split()}


def weekday(text: str) -> int | None:
    """Return the day of the week that a date begins with, 1 for Monday; None if it names none.

    Examples
    --------
    >>> weekday("Mon 03/06/24"), weekday("domingo, 3/6/24"), weekday("Do 06.03.25"), weekday("03/06/24")
    (1, 7, 4, None)
    """
    word = text.strip().lower()
    return next((_WEEKDAYS[word[:size]] for size in (3, 2) if word[:size] in _WEEKDAYS), None)


def day(text: str, dates: Dates, order: str) -> str:
    """Return a day from text; NULL where it is none.

    Parameters
    ----------
    order
        ``YMD``, ``DMY`` or ``MDY``; year first is always understood.
    """
    read = _day(text, dates, order)
    if dates.month is not None:
        read = f"coalesce({read}, {month(text, dates.month)})"
    if order == "YMD" and not (dates.formats or dates.suffixes or dates.months):
        # A cast is twice as fast as strptime, but knows the words epoch and infinity.
        fast = f"CASE WHEN strlen({text}) BETWEEN 8 AND 10 THEN try_cast({text} AS DATE) "
        fast += f"WHEN strlen({text}) IN (16, 19) THEN try_cast({text} AS TIMESTAMP)::DATE END"
        return f"coalesce({fast}, {read})"
    return read


# A month without a day. "06-2025" is no day of any order, and "Jun 25" would be the 25th of June.
MONTH_ONLY = ("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%m.%Y", "%b %Y", "%B %Y", "%b-%Y", "%B-%Y")


def month(text: str, which: str) -> str:
    """Return the first or the last day of a month from text that names a month and a year; NULL where it does not."""
    first = f"try_strptime({text}, [{', '.join(map(literal, MONTH_ONLY))}])::DATE"
    return f"last_day({first})" if which == "last" else first


def one_of_several(text: str, several: Several) -> str:
    """Return the first or the last value of a cell that holds several."""
    values = f"list_filter(string_split({text}, {literal(several.separator)}), lambda x: trim(x) <> '')"
    return f"nullif(trim({values}[{1 if several.take == 'first' else -1}]), '')"


def band(text: str, bands: Sequence[Band], numbers: Numbers) -> str:
    """Return the name of the band that the number in a text is in; the text itself where it is no number."""
    value = number(text, numbers)
    cases = " ".join(f"WHEN {value} <= {item.to!r} THEN {literal(item.name)}" for item in bands if item.to is not None)
    return f"(CASE WHEN {value} IS NULL THEN {text} {cases} ELSE {literal(bands[-1].name)} END)"


def _day(text: str, dates: Dates, order: str) -> str:
    clean = text
    if dates.suffixes:
        marks = "|".join(_quoted(mark) for mark in dates.suffixes)
        clean = f"regexp_replace({clean}, {literal(rf'\s*({marks})+$')}, '')"
    clean = f"regexp_replace({clean}, {literal(WEEKDAY)}, '\\1')"
    clean = f"regexp_replace({clean}, {literal(CLOCK)}, '\\1')"
    clean = f"regexp_replace({clean}, {literal(SPELLED)}, '\\1 \\3 \\5')"
    if dates.months:
        clean = f"lower({clean})"
        for own, english in sorted(zip(dates.months, MONTHS, strict=True), key=lambda pair: -len(pair[0])):
            # The rest of the name may follow, as in Mär and März.
            names = "|".join(map(_quoted, own.lower().split("|")))
            pattern = rf"(^|[\d\s.\-/])(?:{names})[^\d\s.\-/]*\.?($|[\d\s.\-/])"
            clean = f"regexp_replace({clean}, {literal(pattern)}, '\\1{english}\\2')"
        clean = f"regexp_replace({clean}, '[.\\s-]+', '-', 'g')"
    formats = [*dates.formats, *(SEPARATED[order] if order != "YMD" else ()), *SEPARATED["YMD"], *NAMED]
    if dates.months:
        formats += ["%d-%b-%y", "%d-%b-%Y", *(item for item in SEPARATED[order] if "-" in item)]
    tried = ", ".join(literal(item) for item in dict.fromkeys(formats))
    serial = f"WHEN regexp_matches({text}, {literal(SERIAL)}) "
    serial += f"THEN DATE '{EXCEL_EPOCHS[dates.epoch]}' + floor(try_cast({text} AS DOUBLE))::INTEGER"
    # COALESCE cleans only the cells that need it, which takes several times as long as to read them.
    cleaned = f"CASE WHEN {text} IS NULL THEN NULL {serial} ELSE try_strptime({clean}, [{tried}])::DATE END"
    return f"coalesce(try_strptime({text}, [{tried}])::DATE, {cleaned})"


def is_zero(text: str) -> str:
    """Return whether the number in a text is zero, whatever its unit and notation: ``0``, ``0.0d``, ``0,00 Tage?``."""
    return f"regexp_matches({text}, '^[-+]?0+([.,:]0+)*[^\\d]*$')"


def number(text: str, numbers: Numbers) -> str:
    """Return a finite number from text; NULL where it is none. Currency and per cent signs mean nothing."""
    clean = f"regexp_replace({text}, '[%$€£\\s\u00a0]', '', 'g')"
    if numbers.thousands.strip():
        clean = f"replace({clean}, {literal(numbers.thousands)}, '')"
    if numbers.decimal != ".":
        clean = f"replace({clean}, {literal(numbers.decimal)}, '.')"
    value = f"try_cast({clean} AS DOUBLE)"
    if numbers == Numbers():
        # COALESCE cleans only the cells that need it.
        value = f"coalesce(try_cast({text} AS DOUBLE), {value})"
    # What is infinite or no number fails the comparison; that 1_000 is a number only programmers know.
    return f"(CASE WHEN abs({value}) < {LARGEST_NUMBER!r} AND NOT contains({text}, '_') THEN {value} END)"


def calendar_days(text: str, durations: Durations, numbers: Numbers, unit: str | None) -> str:
    """Return a duration in calendar days from text such as ``12d``, ``365 days``, ``40`` or ``3 ewks``.

    A unit that begins with ``e`` (elapsed) is calendar time already.
    """
    lower = f"lower({text})"
    amount = number(f"regexp_extract({lower}, '^([-+]?[0-9.,'' ]*[0-9.])\\s*(e?)([^\\d\\s.?]*)\\.?\\??$', 1)", numbers)
    elapsed = f"(regexp_extract({lower}, '[0-9.]\\s*(e?)[^\\d\\s.?]*\\.?\\??$', 1) = 'e')"
    name = f"regexp_extract({lower}, '[0-9.]\\s*e?([^\\d\\s.?]*)\\.?\\??$', 1)"
    week = durations.days_per_week
    in_days = {"h": 1 / durations.hours_per_day, "d": 1.0, "w": week, "m": float(WORKING_DAYS_PER_MONTH)}
    elapsed_days = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 30.0}
    default = in_days[unit or durations.unit]
    working = " ".join(f"WHEN {name} IN {words(UNITS[key])} THEN {days!r}" for key, days in in_days.items())
    calendar = " ".join(f"WHEN {name} IN {words(UNITS[key])} THEN {days!r}" for key, days in elapsed_days.items())
    working = f"CASE WHEN {name} = '' THEN {default!r} {working} END * {7 / week!r}"
    factor = f"(CASE WHEN {elapsed} THEN CASE {calendar} END ELSE {working} END)"
    # COALESCE looks for a unit only where the cell is not a bare number.
    return f"coalesce({number(text, numbers)} * {default * 7 / week!r}, {amount} * {factor})"


def count(text: str) -> str:
    """Return how many entries a list such as ``12FS+3d;14`` has."""
    return f"len(list_filter(regexp_split_to_array({text}, '[;,]'), lambda x: trim(x) <> ''))::DOUBLE"


def _quoted(text: str) -> str:
    return "".join(character if character.isalnum() else "\\" + character for character in text)
