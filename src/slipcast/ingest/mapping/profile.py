"""Mapping profiles: how the columns and cells of an export become the canonical schedule.

A profile is a small YAML document; `docs/profiles.md` teaches writing one. The built-in ones are in `profiles/`.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import duckdb
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from slipcast.ingest.refusal import ScheduleRefused
from slipcast.schema import COLUMNS, POST_HOC, STATUSES

BUILT_IN = Path(__file__).parent / "profiles"
CANONICAL = {column.name: column for column in COLUMNS}
# What the intake needs to know and the dataset does not keep as such.
HELPING = {
    "actual_start": "date",
    "planned_start": "date",
    "current_finish": "date",
    "activity_guid": "text",
}
# Mapped to one of these, a column that was written after the start would tell the model the outcome.
PREDICTING = frozenset(
    {"phase", "work_type", "location", "baseline_duration_days", "total_float_days", "predecessor_count", "budget"}
)
AFTER_THE_START = re.compile(
    r"\b(actual|act|remaining|remain|complete|completed|completion|pct|spent|spend|spending|eac|etc|forecast|status"
    r"|variance|slip|slippage|delay|delayed|late|finish|finished|elapsed|to date|at completion|adherence|outcome)\b"
)
# One value for all rows would make all of them one activity, or say nothing.
NOT_CONSTANT = frozenset({"activity_id", "activity_name", "status"})
# In a schedule that is under way these hold what became of the plan.
CURRENT = frozenset({"duration", "cost", "work", "total float at completion"})
# A baseline that follows the activity is none.
MOVED = re.compile(r"\b(actual|act|forecast|expected|current|remaining|early)\b")
# A name such as "../x" would leave the folder that the profile is read from.
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
MAX_BYTES = 65_536
DEEPEST = 20


@lru_cache(maxsize=4096)
def normal(header: str) -> str:
    """Return a header as it is compared: lower case, every run of other characters than letters and digits a space."""
    return " ".join(re.sub(r"[\W_]+", " ", header.casefold()).split())


def _word(item: Any) -> Any:
    # YAML reads NO and 0 as a boolean and a number; people mean the words in the cells.
    if isinstance(item, bool):
        raise ValueError(f"{item} was read by YAML as true or false: put quotes around the word")
    return str(item) if isinstance(item, int | float) else item


def _said_twice(*lists: Iterable[str]) -> str | None:
    """Return a word that stands in two of the lists, which are compared without case."""
    seen: set[str] = set()
    for words in lists:
        lower = {word.strip().lower() for word in words}
        if both := seen & lower:
            return min(both)
        seen |= lower
    return None


Word = Annotated[str, BeforeValidator(_word)]
Words = list[Word]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """One place where a canonical column may come from.

    Attributes
    ----------
    name
        Header in the export, compared by `normal`.
    unit
        For a duration without unit in its cell: ``d``, ``h`` or ``w``; ``ed`` if the cell holds calendar days, which
        then count before the dates.
    matching
        The cell counts only if this regular expression (RE2) is found in it.
    count
        The cell is a list (``12FS;14``) of which the length is meant.
    parent
        The cell is an outline number or code (``1.2.3``) of which the part above the last dot is meant.
    where
        Header → words: the cell counts only in rows in which that column holds one of them. A column that the file
        lacks says nothing.
    """

    name: Word
    unit: Literal["h", "d", "w", "ed"] | None = None
    matching: str | None = None
    count: bool = False
    parent: bool = False
    where: dict[Word, Words] = {}


class Join(_Strict):
    """Text joined from several columns."""

    join: Annotated[Words, Field(min_length=1)]
    separator: str = " / "


def _sources(value: Any) -> Any:
    if _kind(value) == "Join":
        return value
    items = value if isinstance(value, list) else [value]
    return [item if isinstance(item, dict | Source) else {"name": item} for item in items]


def _kind(value: Any) -> str:
    return "Join" if isinstance(value, Join) or (isinstance(value, dict) and "join" in value) else "list[Source]"


# Tagged, so that a message is about what was meant.
Mapping = Annotated[
    Annotated[Join, Tag("Join")] | Annotated[list[Source], Tag("list[Source]")],
    Discriminator(_kind),
    BeforeValidator(_sources),
]


class Dates(_Strict):
    """Notation of dates.

    Attributes
    ----------
    order
        Of day, month and year where all are digits; ``auto`` finds the one order in which the whole file is valid.
    months
        Names of the twelve months where they are not English, January first; their beginnings are enough, and
        ``|`` stands between two names of one month.
    suffixes
        Marks after a date that mean nothing for the day (``A`` actual, ``*`` constraint).
    formats
        Further ``strptime`` formats, tried first.
    month
        The day that a month alone means (``2025-06``, ``06/2025``, ``Jun 2025``); without it such cells are bad.
    epoch
        Year from which Excel's numbers of days count. A workbook says it itself.
    """

    order: Literal["auto", "DMY", "MDY", "YMD"] = "auto"
    months: Annotated[Words, Field(min_length=12, max_length=12)] | None = None
    suffixes: Words = []
    formats: Words = []
    month: Literal["first", "last"] | None = None
    epoch: Literal[1900, 1904] = 1900


class Numbers(_Strict):
    """Notation of numbers."""

    decimal: Literal[".", ","] = "."
    thousands: Literal[",", ".", " ", "'", ""] = ""

    @model_validator(mode="after")
    def _differ(self) -> "Numbers":
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both {self.decimal!r}")
        return self


class Durations(_Strict):
    """Conversion of durations to calendar days.

    Attributes
    ----------
    unit
        Of a number without one.
    hours_per_day
        Hours in a working day.
    days_per_week
        Working days in a week; 7 if durations are calendar days already.
    """

    unit: Literal["h", "d", "w"] = "d"
    hours_per_day: Annotated[float, Field(gt=0, le=24)] = 8
    days_per_week: Annotated[float, Field(gt=0, le=7)] = 7


class Band(_Strict):
    """Name of the numbers up to a limit; the last band has none.

    Attributes
    ----------
    name
        Value of the column.
    to
        Largest number of the band.
    """

    name: Word
    to: float | None = None


class Several(_Strict):
    """Cells that hold several values.

    Attributes
    ----------
    separator
        What stands between them.
    take
        The value that counts.
    """

    separator: Annotated[str, Field(min_length=1)]
    take: Literal["first", "last"] = "first"


class Unpivot(_Strict):
    """Groups of columns of which each becomes a row of its own, such as the phases of a project.

    Attributes
    ----------
    column
        Header that gets the name of the group.
    rows
        By name of the group: header that its rows get → header in the export.
    """

    column: Word
    rows: Annotated[dict[Word, dict[Word, Word]], Field(min_length=2)]

    @model_validator(mode="after")
    def _distinct(self) -> "Unpivot":
        groups = [{normal(header) for header in group.values()} for group in self.rows.values()]
        if not all(groups):
            raise ValueError("a group without columns makes no rows")
        for place, group in enumerate(groups):
            if both := group.intersection(*groups[:place]) if place == 1 else group & set().union(*groups[:place]):
                raise ValueError(f"{min(both)!r} stands in two groups; take it out of both, and every row has it")
        return self

    def sources(self, header: str) -> list[str]:
        """Return the headers of the export that a header of the rows comes from."""
        return [
            source for group in self.rows.values() for new, source in group.items() if normal(new) == normal(header)
        ]


class Filter(_Strict):
    """Rows that are not activities, or not of interest: left out and counted, not quarantined.

    Attributes
    ----------
    column
        Header in the export; without it in the file the filter does nothing.
    keep
        Only rows with one of these words (case does not matter; ``""`` is an empty cell).
    drop
        No rows with one of these words.
    zero
        No rows in which the number is zero, whatever its unit and notation (``0``, ``0.0d``, ``0,00 Tage``).
    unless
        With one of these headers in the file the filter does nothing.
    """

    column: Word
    keep: Words | None = None
    drop: Words | None = None
    zero: Literal[True] | None = None
    unless: Words = []

    @model_validator(mode="after")
    def _one(self) -> "Filter":
        if sum(item is not None for item in (self.keep, self.drop, self.zero)) != 1:
            raise ValueError("give either keep or drop, or zero")
        return self


class Outline(_Strict):
    """Sign of summary rows where no column says so: the row below one lies deeper.

    Attributes
    ----------
    unless
        Headers of columns that say so; with one of them in the file nothing is guessed.
    level
        Headers of the outline level, a number.
    number
        Headers of the outline number, such as ``1.2.3``.
    indented
        Headers of columns whose text is indented by spaces.
    """

    unless: Words = []
    level: Words = []
    number: Words = []
    indented: Words = []


class Hint(_Strict):
    """A sentence on what to export as well, for files that have none of some columns."""

    columns: Annotated[Words, Field(min_length=1)]
    text: str


class Label(_Strict):
    """Source of the label: the dates, or a column with words for late and for on time."""

    column: Word | None = None
    late: Words = []
    on_time: Words = []

    @model_validator(mode="after")
    def _words(self) -> "Label":
        if self.column is not None and not (self.late and self.on_time):
            raise ValueError("a label column needs the words for late and for on_time")
        if word := _said_twice(self.late, self.on_time):
            raise ValueError(f"{word!r} stands for both late and on_time")
        return self


class Profile(_Strict):
    """A mapping profile.

    Attributes
    ----------
    name
        Lower case; a folder ``incoming/<name>/`` uses it.
    title
        For messages and reports.
    encoding
        Of the text, as Python names it, where the file itself cannot tell.
    role
        ``update`` (a schedule as it stands), or ``baseline`` if every file *is* the baseline.
    columns
        For each canonical column, and for what helps to read it (`HELPING`), where it comes from; of several
        sources the first that has a value counts.
    requires
        Headers without which a file is not of this kind, next to the required canonical columns.
    needs
        Canonical columns of which a file of this kind has at least one source.
    constants
        Values of text columns that the file does not have.
    values
        By column of text or amounts, the value that a cell's text stands for (case does not matter); others stay.
    bands
        By text column, names of the ranges of a number, in ascending order.
    several
        By column of text or amounts, which value of a cell with several counts.
    unpivot
        Groups of columns of which each becomes a row of its own; the entries after it are about these rows.
    missing
        Words that mean "not known", in any cell (case does not matter).
    status
        Words for each status.
    outline
        How summary rows are known where no column says so.
    hints
        What to export as well.
    codes
        For phase, work type and location further names of activity codes that mean it (see `codes`).
    key
        Canonical columns that make an activity one.
    duplicates
        What becomes of a further row with the same key.
    features
        Further numeric columns that may predict, for files with a label of their own.
    """

    name: str
    title: str
    encoding: str | None = None
    role: Literal["update", "baseline"] = "update"
    columns: dict[str, Mapping] = {}
    requires: Words = []
    needs: list[Literal["actual_finish", "baseline_start", "data_date", "status"]] = []
    dates: Dates = Dates()
    numbers: Numbers = Numbers()
    durations: Durations = Durations()
    constants: dict[str, Word] = {}
    values: dict[str, dict[Word, Word]] = {}
    bands: dict[str, Annotated[list[Band], Field(min_length=2)]] = {}
    several: dict[str, Several] = {}
    unpivot: Unpivot | None = None
    missing: Words = []
    status: dict[Literal["not_started", "in_progress", "complete"], Words] = {}
    filters: list[Filter] = []
    outline: Outline = Outline()
    hints: list[Hint] = []
    codes: dict[Literal["phase", "work_type", "location"], Words] = {}
    key: Annotated[list[Literal["project_id", "activity_id"]], Field(min_length=1)] = ["project_id", "activity_id"]
    duplicates: Literal["reject", "keep_first", "keep_last"] = "reject"
    label: Label = Label()
    features: Words = []

    @model_validator(mode="after")
    def _check(self) -> "Profile":
        if not NAME.fullmatch(self.name):
            raise ValueError("name: use lower case letters, digits, '-' and '_'")
        for column, mapping in self.columns.items():
            if column not in CANONICAL and column not in HELPING:
                known = ", ".join((*CANONICAL, *HELPING))
                raise ValueError(f"columns: {column} is not a canonical column; they are {known}")
            if column in PREDICTING:
                for header in self._of_export(mapping):
                    _refuse_post_hoc(header, column)
            if column.startswith("baseline_"):
                for header in self._of_export(mapping):
                    _refuse_moved(header, column)
        for header in self.features:
            _refuse_post_hoc(header, "features")
        self._check_cells()
        self._check_unpivot()
        if self.encoding is not None and not _is_text_encoding(self.encoding):
            raise ValueError(f"encoding: {self.encoding!r} is no encoding of text; write one such as cp1251 or utf-8")
        if complaint := self._try_out():
            raise ValueError(complaint)
        if word := _said_twice(*({status, *said} for status, said in self.status.items())):
            raise ValueError(f"status: {word!r} stands for two of them")
        if self.features and self.label.column is None:
            raise ValueError("features: only a file with a label column may bring features of its own")
        return self

    def _of_export(self, mapping: Join | list[Source]) -> list[str]:
        """Return the headers of a mapping, and those that they have in the export."""
        found = headers(mapping)
        further = [source for header in found for source in self.unpivot.sources(header)] if self.unpivot else []
        return [*found, *further]

    def _check_unpivot(self) -> None:
        """Refuse rows of one line that could not be distinguished."""
        if self.unpivot is None:
            return
        mapping = self.columns.get("activity_id")
        if not isinstance(mapping, Join) or normal(self.unpivot.column) not in map(normal, mapping.join):
            said = f"activity_id: {{ join: [<id>, {self.unpivot.column}] }}"
            raise ValueError(f"unpivot: all rows of a line would have the same id; write {said}")
        if self.undated or self.role == "baseline":
            raise ValueError("unpivot: only for files with dates that are no baseline")

    def _check_cells(self) -> None:
        """Refuse rules for the cells of columns that they do not fit."""
        for column in self.constants:
            if CANONICAL.get(column) is None or CANONICAL[column].kind != "text" or column in NOT_CONSTANT:
                raise ValueError(f"constants: {column} is no text column of which all rows may have one value")
            if column in self.columns:
                raise ValueError(f"constants: {column} stands under columns as well; keep one of them")
        for entry, columns, allowed in (
            ("values", self.values, {"text", "amount"}),
            ("several", self.several, {"text", "amount"}),
            ("bands", self.bands, {"text"}),
        ):
            for column in columns:
                kind = "amount" if column == "budget" else getattr(CANONICAL.get(column), "kind", None)
                if kind not in allowed or column == "status":
                    raise ValueError(f"{entry}: {column} is not a column that it fits")
                if column not in self.columns:
                    raise ValueError(f"{entry}: {column} does not stand under columns")
        for column, bands in self.bands.items():
            limits = [band.to for band in bands]
            if limits[-1] is not None or None in limits[:-1] or limits[:-1] != sorted(set(limits[:-1])):  # type: ignore[type-var]
                raise ValueError(f"bands: {column} needs ascending limits (to), and a last band without one")

    def _try_out(self) -> str | None:
        """Return what duckdb, which will read the cells with them, says against a pattern or a format of dates."""
        texts = [("dates.formats", "try_strptime", text) for text in self.dates.formats]
        for column, mapping in self.columns.items():
            sources = [] if isinstance(mapping, Join) else mapping
            texts += [(f"columns.{column}", "regexp_matches", item.matching) for item in sources if item.matching]
        if not texts:
            return None
        database = _trial_database().cursor()
        for where, function, text in texts:
            try:
                database.execute(f"SELECT {function}('', $1)", [text])
            except duckdb.Error as error:
                reason = str(error).partition(": ")[2] or error
                return f"{where}: {text!r} cannot be used: {reason}"
        return None

    @property
    def undated(self) -> bool:
        """True if files of this kind bring a label instead of dates."""
        return self.label.column is not None and "start" not in self.columns

    @property
    def required(self) -> tuple[str, ...]:
        """Canonical columns that a file must have. What is planned at first sight is the baseline of a file without."""
        if self.undated:
            return ()
        if "planned_finish" in self.columns:
            return ("activity_id", "start")
        return ("activity_id", "start", "baseline_finish")


@cache
def _trial_database() -> duckdb.DuckDBPyConnection:
    """Return one empty database for all profiles: to open one takes longer than to try a pattern."""
    return duckdb.connect(config={"threads": 1})


def _is_text_encoding(name: str) -> bool:
    try:
        return isinstance("a".encode(name).decode(name), str)
    except (LookupError, UnicodeError, AttributeError, TypeError):
        return False


def headers(mapping: Join | list[Source]) -> list[str]:
    """Return the headers that a mapping names."""
    return mapping.join if isinstance(mapping, Join) else [source.name for source in mapping]


def words_of(header: str) -> str:
    """Return a header as `normal` does, with the words of ``DesignActualCompletion`` apart."""
    return normal(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", header))


def _refuse_post_hoc(header: str, column: str) -> None:
    if AFTER_THE_START.search(words_of(header)) or normal(header) in CURRENT | {normal(name) for name in POST_HOC}:
        raise ValueError(
            f"{column}: {header!r} is written after the activity started and would tell the outcome; "
            "map a column that is known before"
        )


def _refuse_moved(header: str, column: str) -> None:
    if MOVED.search(words_of(header)):
        raise ValueError(
            f"{column}: {header!r} follows what happened, so nothing would ever be late; map the date of the baseline"
        )


def load_profile(text: str, file: str) -> Profile:
    """Return the profile in the YAML document `text`.

    Parameters
    ----------
    text
        The document.
    file
        Its name, for messages.

    Raises
    ------
    ScheduleRefused
        If it is not YAML, has an unknown or missing entry, or maps what happened after the start to a feature.
    """
    document = _extended(_document(text, file), file)
    try:
        return Profile.model_validate(document)
    except ValidationError as error:
        found = error.errors()
        where = [".".join(str(part) for part in item["loc"] if part not in ("list[Source]", "Join")) for item in found]
        # All at once: who corrects a profile entry by entry gives up.
        others = zip(where[1:], found[1:], strict=True)
        reason = "; ".join([_plain(found[0]), *(f"{place or 'profile'}: {_plain(item)}" for place, item in others)])
        remedy = f"See {', '.join(sorted(p.stem for p in BUILT_IN.glob('*.yaml')))} among the built-in profiles"
        raise ScheduleRefused(file, reason, remedy, column=where[0] or None) from error


# The validator's words for what people write wrong, as `_plain` says them.
PLAIN = {
    "extra_forbidden": "there is no such entry",
    "missing": "it is missing",
    "dict_type": "it needs entries of the form name: value",
    "model_type": "it needs entries of the form name: value",
    "list_type": "it needs a list, such as [a, b]",
    "string_type": "it needs a word in quotes",
    "bool_type": "it needs true or false",
}


def _plain(error: Any) -> str:
    """Return what is wrong with an entry, without the validator's terms."""
    if error["type"] == "literal_error":
        return f"{error['input']!r} is not one of {error['ctx']['expected']}"
    said: str = PLAIN.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return said


