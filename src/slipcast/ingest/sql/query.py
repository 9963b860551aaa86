"""The SQL that reads a grid through a profile: text, then values, then what is wrong with each row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal

from slipcast.datasets import database
from slipcast.ingest.files.grid import MAX_CELL, WHITE, Grid
from slipcast.ingest.mapping import codes
from slipcast.ingest.mapping.detect import known
from slipcast.ingest.mapping.profile import HELPING, Join, Profile, Source, headers, normal
from slipcast.ingest.sql import expressions, rules
from slipcast.schema import COLUMNS, STATUSES

KINDS = {column.name: column.kind for column in COLUMNS}
READ = KINDS | HELPING
DURATIONS = frozenset({"baseline_duration_days", "total_float_days"})
# duckdb's own size; left to itself it would shrink with the longest line.
BUFFER = 32 << 20
# Tables of the database that hold the first step of `Query.checked`, and all of it.
TEXTS: Literal["texts"] = "texts"
ROWS: Literal["rows"] = "rows"
# Values of filtered cells that are counted one by one.
MOST_VALUES = 20
TYPES = {"text": "VARCHAR", "date": "DATE", "number": "DOUBLE"}
# Where the row came from; the last one lets versions of an activity be merged in any order.
ORIGIN = ("source", "source_sha256", "activity_guid", "baseline_source", "baseline_data_date")
# Calendar days from the first to the last day of the baseline, both included: the rule of the API and of training.
INCLUSIVE = "date_diff('day', {start}, baseline_finish) + 1"

# A start that was moved past the baseline is none of it; `features.row` and `forecast.stage` count in the same way.
START = "CASE WHEN start <= baseline_finish THEN start END"


@dataclass(frozen=True)
class Query:
    """How one file is read.

    Attributes
    ----------
    grid
        The cells.
    profile
        What they mean.
    header
        Names of the cells.
    order
        Of numeric dates, ``DMY``, ``MDY`` or ``YMD``.
    data_date
        For a file without the column.
    source
        The series of files that it belongs to, and the project where the file names none.
    sha256
        Of the dropped object.
    absent
        Columns that the file has, but with nothing in them that would say something.
    kept
        Which steps of `checked` stand in a table of the database, so that they are not computed again: of `TEXTS` the
        first, of `ROWS` all.
    """

    grid: Grid
    profile: Profile
    header: tuple[str, ...]
    order: str
    data_date: date | None
    source: str
    sha256: str
    absent: frozenset[str] = frozenset()
    kept: Literal["", "texts", "rows"] = ""

    @cached_property
    def _places(self) -> dict[str, int]:
        """Headers as `normal` writes them → the position of the first cell that is called so."""
        places: dict[str, int] = {}
        for position, cell in enumerate(self.header):
            places.setdefault(normal(cell), position)
        return places

    @cached_property
    def codes(self) -> dict[str, tuple[str, ...]]:
        """Phase, work type and location → the headers of the activity codes that say it."""
        return codes.by_meaning(
            self.header, known(self.profile), {str(name): found for name, found in self.profile.codes.items()}
        )

    @cached_property
    def mapped(self) -> list[str]:
        """Canonical columns that the file has, but for the plan: it is derived, and no cell of it is bad for itself."""
        return [name for name in self.profile.columns if name in KINDS and name != "planned_finish" and self.has(name)]

    def has(self, column: str) -> bool:
        """Return whether the file has a column, canonical or helping."""
        return column in self.profile.columns and column not in self.absent and bool(self._positions(column))

    @property
    def used_codes(self) -> dict[str, tuple[str, ...]]:
        """What `codes` holds of the columns that the profile takes from activity codes by their meaning."""
        return {column: found for column, found in self.codes.items() if found and self._uses_codes(column)}

    def _uses_codes(self, column: str) -> bool:
        mapping = self.profile.columns.get(column, [])
        return not isinstance(mapping, Join) and any(source.name == codes.BY_MEANING for source in mapping)

    def origins(self, column: str) -> list[tuple[str, Literal["profile", "synonym", "code", "joined"]]]:
        """Return the headers that a column comes from, in the order in which they count, and how each was found.

        ``profile`` is the first name that the profile has for it, ``synonym`` another one, ``code`` an activity code of
        that meaning, ``joined`` one of several that are joined.
        """
        mapping = self.profile.columns[column]
        if isinstance(mapping, Join):
            return [(self.header[place], "joined") for place in self._positions(column)]
        names = [normal(source.name) for source in mapping]
        found: dict[str, Literal["profile", "synonym", "code", "joined"]] = {}
        for source in self._found(column):
            name = normal(source.name)
            how: Literal["profile", "synonym", "code"] = "code"
            if name in names:
                how = "synonym" if names.index(name) else "profile"
            found.setdefault(self.header[self._places[name]], how)
        return list(found.items())

    @property
    def hints(self) -> list[str]:
        """What the profile says about columns that the file lacks."""
        return [
            hint.text
            for hint in self.profile.hints
            if not any(normal(header) in self._places for header in hint.columns)
        ]

    def only_marked(self, column: str) -> bool:
        """Return whether a column comes from others alone, by a mark in their cells."""
        mapping = self.profile.columns.get(column, [])
        sources = [] if isinstance(mapping, Join) else self._found(column)
        return bool(sources) and all(source.matching is not None for source in sources)

    @property
    def own_names(self) -> dict[str, str]:
        """Canonical columns that the file has → their headers: the first of several, all that are joined."""
        names = {}
        for name in self.mapped:
            found = [self.header[position] for position in self._positions(name)]
            names[name] = " / ".join(found) if isinstance(self.profile.columns[name], Join) else found[0]
        return names

    @property
    def features(self) -> dict[str, str]:
        """Further numeric columns: name in the dataset → header."""
        return {normal(header).replace(" ", "_"): header for header in self.profile.features}

    @property
    def required(self) -> list[str]:
        """Canonical columns that must not be empty in a row."""
        required = list(self.profile.required)
        if "data_date" in self.mapped:
            required.append("data_date")
        return required

    @property
    def rules(self) -> list[rules.Rule]:
        """What is checked, in the order of the mask's bits; the first is the number of cells."""
        wrong = rules.Rule(
            "",
            "false",
            f"the row has not {self.grid.columns or self.grid.width} cells as the header",
            "Put quotes around what holds commas",
        )
        mapped = [*self.mapped, *self._given_label(), *self.features]
        if self.profile.undated:
            required = ["schedule_adherence", *self.features]
            return [wrong, *rules.cell_rules(mapped, required, self.features, measured=self.grid.numbered)]
        planned = [rules.PLANNED] if self.has("planned_finish") else []
        return [
            wrong,
            *rules.cell_rules(mapped, self.required, self.features, measured=self.grid.numbered),
            *planned,
            *(rules.BEFORE_BASELINE_START if "actual_start" in self.profile.columns else rules.BEFORE_START),
            *rules.ROW_RULES,
        ]

    def _given_label(self) -> list[str]:
        return [] if self.profile.label.column is None else ["schedule_adherence"]

    def _found(self, column: str) -> list[Source]:
        """Return the sources of a column that the file has, activity codes by their own headers."""
        found = []
        mapping = self.profile.columns[column]
        for source in () if isinstance(mapping, Join) else mapping:
            if source.name == codes.BY_MEANING:
                found += [source.model_copy(update={"name": header}) for header in self.codes.get(column, ())]
            elif normal(source.name) in self._places:
                found.append(source)
        return found

    def _positions(self, column: str) -> list[int]:
        mapping = self.profile.columns[column]
        names = headers(mapping) if isinstance(mapping, Join) else [source.name for source in self._found(column)]
        return [self._places[normal(name)] for name in names if normal(name) in self._places]

    def cells(self) -> str:
        """Return the relation of the cells: ``line``, ``cells``, ``summary``, ``c0``, ``c1``, …"""
        names = [f"c{position}" for position in range(self.grid.width)]
        extra = ["line", "cells", "summary"] if self.grid.numbered else []
        extra = extra[:1] if self.grid.lined else extra
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in [*extra, *names])
        return (
            f"read_csv({database.literal(str(self.grid.path))}, header=false, auto_detect=false, strict_mode=true, "
            f"delim={database.literal(self.grid.delimiter)}, quote='\"', escape='\"', skip={self.grid.skip}, "
            f"encoding='utf-8', {self._lines()}columns={{{columns}}})"
        )

    def _lines(self) -> str:
        if self.grid.lined:
            return f"new_line='\\n', max_line_size={BUFFER // 2}, buffer_size={BUFFER}, "
        # A carriage return in the first cells would be taken for the end of lines.
        if self.grid.numbered:
            return "new_line='\\n', "
        # With this no cell of plain text can be too long, so none is measured; longer lines are read one by one.
        return f"max_line_size={MAX_CELL}, buffer_size={BUFFER}, "

    def numbered(self) -> str:
        """Return the relation of the cells with the line of each."""
        if self.grid.lined:
            whole = f"{self.grid.width} AS cells, '0' AS summary"
            return f"(SELECT line::BIGINT AS line, {whole}, * EXCLUDE (line) FROM {self.cells()})"
        if self.grid.numbered:
            return f"(SELECT * REPLACE (line::BIGINT AS line, cells::BIGINT AS cells) FROM {self.cells()})"
        line = f"row_number() OVER () + {self.grid.skip}"
        return f"(SELECT {line} AS line, {self.grid.width} AS cells, * FROM {self.cells()})"

    def checked(self, cells: str | None = None, further: Mapping[str, str] | None = None) -> str:
        """Return the relation of all rows: what is read of them, their texts, ``blank``, ``filtered``, ``bad``.

        With `cells` from `numbered` it has ``line`` and ``problems`` as well, the mask of the broken rules.
        `further` are cells to keep as they are: name → expression of `expressions.cell`. What is kept in a table has
        all of this.
        """
        if self.kept == ROWS:
            return ROWS
        lines = self.grid.numbered or cells is not None or self.kept == TEXTS
        values = [f'{self._value(name)} AS "{name}"' for name in READ]
        numbers = self.profile.numbers
        values += [f'{expressions.number(f'"text_{name}"', numbers)} AS "{name}"' for name in self.features]
        found = f"{rules.any_broken(self.rules)} AS bad"
        if lines:
            found = f"(cells <> {self.grid.width} OR {rules.any_broken(self.rules)}) AS bad"
            mask = f"CASE WHEN cells <> {self.grid.width} THEN 1 ELSE {rules.mask(self.rules)} END"
            found += f", {mask} AS problems"
        inner = TEXTS if self.kept == TEXTS else f"({self.texts(cells, further)})"
        relation = f"SELECT *, {', '.join(values)} FROM {inner}"
        # Each step stands on what the one before it has derived.
        for step in (self._origin(), self._finish(), self._known_status(), self._baseline(), self._days()):
            relation = f"SELECT {step} FROM ({relation})"
        return f"(SELECT *, {found} FROM ({relation}))"

    def texts(self, cells: str | None = None, further: Mapping[str, str] | None = None) -> str:
        """Return the query of the first step of `checked`: the texts of the cells, ``blank`` and ``filtered``."""
        lines = "line, cells, " if self.grid.numbered or cells is not None else ""
        texts = [f"{self._text(name)} AS text_{name}" for name in READ]
        texts += [f'{self._cell(header)} AS "text_{name}"' for name, header in self.features.items()]
        texts += [f"{cell} AS {name}" for name, cell in (further or {}).items()]
        texts += self._parts() or ["1 AS no_parts"]
        return (
            f"SELECT {lines}{self._blank()} AS blank, {self._filtered()} AS filtered, {', '.join(texts)} "
            f"FROM {cells or (self.numbered() if self.grid.numbered else self.cells())}"
        )

    def table(self) -> str:
        """Return the select list of the dataset's columns over `checked`.

        ``unchanged`` says whether the baseline finish of an open activity is what is planned now; it is dropped once it
        has been looked at (`tables.settle`).
        """
        derived = {"status": "known_status", "total_float_days": self._float(), "planned_finish": self._now_planned()}
        columns = [f'{derived.get(name, f'"{name}"')} AS "{name}"' for name in KINDS]
        columns += [f'"{name}"' for name in self.features]
        columns.append(f"{database.literal(self.source)} AS source")
        columns.append(f"{database.literal(self.sha256)} AS source_sha256")
        columns += ["activity_guid", "baseline_source"]
        columns.append("CASE WHEN baseline_finish IS NOT NULL THEN data_date END AS baseline_data_date")
        if self.has("planned_finish"):
            given = "actual_finish IS NULL AND baseline_source = 'file'"
            columns.append(f"CASE WHEN {given} THEN baseline_finish = planned_finish END AS unchanged")
        return ", ".join(columns)

    def _cell(self, header: str) -> str:
        return expressions.cell(self._places[normal(header)], self.profile.missing, bare=self.grid.bare)

    def _parts(self) -> list[str]:
        """Each source of a column that has several, or a unit, under a name of its own."""
        return [
            f"{text} AS part_{name}_{index}"
            for name in self.mapped
            if name in DURATIONS or name == "predecessor_count"
            for index, (text, _) in enumerate(self._sources(name))
        ]

    def _sources(self, name: str) -> list[tuple[str, Source]]:
        if isinstance(self.profile.columns[name], Join):
            return []
        return [(self._of_source(source), source) for source in self._found(name)]

    def _of_source(self, source: Source) -> str:
        text = expressions.only_if(self._cell(source.name), source)
        if source.parent:
            text = f"nullif(regexp_replace({text}, '[.]?[^.]*[.]?$', ''), '')"
        conditions = [
            f"lower({self._cell(header)}) IN {expressions.words(said)}"
            for header, said in source.where.items()
            if normal(header) in self._places
        ]
        return f"(CASE WHEN {' AND '.join(conditions)} THEN {text} END)" if conditions else text

    def _text(self, name: str) -> str:
        if name == "schedule_adherence" and self.profile.label.column is not None:
            return self._cell(self.profile.label.column)
        if name == "activity_id" and self.profile.undated and name not in self.mapped:
            return "'row-' || line"
        if name in self.profile.constants:
            return database.literal(self.profile.constants[name])
        if not self.has(name):
            return "NULL::VARCHAR"
        return self._translated(name, self._read(name))

    def _translated(self, name: str, text: str) -> str:
        """Return what the profile says that the text of a cell stands for."""
        profile = self.profile
        if (several := profile.several.get(name)) is not None:
            text = expressions.one_of_several(text, several)
        if (bands := profile.bands.get(name)) is not None:
            text = expressions.band(text, bands, profile.numbers)
        if values := profile.values.get(name):
            cases = " ".join(
                f"WHEN {database.literal(said.strip().lower())} THEN {database.literal(meant)}"
                for said, meant in values.items()
            )
            text = f"(CASE lower({text}) {cases} ELSE {text} END)"
        return text

    def _read(self, name: str) -> str:
        mapping = self.profile.columns[name]
        if isinstance(mapping, Join):
            parts = ", ".join(self._cell(header) for header in mapping.join if normal(header) in self._places)
            return f"nullif(concat_ws({database.literal(mapping.separator)}, {parts}), '')"
        texts = [text for text, _ in self._sources(name)]
        return f"coalesce({', '.join(texts)})" if len(texts) > 1 else texts[0]

    def _value(self, name: str) -> str:
        text = f"text_{name}"
        if name in self.profile.constants:
            return text
        if not self.has(name) and not (name == "schedule_adherence" and self._given_label()):
            return text if name == "activity_id" else f"NULL::{TYPES[READ[name]]}"
        if name == "status":
            words = {str(status): said for status, said in self.profile.status.items()}
            listed = {status: [status, *words.get(status, [])] for status in STATUSES}
            cases = " ".join(
                f"WHEN lower({text}) IN {expressions.words(said)} THEN '{status}'" for status, said in listed.items()
            )
            return f"CASE {cases} END"
        if name == "schedule_adherence" and self._given_label():
            label = self.profile.label
            late, on_time = expressions.words(label.late), expressions.words(label.on_time)
            value = f"CASE WHEN lower({text}) IN {late} THEN 0 WHEN lower({text}) IN {on_time} THEN 1 END"
            return f"({value})::DOUBLE"
        if name == "actual_start":
            # Only whether there is one counts; `start` is read from the same cell.
            return "NULL::DATE"
        if READ[name] == "date":
            return expressions.day(text, self.profile.dates, self.order)
        if name in DURATIONS or name == "predecessor_count":
            parts = [(f"part_{name}_{index}", source) for index, (_, source) in enumerate(self._sources(name))]
            cases = " ".join(
                f"WHEN {part} IS NOT NULL THEN {self._amount(name, part, source)}" for part, source in parts
            )
            return f"CASE {cases} END"
        if READ[name] == "number":
            return expressions.number(text, self.profile.numbers)
        return text

    def _amount(self, name: str, part: str, source: Source) -> str:
        if name in DURATIONS and source.unit == "ed":
            bare = expressions.number(part, self.profile.numbers)
            other = expressions.calendar_days(part, self.profile.durations, self.profile.numbers, None)
            return f"coalesce({bare}, {other})"
        if name in DURATIONS:
            return expressions.calendar_days(part, self.profile.durations, self.profile.numbers, source.unit)
        return expressions.count(part) if source.count else expressions.number(part, self.profile.numbers)

    def _origin(self) -> str:
        given = "NULL::DATE" if self.data_date is None else f"DATE '{self.data_date.isoformat()}'"
        columns = [f"coalesce(project_id, {database.literal(self.source)}) AS project_id"]
        if "data_date" not in self.mapped:
            columns.append(f"{given} AS data_date")
        return f"* REPLACE ({', '.join(columns)})"

    def _finish(self) -> str:
        # Where no column and no mark says which finish is actual, that of a complete activity is.
        if self.has("planned_finish") and not self.has("actual_finish"):
            return "* REPLACE (CASE WHEN status = 'complete' THEN planned_finish END AS actual_finish)"
        return "*"

    def _known_status(self) -> str:
        if self.profile.undated:
            return "*, NULL::VARCHAR AS known_status"
        begun = "start <= data_date"
        if self.has("actual_start"):
            begun = "text_actual_start IS NOT NULL"
        begun = f"CASE WHEN {begun} THEN 'in_progress' ELSE 'not_started' END"
        return (
            f"*, CASE WHEN actual_finish IS NOT NULL THEN 'complete' ELSE coalesce(status, {begun}) END AS known_status"
        )

    def _baseline(self) -> str:
        """A file that *is* the baseline plans it; one without a baseline plans it for what has not started."""
        if self.profile.undated:
            return "*, NULL::VARCHAR AS baseline_source"
        start, finish = "coalesce(planned_start, start)", "planned_finish"
        if self.profile.role == "baseline":
            columns = "coalesce(planned_start, baseline_start, start) AS baseline_start, "
            columns += "coalesce(planned_finish, baseline_finish) AS baseline_finish"
            source = "CASE WHEN coalesce(planned_finish, baseline_finish) IS NOT NULL THEN 'declared' END"
            return f"* REPLACE ({columns}), {source} AS baseline_source"
        source = "CASE WHEN baseline_finish IS NOT NULL THEN 'file' "
        if not self.has("planned_finish"):
            return f"*, {source}END AS baseline_source"
        planned = "text_baseline_finish IS NULL AND known_status = 'not_started' AND planned_finish IS NOT NULL"
        columns = ", ".join(
            f"CASE WHEN {planned} THEN {plan} ELSE {name} END AS {name}"
            for name, plan in (("baseline_start", start), ("baseline_finish", finish))
        )
        return f"* REPLACE ({columns}), {source}WHEN {planned} THEN 'first_seen' END AS baseline_source"

    def _days(self) -> str:
        """The dates of the baseline count before a duration of working time, and calendar days before the dates."""
        both = INCLUSIVE.format(start="baseline_start")
        either = INCLUSIVE.format(start=f"coalesce(baseline_start, {START})")
        tests = []
        if "baseline_duration_days" in self.mapped and self.profile.role != "baseline":
            parts = [
                f"part_baseline_duration_days_{index} IS NOT NULL"
                for index, (_, source) in enumerate(self._sources("baseline_duration_days"))
                if source.unit == "ed"
            ]
            if parts:
                tests.append(f"WHEN {' OR '.join(parts)} THEN baseline_duration_days")
        tests.append(f"WHEN baseline_start IS NOT NULL AND baseline_finish IS NOT NULL THEN {both}")
        tests.append("WHEN text_baseline_duration_days IS NOT NULL THEN baseline_duration_days")
        return f"* REPLACE ((CASE {' '.join(tests)} ELSE {either} END)::DOUBLE AS baseline_duration_days)"

    def _float(self) -> str:
        # Once an activity has started its float tells how it goes, and it is empty when it is complete.
        return "CASE WHEN known_status = 'not_started' THEN total_float_days END"

    def _now_planned(self) -> str:
        # What has started keeps its first plan in Primavera's target dates: the finish that it computes counts before.
        day = f"coalesce(current_finish, planned_finish) BETWEEN DATE '{rules.FIRST_DAY}' AND DATE '{rules.LAST_DAY}'"
        return f"CASE WHEN known_status <> 'complete' AND {day} THEN coalesce(current_finish, planned_finish) END"

    def _blank(self) -> str:
        # They were left out already; what looks blank here may have cells beyond those of the header.
        if self.grid.numbered:
            return "false"
        cells = ", ".join(expressions.cell(position, (), bare=self.grid.bare) for position in range(self.grid.width))
        return f"(coalesce({cells}) IS NULL)" if self.grid.width > 1 else f"({cells} IS NULL)"

    def left_out(self) -> str | None:
        """Return a query of the rows that the filters leave out: header, value of its cell, rows; None without filters.

        Of several filters the first counts. The header of rows that sum up others is empty.
        """
        filters = self._filters()
        if not filters:
            return None
        headers = " ".join(f"WHEN {broken} THEN {database.literal(header)}" for header, _, broken in filters)
        values = " ".join(f"WHEN {broken} THEN {cell}" for _, cell, broken in filters)
        relation = self.numbered() if self.grid.numbered else self.cells()
        return (
            f"SELECT CASE {headers} END AS header, CASE {values} END AS value, count(*) AS rows FROM {relation} "
            f"WHERE NOT {self._blank()} AND ({' OR '.join(broken for _, _, broken in filters)}) "
            f"GROUP BY ALL ORDER BY rows DESC, header, value LIMIT {MOST_VALUES}"
        )

    def _filtered(self) -> str:
        broken = [broken for _, _, broken in self._filters()]
        return f"({' OR '.join(broken)})" if broken else "false"

    def _filters(self) -> list[tuple[str, str, str]]:
        """Return header, cell and condition of each filter; a cell as the file has it."""
        conditions = [("", "''", "summary = '1'")] if self.grid.numbered else []
        if (unpivot := self.profile.unpivot) is not None:
            group = self._places[normal(unpivot.column)]
            conditions.append((self.header[group], f"c{group}", "summary = '2'"))
        for item in self.profile.filters:
            position = self._places.get(normal(item.column))
            if position is None or any(normal(header) in self._places for header in item.unless):
                continue
            cell = f"trim(coalesce(c{position}, ''), {database.literal(WHITE)})"
            text, header = f"lower({cell})", self.header[position]
            if item.zero:
                conditions.append((header, cell, expressions.is_zero(text)))
                continue
            listed = expressions.words(item.keep if item.keep is not None else item.drop or [])
            conditions.append((header, cell, f"{text} {'NOT ' if item.keep is not None else ''}IN {listed}"))
        return conditions
