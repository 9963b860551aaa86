"""The SQL that reads a grid through a profile: text, then values, then what is wrong with each row."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property

from slipcast.ingest import expressions, rules
from slipcast.ingest.layout import MAX_CELL, Grid
from slipcast.ingest.profile import Join, Profile, headers, normal
from slipcast.schema import COLUMNS, STATUSES

KINDS = {column.name: column.kind for column in COLUMNS}
DURATIONS = frozenset({"baseline_duration_days", "total_float_days"})
# duckdb's own size; left to itself it would shrink with the longest line.
BUFFER = 32 << 20
TYPES = {"text": "VARCHAR", "date": "DATE", "number": "DOUBLE"}
# Where the row came from; the last one lets versions of an activity be merged in any order.
ORIGIN = ("source", "source_sha256", "baseline_data_date")


@dataclass(frozen=True)
class Query:
    """How one file is read.

    Attributes
    ----------
    grid : the cells
    profile : what they mean
    header : names of the cells
    order : of numeric dates, ``DMY``, ``MDY`` or ``YMD``
    data_date : for a file without the column
    source : the series of files that it belongs to, and the project where the file names none
    sha256 : of the dropped object
    """

    grid: Grid
    profile: Profile
    header: tuple[str, ...]
    order: str
    data_date: date | None
    source: str
    sha256: str

    @cached_property
    def _places(self) -> dict[str, int]:
        """Headers as `normal` writes them → the position of the first cell that is called so."""
        places: dict[str, int] = {}
        for position, cell in enumerate(self.header):
            places.setdefault(normal(cell), position)
        return places

    @cached_property
    def mapped(self) -> list[str]:
        """Canonical columns that the file has."""
        return [name for name in self.profile.columns if self._positions(name)]

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
    def rules(self) -> list[rules.Rule]:
        """What is checked, in the order of the mask's bits; the first is the number of cells."""
        wrong = rules.Rule(
            "", "false", f"the row has not {self.grid.width} cells as the header", "Put quotes around what holds commas"
        )
        mapped = [*self.mapped, *self._given_label(), *self.features]
        if self.profile.undated:
            required = ["schedule_adherence", *self.features]
            return [wrong, *rules.cell_rules(mapped, required, self.features, measured=self.grid.numbered)]
        required = list(self.profile.required)
        if "data_date" in mapped:
            required.append("data_date")
        return [
            wrong,
            *rules.cell_rules(mapped, required, self.features, measured=self.grid.numbered),
            *rules.ROW_RULES,
        ]

    def _given_label(self) -> list[str]:
        return [] if self.profile.label.column is None else ["schedule_adherence"]

    def _positions(self, column: str) -> list[int]:
        names = [normal(header) for header in headers(self.profile.columns[column])]
        return [self._places[name] for name in names if name in self._places]

    def cells(self) -> str:
        """Return the relation of the cells: ``line``, ``cells``, ``c0``, ``c1``, …"""
        names = [f"c{position}" for position in range(self.grid.width)]
        extra = ["line", "cells"] if self.grid.numbered else []
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in [*extra, *names])
        return (
            f"read_csv({expressions.literal(str(self.grid.path))}, header=false, auto_detect=false, strict_mode=true, "
            f"delim={expressions.literal(self.grid.delimiter)}, quote='\"', escape='\"', skip={self.grid.skip}, "
            f"encoding='utf-8', {self._lines()}columns={{{columns}}})"
        )

    def _lines(self) -> str:
        # A carriage return in the first cells would be taken for the end of lines.
        if self.grid.numbered:
            return "new_line='\\n', "
        # With this no cell of plain text can be too long, so none is measured; longer lines are read one by one.
        return f"max_line_size={MAX_CELL}, buffer_size={BUFFER}, "

    def numbered(self) -> str:
        """Return the relation of the cells with the line of each."""
        if self.grid.numbered:
            return f"(SELECT * REPLACE (line::BIGINT AS line, cells::BIGINT AS cells) FROM {self.cells()})"
        line = f"row_number() OVER () + {self.grid.skip}"
        return f"(SELECT {line} AS line, {self.grid.width} AS cells, * FROM {self.cells()})"

    def checked(self, cells: str | None = None) -> str:
        """Return the relation of all rows: canonical columns, their texts, ``blank``, ``filtered``, ``bad``.

        With `cells` from `numbered` it has ``line`` and ``problems`` as well, the mask of the broken rules.
        """
        lines = "line, cells, " if self.grid.numbered or cells is not None else ""
        texts = [f"{self._text(name)} AS text_{name}" for name in self._readable()]
        values = [f'{self._value(name)} AS "{name}"' for name in self._readable()]
        texts += [f'{self._cell(header)} AS "text_{name}"' for name, header in self.features.items()]
        numbers = self.profile.numbers
        values += [f'{expressions.number(f'"text_{name}"', numbers)} AS "{name}"' for name in self.features]
        found = f"{rules.any_broken(self.rules)} AS bad"
        if lines:
            found = f"(cells <> {self.grid.width} OR {rules.any_broken(self.rules)}) AS bad"
            mask = f"CASE WHEN cells <> {self.grid.width} THEN 1 ELSE {rules.mask(self.rules)} END"
            found += f", {mask} AS problems"
        inner = f"SELECT {lines}{self._blank()} AS blank, {self._filtered()} AS filtered, {', '.join(texts)}, "
        inner += ", ".join(self._parts()) or "1 AS no_parts"
        inner += f" FROM {cells or (self.numbered() if self.grid.numbered else self.cells())}"
        typed = f"SELECT *, {', '.join(values)} FROM ({inner})"
        derived = f"SELECT * REPLACE ({', '.join(self._defaults())}) FROM ({typed})"
        return f"(SELECT *, {found} FROM ({derived}))"

    def table(self) -> str:
        """Return the select list of the dataset's columns over `checked`."""
        derived = {"status": self._status(), "total_float_days": self._float()}
        columns = [f'{derived.get(name, f'"{name}"')} AS "{name}"' for name in KINDS]
        columns += [f'"{name}"' for name in self.features]
        columns.append(f"{expressions.literal(self.source)} AS source")
        columns.append(f"{expressions.literal(self.sha256)} AS source_sha256")
        columns.append("data_date AS baseline_data_date")
        return ", ".join(columns)

    def _readable(self) -> list[str]:
        return list(KINDS)

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

    def _sources(self, name: str) -> list[tuple[str, object]]:
        mapping = self.profile.columns[name]
        if isinstance(mapping, Join):
            return []
        return [
            (expressions.only_if(self._cell(source.name), source), source)
            for source in mapping
            if normal(source.name) in self._places
        ]

    def _text(self, name: str) -> str:
        if name == "schedule_adherence" and self.profile.label.column is not None:
            return self._cell(self.profile.label.column)
        if name == "activity_id" and self.profile.undated and name not in self.mapped:
            return "'row-' || line"
        if name not in self.mapped:
            return "NULL::VARCHAR"
        mapping = self.profile.columns[name]
        if isinstance(mapping, Join):
            parts = ", ".join(self._cell(header) for header in mapping.join if normal(header) in self._places)
            return f"nullif(concat_ws({expressions.literal(mapping.separator)}, {parts}), '')"
        texts = [text for text, _ in self._sources(name)]
        return f"coalesce({', '.join(texts)})" if len(texts) > 1 else texts[0]

    def _value(self, name: str) -> str:
        text = f"text_{name}"
        if name not in self.mapped and not (name == "schedule_adherence" and self._given_label()):
            return text if name == "activity_id" else f"NULL::{TYPES[KINDS[name]]}"
        if name == "status":
            listed = {status: [status, *self.profile.status.get(status, [])] for status in STATUSES}
            cases = " ".join(
                f"WHEN lower({text}) IN {expressions.words(said)} THEN '{status}'" for status, said in listed.items()
            )
            return f"CASE {cases} END"
        if name == "schedule_adherence" and self._given_label():
            label = self.profile.label
            late, on_time = expressions.words(label.late), expressions.words(label.on_time)
            value = f"CASE WHEN lower({text}) IN {late} THEN 0 WHEN lower({text}) IN {on_time} THEN 1 END"
            return f"({value})::DOUBLE"
        if KINDS[name] == "date":
            return expressions.day(text, self.profile.dates, self.order)
        if name in DURATIONS or name == "predecessor_count":
            parts = [(f"part_{name}_{index}", source) for index, (_, source) in enumerate(self._sources(name))]
            cases = " ".join(
                f"WHEN {part} IS NOT NULL THEN {self._amount(name, part, source)}" for part, source in parts
            )
            return f"CASE {cases} END"
        if KINDS[name] == "number":
            return expressions.number(text, self.profile.numbers)
        return text

    def _amount(self, name: str, part: str, source: object) -> str:
        if name in DURATIONS:
            return expressions.calendar_days(part, self.profile.durations, self.profile.numbers, source.unit)
        return expressions.count(part) if source.count else expressions.number(part, self.profile.numbers)

    def _defaults(self) -> list[str]:
        days = "coalesce(baseline_duration_days, date_diff('day', coalesce(baseline_start, start), baseline_finish))"
        given = "NULL::DATE" if self.data_date is None else f"DATE '{self.data_date.isoformat()}'"
        return [
            f"coalesce(project_id, {expressions.literal(self.source)}) AS project_id",
            f"coalesce(data_date, {given}) AS data_date"
            if "data_date" not in self.mapped
            else "data_date AS data_date",
            f"CASE WHEN text_baseline_duration_days IS NULL THEN {days} ELSE baseline_duration_days END"
            " AS baseline_duration_days",
        ]

    def _status(self) -> str:
        if self.profile.undated:
            return "NULL::VARCHAR"
        begun = "CASE WHEN start > data_date THEN 'not_started' ELSE 'in_progress' END"
        return f"CASE WHEN actual_finish IS NOT NULL THEN 'complete' ELSE coalesce(status, {begun}) END"

    def _float(self) -> str:
        # Once an activity has started its float tells how it goes, and it is empty when it is complete.
        return "CASE WHEN start > data_date AND actual_finish IS NULL THEN total_float_days END"

    def _blank(self) -> str:
        # They were left out already; what looks blank here may have cells beyond those of the header.
        if self.grid.numbered:
            return "false"
        cells = ", ".join(expressions.cell(position, (), bare=self.grid.bare) for position in range(self.grid.width))
        return f"(coalesce({cells}) IS NULL)" if self.grid.width > 1 else f"({cells} IS NULL)"

    def _filtered(self) -> str:
        conditions = []
        for item in self.profile.filters:
            position = self._places.get(normal(item.column))
            if position is None:
                continue
            text = f"lower(trim(coalesce(c{position}, '')))"
            listed = expressions.words(item.keep if item.keep is not None else item.drop or [])
            conditions.append(f"{text} {'NOT ' if item.keep is not None else ''}IN {listed}")
        return f"({' OR '.join(conditions)})" if conditions else "false"