def _document(text: str, file: str) -> Any:
    if len(text) > MAX_BYTES:
        raise ScheduleRefused(file, f"a profile of more than {MAX_BYTES} characters", "Shorten it")
    try:
        return yaml.load(text, _Plain)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"not YAML ({getattr(error, 'problem', None) or error})"
        raise ScheduleRefused(file, reason, "Correct the line, or quote the word", mark and mark.line + 1) from error


def _extended(document: Any, file: str) -> Any:
    """Return a profile's document with what it does not say taken from the built-in profile that it ``extends``."""
    if not isinstance(document, dict) or "extends" not in document:
        return document
    base, own = document["extends"], {name: value for name, value in document.items() if name != "extends"}
    path = BUILT_IN / f"{base}.yaml"
    if not isinstance(base, str) or not NAME.fullmatch(base) or not path.is_file():
        names = ", ".join(sorted(path.stem for path in BUILT_IN.glob("*.yaml")))
        raise ScheduleRefused(
            file, f"there is no built-in profile {base!r}", f"Extend one of {names}", column="extends"
        )
    inherited = _extended(_document(path.read_text(encoding="utf-8"), path.name), path.name)
    merged = {**inherited, **own}
    for name in ("columns", "status", "codes"):
        if isinstance(own.get(name), dict):
            merged[name] = {**inherited.get(name, {}), **own[name]}
    return merged


class _Plain(yaml.SafeLoader):
    """Without aliases, of which a few nested ones unfold to gigabytes, and without entries that replace others."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=self.get_mark())
        if self.depth > DEEPEST:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=self.get_mark())
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key.value, str) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} stands here twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


@cache
def built_in() -> tuple[Profile, ...]:
    """Return the built-in profiles."""
    return tuple(load_profile(path.read_text(encoding="utf-8"), path.name) for path in sorted(BUILT_IN.glob("*.yaml")))


assert set(STATUSES) == {"not_started", "in_progress", "complete"}  # noqa: S101 - the Literal in Profile names them
