"""First draft of a mapping profile, guessed from the headers and cells of a file.

What is guessed is said with a confidence and with examples: a person decides. The command line prints the draft with
comments; a page may show the same fields.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from slipcast.ingest.files import grid as layout
from slipcast.ingest.files.file_names import data_date
from slipcast.ingest.files.formats import Limits, open_upload
from slipcast.ingest.mapping import codes
from slipcast.ingest.mapping.detect import Found, detect, known
from slipcast.ingest.mapping.profile import (
    AFTER_THE_START,
    CURRENT,
    MOVED,
    Join,
    built_in,
    load_profile,
    normal,
    words_of,
)
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import read_schedule

# Rows that are looked at.
SAMPLE = 1_000
PREVIEW = 5
EXAMPLES = 3
# Share of the filled cells that must be dates, or numbers, for a column of them.
MOSTLY = 0.6
# Share of dates that are the first of a month where months are all that a source tells.
FIRSTS = 0.9
# Share of distinct cells from which a column may be the id of the rows.
UNIQUE = 0.95
# Confidence of a guess by the name of a column in a built-in profile, by words of its header, and by its cells alone.
BY_NAME, BY_WORDS, BY_CELLS = 0.95, 0.7, 0.4
# Below this the draft says that somebody has to look.
DOUBTFUL = 0.6

_START = "start begin begins beginning commence commencement ntp anfang beginn début debut inicio início inizio aanvang"
_FINISH = (
    "finish end ends completion complete completed due ende fertigstellung fin término termino fine einde conclusão"
)
_ACTUAL = "actual act ist tatsächlich tatsächlicher tatsächliches réel réelle real reale effettivo werkelijk werkelijke"
_FORECAST = "forecast current revised adjusted estimated expected anticipated latest updated early remaining prognose"
# The order in which they count as the baseline.
_BASELINE = (
    "baseline bl basisplan référence original contract contractual approved planned plan scheduled schedule target "
    "soll geplant geplanter geplantes prévu prévue previsto planificado programado projected"
)
_FILLER = frozenset(["date", "dates", "the", "of", "day", "on"])
_WORDS = {name: frozenset(text.split()) for name, text in (("start", _START), ("finish", _FINISH))}
_QUALIFIERS = {
    "actual": frozenset(_ACTUAL.split()),
    "forecast": frozenset(_FORECAST.split()),
    "baseline": frozenset(_BASELINE.split()),
}
_RANKS = {word: rank for rank, word in enumerate(_BASELINE.split())}
# Words of headers by column, the strongest first; "id" alone says less than "activity id".
_HEADERS: dict[str, tuple[str, ...]] = {
    "activity_id": (
        "activity id",
        "task id",
        "activity code",
        "tracker id",
        "id",
        "identifier",
        "number",
        "no",
        "code",
    ),
    "project_id": ("project id", "project number", "project no", "project code", "contract number", "project name"),
    "activity_name": ("activity name", "task name", "title", "name", "description", "bezeichnung", "summary"),
    "phase": ("phase", "current phase", "stage", "milestone type"),
    "work_type": ("work type", "project type", "category", "discipline", "trade", "program", "type", "asset type"),
    "location": (
        "location",
        "borough",
        "district",
        "neighborhood",
        "county",
        "city",
        "region",
        "area",
        "site",
        "facility",
    ),
    "status": ("status", "activity status", "project status", "state", "zustand"),
    "budget": (
        "budget",
        "total budget",
        "project budget",
        "funding",
        "total funding",
        "contract amount",
        "cost",
        "amount",
        "auftragssumme",
    ),
    "total_float_days": ("total float", "float", "total slack", "slack", "puffer"),
    "data_date": ("data date", "as of", "status date", "report date", "reporting period", "last updated", "stichtag"),
    "percent_complete": ("percent complete", "complete"),
    "wbs": ("wbs", "wbs name", "wbs path", "work breakdown structure"),
}
# Kinds of rows that are no activities, as the tools and people write them.
_NO_ACTIVITIES = frozenset(
    {
        *("summary", "wbs summary", "summary task", "level of effort", "hammock", "tt wbs", "tt loe"),
        *("milestone", "start milestone", "finish milestone", "tt mile", "tt finmile", "meilenstein", "jalon", "hito"),
        *("sammelvorgang", "récapitulative", "resumen", "riepilogo", "marco", "mijlpaal"),
    }
)
_STATUS = {
    "complete": r"complete|finish|done|closed|fertig|abgeschlossen|termin|conclu|ended|gereed",
    "not_started": r"not.?started|not yet|future|pending|proposed|offen|planned|upcoming|non commenc|no iniciad",
    "in_progress": r"progress|active|ongoing|under ?way|started|arbeit|laufend|en cours|en curso|construction|design",
}
_MONTH_NAMES = {
    "English": "jan feb mar apr may jun jul aug sep oct nov dec",
    "German": "jan feb mär apr mai jun jul aug sep okt nov dez",
    "French": "janv févr mars avr mai juin juil août sept oct nov déc",
    "Spanish": "ene feb mar abr may jun jul ago sep oct nov dic",
    "Portuguese": "jan fev mar abr mai jun jul ago set out nov dez",
    "Italian": "gen feb mar apr mag giu lug ago set ott nov dic",
    "Dutch": "jan feb mrt apr mei jun jul aug sep okt nov dec",
}
_DIGITS = re.compile(r"(\d{1,4})[-./](\d{1,2})[-./](\d{1,4})([T ,].*)?$")
_NAMED = re.compile(r"(?:\w+,? )?(?:\d{1,2}[-. ]+([^\d\W]+)\.?[-. ,]+\d{2,4}|([^\d\W]+)\.? \d{1,2},? \d{4})\b")
_MONTH = re.compile(r"(\d{4}[-/]\d{1,2}|\d{1,2}[-/.]\d{4}|[^\d\W]{3,9}\.?[- ]\d{4})$")
_NUMBER = re.compile(r"[-+]?[$€£]?\s?\d[\d., ']*\s?[%$€£]?$")


class Guess(NamedTuple):
    """Possible source of a canonical column.

    Attributes
    ----------
    column
        canonical column
    headers
        of the file; the first with a value counts, of an id all are joined
    confidence
        0 to 1: how sure the guess is
    why
        what it rests on
    examples
        cells of the first header
    """

    column: str
    headers: tuple[str, ...]
    confidence: float
    why: str
    examples: tuple[str, ...]


class Suggestion(NamedTuple):
    """Draft of a profile.

    Attributes
    ----------
    document
        entries of the profile
    text
        the same as YAML, with a comment for each guess
    guesses
        one for each column
    not_used
        headers of the file that mean nothing to the draft
    notes
        what a person has to decide, and what was found
    preview
        first rows by canonical column, as text; empty if the draft cannot read the file
    counts
        rows by what became of them; empty if the draft cannot read the file
    """

    document: dict[str, Any]
    text: str
    guesses: tuple[Guess, ...]
    not_used: tuple[str, ...]
    notes: tuple[str, ...]
    preview: tuple[dict[str, str], ...]
    counts: dict[str, int]


class _Column(NamedTuple):
    """A column of the file: header, its words, filled cells, and the shares of them that are dates and numbers."""

    header: str
    words: tuple[str, ...]
    cells: list[str]
    filled: float
    dates: float
    numbers: float
    place: int = -1

    @property
    def examples(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell[:40] for cell in self.cells))[:EXAMPLES]


def suggest(path: Path, name: str, *, workdir: Path, profile: str = "mine", limits: Limits | None = None) -> Suggestion:
    """Return a draft of a profile for a table, and what becomes of the file with it.

    Parameters
    ----------
    path
        the file
    name
        what it is called, for its kind and data date
    workdir
        an empty folder
    profile
        name of the profile
    limits
        what is too large

    Raises
    ------
    ScheduleRefused
        If the file cannot be read as a table, or has no two columns that look like dates.
    """
    opened, trial = workdir / "opened", workdir / "trial"
    opened.mkdir()
    text = open_upload(path, name, workdir=opened, limits=limits, headers=frozenset().union(*map(known, built_in())))
    heads = layout.heads(text.path, text.delimiter)
    notes = list(text.notes)
    document: dict[str, Any]
    guesses: list[Guess] = []
    if (found := _reads_already(heads, name)) is not None:
        # A draft of its own would know less.
        title = f"{found.profile.title}, as {found.profile.name}"
        document = {"name": profile, "title": title, "extends": found.profile.name}
        columns = _columns(found.header[text.numbered :], [])
        columns = [item for item in columns if normal(item.header) not in known(found.profile)]
        notes.insert(0, f"the built-in profile {found.profile.name} reads this file: drop it as it is")
    else:
        delimiter, header = _header(heads, name)
        cells = [cell.strip() for cell in header.cells[text.numbered :]]
        rows = [record.cells[text.numbered :] for record in _below(text.path, delimiter, header.line)]
        columns = _columns(cells, rows)
        document, guesses = _draft(columns, rows, profile, name, notes)
    used = {normal(header) for guess in guesses for header in guess.headers}
    used |= {
        normal(source) for group in document.get("unpivot", {}).get("rows", {}).values() for source in group.values()
    }
    not_used = tuple(item.header for item in columns if normal(item.header) not in used)
    written = _written(document, guesses, notes)
    preview, counts = [], {}
    trial.mkdir()
    try:
        schedule = read_schedule(
            path,
            name,
            profile=load_profile(written, f"{profile}.yaml"),
            workdir=trial,
            limits=limits,
            max_bad_share=1.0,
        )
    except ScheduleRefused as refusal:
        notes.append(f"with this draft the file is refused: {refusal.reason}. {refusal.remedy}")
    else:
        counts = {kind: schedule.counts[kind] for kind in ("read", "accepted", "rejected", "filtered")}
        shown = schedule.mapped
        for row in schedule.rows()[:PREVIEW]:
            preview.append({column: "" if row.get(column) is None else str(row[column])[:80] for column in shown})
        notes += [
            f"{item['cells']} {'cell' if item['cells'] == 1 else 'cells'} of {item['column']}: {item['reason']}"
            for item in schedule.problems[:5]
        ]
    return Suggestion(document, written, tuple(guesses), not_used, tuple(notes), tuple(preview), counts)


def _reads_already(heads: Mapping[str, Sequence[layout.Record]], name: str) -> Found | None:
    try:
        return detect({mark: [record.cells for record in found] for mark, found in heads.items()}, built_in(), name)
    except ScheduleRefused:
        return None


def _header(heads: Mapping[str, Sequence[layout.Record]], name: str) -> tuple[str, layout.Record]:
    """Return the delimiter and the header: the first record of names that is nearly as wide as the widest."""
    best: tuple[int, str, layout.Record] | None = None
    for delimiter, records in heads.items():
        widths = [sum(bool(cell.strip()) for cell in record.cells) for record in records]
        for record, width in zip(records, widths, strict=True):
            named = sum(bool(cell.strip()) and not _is_value(cell.strip()) for cell in record.cells)
            if width > 2 and width >= 0.7 * max(widths) and named >= 0.9 * width:
                if best is None or width > best[0]:
                    best = width, delimiter, record
                break
    if best is None:
        raise ScheduleRefused(name, "no row looks like the names of columns", "Write them into the first row")
    return best[1], best[2]


def _below(path: Path, delimiter: str, line: int) -> Iterable[layout.Record]:
    found = (record for record in layout.records(path, delimiter) if record.line > line)
    return islice((record for record in found if any(cell.strip() for cell in record.cells)), SAMPLE)


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[_Column]:
    columns = []
    for place, name in enumerate(header):
        if not name:
            continue
        cells = [row[place].strip() for row in rows if place < len(row) and row[place].strip()]
        share = max(len(cells), 1)
        dates = sum(map(_is_date, cells)) / share
        numbers = sum(bool(_NUMBER.match(cell)) for cell in cells) / share
        words = tuple(words_of(name).split())
        columns.append(_Column(name, words, cells, len(cells) / max(len(rows), 1), dates, numbers, place))
    return columns


def _is_date(cell: str) -> bool:
    if _MONTH.match(cell):
        return True
    if found := _DIGITS.match(cell):
        first, _, last = found.group(1, 2, 3)
        return len(first) == 4 or len(last) in (2, 4)
    named = _NAMED.match(cell)
    return named is not None and any((named[1] or named[2]).lower()[:3] in names for names in _MONTH_NAMES.values())


def _is_value(cell: str) -> bool:
    return _is_date(cell) or bool(_NUMBER.match(cell))


def _draft(
    columns: list[_Column], rows: Sequence[Sequence[str]], profile: str, name: str, notes: list[str]
) -> tuple[dict[str, Any], list[Guess]]:
    document: dict[str, Any] = {"name": profile, "title": f"Table such as {name}", "columns": {}}
    guesses: dict[str, Guess] = {}
    dated = [item for item in columns if item.dates >= MOSTLY or (not item.cells and _role(item.words)[0])]
    _texts(columns, guesses)
    groups = _groups(dated)
    if groups:
        # Of one phase, if any: nothing says it of the others.
        guesses.pop("percent_complete", None)
        document["unpivot"], dated = _unpivot(groups, dated)
        notes.append(f"{' and '.join(groups)} look like phases in columns: each becomes a row of its own (unpivot)")
    _dates(dated, guesses, notes, grouped=bool(groups))
    if "start" not in guesses or not ({"baseline_finish", "planned_finish"} & set(guesses)):
        raise ScheduleRefused(
            name,
            f"{len(dated)} columns of dates were found, and no start and planned finish among them",
            "A schedule needs for each activity a start and the finish that was planned; name the columns so",
        )
    if _identify(columns, rows, guesses, notes, groups):
        document["duplicates"] = "keep_first"
    if groups:
        guesses["phase"] = Guess(
            "phase", ("Phase",), BY_WORDS, "the name of the group of columns", tuple(groups)[:EXAMPLES]
        )
    order = [column for column in ("activity_id", "activity_name", "project_id") if column in guesses]
    guesses = {column: guesses[column] for column in dict.fromkeys([*order, *guesses])}
    document["columns"] = {
        column: {"join": list(guess.headers), "separator": "-"}
        if column == "activity_id" and len(guess.headers) > 1
        else (list(guess.headers) if len(guess.headers) > 1 else guess.headers[0])
        for column, guess in guesses.items()
    }
    cells = [cell for item in columns if item.dates >= MOSTLY for cell in item.cells]
    document |= _date_entries(cells, notes)
    document |= _number_entries([cell for item in columns if item.numbers >= MOSTLY for cell in item.cells])
    if missing := _missing([item for item in columns if item.dates >= MOSTLY]):
        document["missing"] = missing
    if "status" in guesses:
        found = next(item for item in columns if item.header == guesses["status"].headers[0])
        document["status"] = _statuses(found, notes)
    if "data_date" not in guesses and data_date(name) is None:
        notes.append("nothing says which day the file describes: put it into its name, as in name_2025-06-30.csv")
    if filters := _filters(columns):
        document["filters"] = filters
    return document, list(guesses.values())


def _filters(columns: Sequence[_Column]) -> list[dict[str, Any]]:
    """Return filters of rows that a word says are no activities: summaries, milestones, level of effort."""
    found = []
    for item in columns:
        values = dict.fromkeys(item.cells)
        drop = [value for value in values if normal(value) in _NO_ACTIVITIES]
        if drop and len(values) <= 25:
            found.append({"column": item.header, "drop": drop})
    return found


def _role(words: Sequence[str]) -> tuple[str, str, tuple[str, ...], int]:
    """Return start or finish, the qualifier, the remaining words, and the rank as a baseline, of a header of dates."""
    kind = next((kind for kind, known_words in _WORDS.items() if known_words & set(words)), "")
    qualifier = next((name for name, known_words in _QUALIFIERS.items() if known_words & set(words)), "")
    taken = _WORDS["start"] | _WORDS["finish"] | _FILLER
    taken = taken.union(*_QUALIFIERS.values())
    rank = min((_RANKS[word] for word in words if word in _RANKS), default=len(_RANKS))
    return kind, qualifier, tuple(word for word in words if word not in taken), rank


def _groups(dated: Sequence[_Column]) -> dict[str, list[_Column]]:
    """Return columns of dates by what they are about, where several things have a start and a finish of their own."""
    found: dict[tuple[str, ...], list[_Column]] = {}
    for item in dated:
        kind, _, rest, _ = _role(item.words)
        if kind and rest:
            found.setdefault(rest, []).append(item)
    whole = {
        " ".join(rest).title(): items
        for rest, items in found.items()
        if {"start", "finish"} <= {_role(item.words)[0] for item in items}
    }
    return whole if len(whole) > 1 else {}


def _unpivot(groups: Mapping[str, list[_Column]], dated: Sequence[_Column]) -> tuple[dict[str, Any], list[_Column]]:
    rows: dict[str, dict[str, str]] = {}
    made: dict[str, _Column] = {}
    for name, items in groups.items():
        rows[name] = {}
        for item in items:
            rest = _role(item.words)[2]
            new = " ".join(word for word in item.words if word not in rest).capitalize()
            if new in rows[name]:
                continue
            rows[name][new] = item.header
            cells = [*(made[new].cells if new in made else ()), *item.cells]
            made[new] = _Column(new, tuple(normal(new).split()), cells, item.filled, 1.0, 0.0)
    taken = {item.header for items in groups.values() for item in items}
    return {"column": "Phase", "rows": rows}, [*made.values(), *(item for item in dated if item.header not in taken)]


def _dates(dated: Sequence[_Column], guesses: dict[str, Guess], notes: list[str], *, grouped: bool) -> None:
    roles: dict[tuple[str, str], list[tuple[int, _Column]]] = {}
    for item in dated:
        kind, qualifier, _, rank = _role(item.words)
        if kind and not (grouped and not _made(item, dated)):
            roles.setdefault((kind, qualifier), []).append((rank, item))

    def first(kind: str, *qualifiers: str) -> list[_Column]:
        return [
            item for name in qualifiers for _, item in sorted(roles.get((kind, name), []), key=lambda pair: pair[0])
        ]

    def put(column: str, found: list[_Column], confidence: float, why: str) -> None:
        if found:
            headers = tuple(item.header for item in found)
            guesses[column] = Guess(column, headers, confidence, why, found[0].examples)

    put("start", first("start", "actual", "", "baseline"), BY_WORDS, "words of the headers, the actual start first")
    put("actual_start", first("start", "actual")[:1], BY_WORDS, "words of the header")
    if first("start", "actual", ""):
        put(
            "baseline_start",
            [i for i in first("start", "baseline")[:1] if not MOVED.search(words_of(i.header))],
            BY_WORDS,
            "words of the header",
        )
    baseline = first("finish", "baseline")
    if baseline:
        sure = _role(baseline[0].words)[3] < _RANKS["planned"]
        why = "words of the header" if sure else "words of the header; make sure that it does not move with the updates"
        put("baseline_finish", baseline[:1], BY_WORDS if sure else DOUBTFUL - 0.05, why)
    elif first("finish", ""):
        put(
            "planned_finish",
            first("finish", "")[:1],
            BY_CELLS,
            "the only finish that is not actual: the plan at first sight",
        )
        put("planned_start", first("start", "")[:1], BY_CELLS, "the plan at first sight")
    if "baseline_finish" in guesses:
        put("current_finish", first("finish", "forecast")[:1], BY_WORDS, "words of the header")
    actual = first("finish", "actual")
    if actual:
        put("actual_finish", actual[:1], BY_WORDS, "words of the header")
    elif baseline and first("finish", ""):
        put("actual_finish", first("finish", "")[:1], BY_CELLS, "a finish next to a planned one: is it the actual one?")
    if "actual_finish" not in guesses:
        notes.append("no column of actual finishes was found: nothing would ever be complete")


def _made(item: _Column, dated: Sequence[_Column]) -> bool:
    return item.numbers == 0.0 and item.dates == 1.0 and item in dated and not _role(item.words)[2]


def _texts(columns: Sequence[_Column], guesses: dict[str, Guess]) -> None:
    """Guess what has no date, by headers of the built-in profiles, then by words."""
    taken: set[str] = set()
    by_code = codes.by_meaning([item.header for item in columns], frozenset(), {})
    for column, names in _HEADERS.items():
        ranked: list[tuple[int, float, str, _Column]] = []
        for item in columns:
            if item.header in taken or not item.cells or not _fits(column, item):
                continue
            words = " ".join(item.words)
            if words in _built_in_names(column):
                ranked.append((0, BY_NAME, "a name of this column in a built-in profile", item))
            elif words in names:
                ranked.append((1 + names.index(words), BY_WORDS + 0.1, "the header", item))
            elif any(f" {text} " in f" {words} " for text in names if text not in ("no", "code", "complete", "type")):
                rank = next(place for place, text in enumerate(names) if f" {text} " in f" {words} ")
                ranked.append((100 + rank, BY_WORDS - 0.1, "words of the header", item))
            elif item.header in by_code.get(column, ()):
                ranked.append((200, BY_WORDS - 0.1, "a word for it in the header", item))
        if ranked and column != "activity_id":
            _, confidence, why, item = min(ranked, key=lambda found: found[0])
            guesses[column] = Guess(column, (item.header,), confidence, why, item.examples)
            taken.add(item.header)
        elif ranked:
            ids = [found for found in ranked if len(set(found[3].cells)) == len(found[3].cells)] or ranked
            _, confidence, why, item = min(ids, key=lambda found: found[0])
            guesses[column] = Guess(column, (item.header,), confidence, why, item.examples)
            taken.add(item.header)


def _built_in_names(column: str) -> frozenset[str]:
    mappings = [profile.columns[column] for profile in built_in() if column in profile.columns]
    sources = [source for mapping in mappings if not isinstance(mapping, Join) for source in mapping]
    return frozenset(normal(source.name) for source in sources if source.name != codes.BY_MEANING)


def _fits(column: str, item: _Column) -> bool:
    """Return whether the cells of a column are of the kind that a canonical column needs, and known at the start."""
    words = words_of(item.header)
    if column in ("budget", "total_float_days", "percent_complete"):
        measured = sum(cell[0].isdigit() or cell[0] in "-+$€£" for cell in item.cells)
        if item.numbers < MOSTLY and (column != "total_float_days" or measured < MOSTLY * len(item.cells)):
            return False
    elif column == "data_date":
        return item.dates >= MOSTLY
    elif item.dates >= MOSTLY:
        return False
    if column in ("phase", "work_type", "location", "budget", "total_float_days"):
        # Free text is no category, and what is written after the start tells the outcome.
        if AFTER_THE_START.search(words) or words in CURRENT:
            return False
        return column in ("budget", "total_float_days") or len(set(item.cells)) <= max(20, len(item.cells) // 3)
    return column != "status" or len(set(item.cells)) <= 25


def _identify(
    columns: Sequence[_Column],
    rows: Sequence[Sequence[str]],
    guesses: dict[str, Guess],
    notes: list[str],
    groups: Mapping[str, Any],
) -> bool:
    """Find what makes an activity one: a column of which no cell comes twice, else two of them together.

    Returns whether rows repeat an activity: those of one id have the same dates.
    """
    own = guesses.get("activity_id")
    cells = {item.header: item for item in columns}
    shares = {item.header: len(set(item.cells)) / max(len(rows), 1) for item in columns if item.dates < MOSTLY}
    unique = sorted((item for item in columns if shares.get(item.header, 0) >= UNIQUE), key=lambda i: -shares[i.header])
    if own is None or len(set(cells[own.headers[0]].cells)) < len(cells[own.headers[0]].cells):
        if unique:
            why = "no cell comes twice" if shares[unique[0].header] == 1 else "hardly any cell comes twice"
            own = Guess("activity_id", (unique[0].header,), BY_CELLS, why, unique[0].examples)
        elif not (own is not None and _repeats(columns, rows, own.headers[0])):
            own = _joined(columns, rows, own) or own
    own = own or Guess("activity_id", (columns[0].header,), 0.1, "the first column", columns[0].examples)
    alike = False
    if len(own.headers) == 1 and shares.get(own.headers[0], 0) < UNIQUE:
        alike = _repeats(columns, rows, own.headers[0])
    if alike:
        own = own._replace(confidence=BY_CELLS, why=f"{own.why}; rows of one {own.headers[0]} have the same dates")
        notes.append(
            f"rows of one {own.headers[0]} repeat the same dates, so the first of them counts (duplicates: "
            "keep_first); if they are different activities, say what tells them apart"
        )
    elif len(own.headers) == 1 and shares.get(own.headers[0], 0) < UNIQUE:
        own = own._replace(confidence=0.1, why=f"{own.why}; it is not unique")
        notes.append("no column, and no two together, tell the rows from each other: say what makes an activity one")
    if groups:
        guesses.setdefault("project_id", own._replace(column="project_id", headers=own.headers[:1]))
        own = own._replace(headers=(*own.headers, "Phase"), why=f"{own.why}, with the name of the group")
    guesses["activity_id"] = own
    return alike


def _repeats(columns: Sequence[_Column], rows: Sequence[Sequence[str]], header: str) -> bool:
    """Return whether some rows have the same cell of a column, and all such rows the same dates."""
    places = [item.place for item in columns if item.dates >= MOSTLY]
    own = next(item.place for item in columns if item.header == header)
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        dates = tuple(row[place].strip() if place < len(row) else "" for place in places)
        found.setdefault(row[own].strip() if own < len(row) else "", set()).add(dates)
    several = len(rows) > len(found)
    return several and bool(places) and all(len(dates) == 1 for dates in found.values())


def _joined(columns: Sequence[_Column], rows: Sequence[Sequence[str]], own: Guess | None) -> Guess | None:
    by_header = {item.header: item for item in columns}
    places = {item.header: item.place for item in columns}
    few = [
        item
        for item in columns
        if item.filled > 0.95
        and item.dates < MOSTLY
        and (item.numbers < MOSTLY or (own is not None and item.header in own.headers))
    ][:8]
    pairs = combinations([item.header for item in few], 2)
    for pair in sorted(pairs, key=lambda pair: own is None or own.headers[0] not in pair):
        found = {tuple(row[places[header]] if places[header] < len(row) else "" for header in pair) for row in rows}
        if len(found) == len(rows) > 1:
            return Guess("activity_id", pair, BY_CELLS, "together they come once", by_header[pair[0]].examples)
    return None


def _date_entries(cells: Sequence[str], notes: list[str]) -> dict[str, Any]:
    dates: dict[str, Any] = {}
    # Each date once: the same data date in every row says no more than in one.
    parts = [found.group(1, 2) for cell in dict.fromkeys(cells) if (found := _DIGITS.match(cell)) and len(found[1]) < 3]
    first, second = (max((int(part[place]) for part in parts), default=0) for place in (0, 1))
    if parts and (first > 12) != (second > 12):
        dates["order"] = "DMY" if first > 12 else "MDY"
    elif parts and (order := _of_months(parts)) is not None:
        dates["order"] = order
        shown = " and ".join(f"{int(month)}/{int(day)}" for month, day in parts[:2])
        notes.append(
            f"CHECK dates.order: with {order} nearly all dates are the first of a month ({shown}), so that a month is "
            "all that the source tells: lateness is right to a month"
        )
    elif parts:
        notes.append("which number of a date is the day is not clear from the cells: give dates.order, DMY or MDY")
    if any(_MONTH.match(cell) for cell in cells):
        dates["month"] = "last"
        notes.append("some dates are months: the last day is taken (dates.month)")
    names = Counter((found[1] or found[2]).lower()[:4] for cell in cells if (found := _NAMED.match(cell)))
    if names:
        fit = {
            language: sum(
                count for name, count in names.items() if any(name[:3] == month[:3] for month in text.split())
            )
            for language, text in _MONTH_NAMES.items()
        }
        language = max(fit, key=lambda found: fit[found])
        if language != "English" and fit[language] > fit["English"]:
            dates["months"] = [month.capitalize() for month in _MONTH_NAMES[language].split()]
    return {"dates": dates} if dates else {}


def _of_months(parts: Sequence[Sequence[str]]) -> str | None:
    """Return the order by which the dates are first days of months; None if they are not, or by both orders."""
    found = []
    for order, day, month in (("DMY", 0, 1), ("MDY", 1, 0)):
        firsts = sum(int(part[day]) == 1 for part in parts)
        if firsts >= FIRSTS * len(parts) and len({int(part[month]) for part in parts}) > 2:
            found.append(order)
    return found[0] if len(found) == 1 else None


def _number_entries(cells: Sequence[str]) -> dict[str, Any]:
    comma = sum(bool(re.search(r"\d,\d{1,2}\D*$", cell)) for cell in cells)
    point = sum(bool(re.search(r"\d\.\d{1,2}\D*$", cell)) for cell in cells)
    thousands_comma = sum(bool(re.search(r"\d,\d{3}(\D|$)", cell)) for cell in cells)
    thousands_point = sum(bool(re.search(r"\d\.\d{3}(\D|$)", cell)) for cell in cells)
    if comma > point and thousands_comma <= thousands_point:
        return {"numbers": {"decimal": ",", "thousands": "."}}
    return {"numbers": {"thousands": ","}} if thousands_comma else {}


def _missing(columns: Iterable[_Column]) -> list[str]:
    """Return words that stand in columns of dates and are none: what the file writes where it does not know."""
    found = Counter(cell for item in columns for cell in item.cells if not _is_date(cell) and len(cell) <= 20)
    return [word for word, count in found.most_common(8) if count > 1 or not any(map(str.isdigit, word))]


def _statuses(column: _Column, notes: list[str]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    unknown = []
    for value, _ in Counter(column.cells).most_common(25):
        status = next(
            (
                status
                for status in ("not_started", "complete", "in_progress")
                if re.search(_STATUS[status], value.lower())
            ),
            None,
        )
        if status is None:
            unknown.append(value)
        elif status != value.lower():
            words.setdefault(status, []).append(value)
    if unknown:
        notes.append(f"status: say what {', '.join(map(repr, unknown[:8]))} mean, or leave the column out")
    return words


def _written(document: Mapping[str, Any], guesses: Sequence[Guess], notes: Sequence[str]) -> str:
    """Return the document as YAML; each column with what its guess rests on."""
    lines = [f"# {note}"[:200].replace("\n", " ") for note in notes]
    by_column = {guess.column: guess for guess in guesses}
    for entry, value in document.items():
        if entry == "unpivot":
            lines += ["unpivot:", f"  column: {_flow(value['column'])}", "  rows:"]
            lines += [f"    {_flow(name)}: {_flow(group)}" for name, group in value["rows"].items()]
        elif entry == "filters":
            lines += ["filters:", *(f"  - {_flow(item)}" for item in value)]
        elif entry != "columns":
            lines.append(f"{entry}: {_flow(value)}")
        else:
            lines.append("columns:")
            for column, source in value.items():
                guess = by_column[column]
                doubt = "CHECK: " if guess.confidence < DOUBTFUL else ""
                shown = f", e.g. {' | '.join(guess.examples)}" if guess.examples else ""
                lines.append(f"  # {doubt}{guess.confidence:.0%}: {guess.why}{shown}"[:160].replace("\n", " "))
                lines.append(f"  {column}: {_flow(source)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=True, width=10_000)
    return str(text).removesuffix("...\n").strip()
