"""A file becomes a checked table on disk; what is wrong with it becomes a table for people."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from slipcast.csv_safety import neutral
from slipcast.datasets import network
from slipcast.datasets.database import connect, literal, one_row
from slipcast.ingest import network_text, tables, understanding
from slipcast.ingest.files import file_names
from slipcast.ingest.files import grid as layout
from slipcast.ingest.files.formats import Limits, Text, open_upload
from slipcast.ingest.files.grid import Grid, Groups, Outline, Record
from slipcast.ingest.mapping.detect import Found, detect
from slipcast.ingest.mapping.detect import known as known_headers
from slipcast.ingest.mapping.profile import Profile, built_in, headers, normal
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.sql import expressions
from slipcast.ingest.sql.query import DURATIONS, KINDS, ROWS, TEXTS, Query
from slipcast.ingest.sql.rules import Rule
from slipcast.ingest.understanding import Problem, QuarantinedRow, Understood
from slipcast.schema import STATUSES

REJECTED_COLUMNS = ("line", "column", "value", "reason", "remedy")
BATCH = 10_000
# Rows that are kept in the database while they are counted and written, instead of being read again.
SMALL = 200_000
# Rows whose texts are kept as well, so that the SQL of a profile, which takes longer than such a file, runs once.
KEPT = 20_000
# Line, canonical column, text, what is wrong with it, and whose it is: id and name of the activity.
type BadCell = tuple[int, str, Any, Rule, tuple[str, str]]
GOOD = "NOT blank AND NOT filtered AND NOT bad"
# What gives an exported project dates, and its data date, by the kind of file; a table is edited instead.
_P6 = "Schedule the project (In Primavera P6: Tools > Schedule, with the data date) and export it again"
SCHEDULE_FIRST = {
    "xer": _P6,
    "pmxml": _P6,
    "mspdi": "Set the status date (In MS Project: Project > Status Date), calculate (F9) and save the XML file again",
}


@dataclass(frozen=True)
class Schedule:
    """A schedule that was read.

    Attributes
    ----------
    table
        Parquet file of the accepted activities: canonical columns, features of the profile, origin.
    rejected
        CSV file with ``line``, ``column``, ``value``, ``reason``, ``remedy``, one row for each bad cell; None
        if there is none.
    counts
        Rows ``read`` = ``accepted`` + ``rejected`` + ``filtered``, and the accepted by status.
    problems
        How many cells broke which rule: ``column``, ``reason``, ``remedy``, ``cells``, most first.
    data_date
        The day that the file describes; None for files without dates.
    notes
        What a reader should know: encoding, order of dates, sheet.
    own_names
        Canonical columns that the file has → how its header calls them.
    network
        Parquet files of activities, relations and calendars (`network_columns.TABLES`); empty if the file has none.
    understood
        What the report shows of how the file was read.
    quarantined
        The first rows in quarantine, in the order of the file.
    """

    table: Path
    rejected: Path | None
    counts: dict[str, int]
    problems: list[Problem]
    data_date: date | None
    source: str
    profile: Profile
    header: tuple[str, ...]
    mapped: tuple[str, ...]
    notes: tuple[str, ...]
    own_names: dict[str, str] = field(default_factory=dict)
    network: dict[str, Path] = field(default_factory=dict)
    understood: Understood = field(kw_only=True)
    quarantined: tuple[QuarantinedRow, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return the accepted activities, for small files."""
        with connect(self.table.parent) as database:
            found = database.execute("SELECT * FROM read_parquet(?)", [str(self.table)])
            columns = [item[0] for item in found.description]
            return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def read_file(
    path: Path,
    name: str,
    *,
    profiles: Sequence[Profile] | None = None,
    profile: Profile | None = None,
    folder: str = "",
    source: str | None = None,
    baseline: bool = False,
    workdir: Path,
    max_bad_share: float = 0.2,
    limits: Limits | None = None,
    sha256: str = "",
) -> Schedule:
    """Read one file; `schedule.read_schedule` reads what is dropped.

    Parameters
    ----------
    path
        The file.
    name
        What it was called, for messages, its kind, its source and the data date.
    profiles
        Those to choose from; the built-in ones by default.
    profile
        The user's choice.
    folder
        Where it was dropped; part of the name of its source.
    source
        The series of files that it belongs to; from folder and name by default.
    baseline
        Whether the file is the baseline of its series, whatever the profile says.
    workdir
        An empty folder for the table and what is needed on the way.
    max_bad_share
        With a larger share of bad rows the file is refused whole.
    limits
        What is too large.
    sha256
        Digest of the dropped object, kept with each row.

    Raises
    ------
    ScheduleRefused
        If the file cannot be used at all; the message names file, row, column and remedy.
    """
    limits = limits or Limits()
    choice = [profile] if profile is not None else list(profiles or built_in())
    if baseline:
        choice = [item.model_copy(update={"role": "baseline"}) for item in choice]
    known = frozenset().union(*map(known_headers, choice))
    encoding = profile.encoding if profile is not None else None
    text = open_upload(path, name, workdir=workdir, limits=limits, encoding=encoding, headers=known)
    if text.epoch != 1900:
        days = {"epoch": text.epoch}
        choice = [item.model_copy(update={"dates": item.dates.model_copy(update=days)}) for item in choice]
    heads = layout.heads(text.path, text.delimiter)
    cells = {mark: [record.cells for record in found] for mark, found in heads.items()}
    lines = {mark: [line_of(text, record) for record in found] for mark, found in heads.items()}
    try:
        found = detect(cells, choice, name, lines)
    except ScheduleRefused as refusal:
        if text.place is None:
            raise
        reason = f"in {text.place}: {refusal.reason}"
        outer = ScheduleRefused(name, reason, refusal.remedy, refusal.row, refusal.column)
        outer.missing = refusal.missing
        raise outer from refusal
    header = replace(heads[found.delimiter][found.index], cells=list(found.header))
    if len(found.header) - text.numbered > limits.max_columns:
        raise ScheduleRefused(
            name,
            f"the header has {len(found.header) - text.numbered:,} columns, at most {limits.max_columns:,} may be",
            "Remove some, or look for line breaks that were lost",
            found.line,
        )
    source = source or file_names.source(name, folder)
    return _Reading(text, name, source, found, header, workdir, max_bad_share, sha256).read()


def line_of(text: Text, record: Record) -> int | None:
    """Return where a record stands in the dropped file."""
    if not text.numbered:
        return record.line
    return int(record.cells[0]) if record.cells[0].isdecimal() else text.first


@dataclass
class _Reading:
    text: Text
    name: str
    source: str
    found: Found
    header: Record
    workdir: Path
    max_bad_share: float
    sha256: str
    tally: dict[str, int] = field(default_factory=dict)
    quarantined: list[QuarantinedRow] = field(default_factory=list)

    def read(self) -> Schedule:
        with connect(self.workdir) as self.database:
            query = self._query(self._grid())
            try:
                try:
                    return self._read(query)
                except duckdb.Error:
                    # Bad quotes, ragged rows, overlong lines: what duckdb refuses is read line by line.
                    if query.grid.numbered:
                        raise
                    return self._read(replace(query, grid=self._numbered()))
            except ScheduleRefused as refusal:
                # The report on a refusal says as much as is known.
                refusal.understood, refusal.quarantined = understanding.columns(query), tuple(self.quarantined)
                raise

    def _grid(self) -> Grid:
        plain = None
        whole = not self.found.profile.undated and self.found.profile.unpivot is None
        if whole and not self.text.numbered and not self._outline().shows:
            plain = layout.plain(self.text.path, self.header.line, self.found.delimiter)
        if plain is None:
            return self._numbered()
        self.tally["lines"] = plain.lines
        width = len(self.header.cells)
        return Grid(self.text.path, self.found.delimiter, self.header.line, width, False, plain.bare)

    def _outline(self) -> Outline:
        """Return where the outline shows, for a file in which no column says which rows sum up others."""
        outline = self.found.profile.outline
        if self.found.profile.unpivot is not None:
            return Outline()
        places: dict[str, int] = {}
        for place, cell in enumerate(self.header.cells[self.text.numbered :]):
            places.setdefault(normal(cell), place)
        if any(normal(header) in places for header in outline.unless):
            return Outline()
        level, numbers, indented = (
            [places[normal(header)] for header in listed if normal(header) in places]
            for listed in (outline.level, outline.number, outline.indented)
        )
        return Outline(next(iter(level), None), next(iter(numbers), None), tuple(indented))

    def _numbered(self) -> Grid:
        self.tally.clear()
        if self.text.network is not None:
            # The reader of XER and XML has joined the lines of each row and cleaned its cells.
            records = layout.lines(self.text.path) - 1
            return Grid(self.text.path, ",", 1, len(self.header.cells) - 1, True, True, True, records)
        target = self.workdir / "numbered.csv"
        return layout.number(
            self.text.path,
            self.found.delimiter,
            self.header,
            target,
            numbered=self.text.numbered,
            outline=self._outline(),
            groups=self._groups(),
        )

    def _groups(self) -> Groups | None:
        """Return the groups of cells of which the profile makes a row each."""
        unpivot = self.found.profile.unpivot
        if unpivot is None:
            return None
        header = [cell.strip() for cell in self.header.cells[self.text.numbered :]]
        places = {normal(cell): place for place, cell in reversed(list(enumerate(header)))}
        made = list(dict.fromkeys(name for group in unpivot.rows.values() for name in group))
        taken = {normal(unpivot.column), *map(normal, made)}
        taken |= {normal(source) for group in unpivot.rows.values() for source in group.values()}
        common = tuple(place for place, cell in enumerate(header) if normal(cell) not in taken)
        cells = {
            name: tuple(places[normal(group[new])] if new in group else None for new in made)
            for name, group in unpivot.rows.items()
        }
        return Groups((*(header[place] for place in common), unpivot.column, *made), common, cells)

    def _query(self, grid: Grid) -> Query:
        groups = self._groups()
        header = tuple(cell.strip() for cell in self.header.cells[self.text.numbered :])
        header = groups.header if groups is not None else header
        day = None if self.found.profile.undated else file_names.data_date(self.name)
        return Query(grid, self.found.profile, header, "YMD", day, self.source, self.sha256)

    def _without_marks(self, query: Query) -> Query:
        """Leave out columns that come from marks alone, such as Primavera's A, if no cell bears the mark."""
        names = [name for name in ("actual_start", "actual_finish") if query.has(name) and query.only_marked(name)]
        if not names:
            return query
        counts = ", ".join(f"count(text_{name})" for name in names)
        found = one_row(self.database.execute(f"SELECT {counts} FROM {query.checked()}"))
        absent = frozenset(name for name, count in zip(names, found, strict=True) if not count)
        return self._with_texts(replace(query, absent=query.absent | absent)) if absent else query

    def _with_texts(self, query: Query) -> Query:
        """Keep the texts of the cells of a small file in the database."""
        query = replace(query, kept="")
        if (query.grid.records or self.tally.get("lines", 0)) > KEPT:
            return query
        further = {} if query.profile.undated or self.text.network else network_text.cells(query)
        self.database.execute(f"CREATE OR REPLACE TABLE {TEXTS} AS {query.texts(query.numbered(), further)}")
        return replace(query, kept=TEXTS)

    def _read(self, query: Query) -> Schedule:
        query = self._with_order(self._without_marks(self._with_texts(query)))
        if "data_date" not in query.mapped and query.data_date is None and not query.profile.undated:
            query = replace(query, data_date=self._last_finish(query))
        if query.kept:
            self.database.execute(f"CREATE OR REPLACE TABLE {ROWS} AS SELECT * FROM {query.checked()}")
            query = replace(query, kept=ROWS)
        table = self.workdir / "table.parquet"
        small = query.grid.numbered or self.tally["lines"] <= SMALL
        accepted = self._materialise(query, table) if small else self._copy(query, query.checked(), GOOD, table)
        if accepted == self.tally.get("lines"):
            read, filtered, rejected, problems = accepted, 0, None, []
            bad = 0
        else:
            read, filtered, bad = self._count(query, "found" if small else None)
            if not query.grid.numbered and self.tally["lines"] != self.tally["records"]:
                return self._read(replace(query, grid=self._numbered()))
            if bad and bad == read - filtered and self._undated_column(query, bad):
                return self._read(replace(query, absent=query.absent | {"data_date"}))
            self._refuse_mostly_bad(query, read - filtered, bad)
            rejected, problems = self._reject(query) if bad else (None, [])
        again = self._repeated(table, query)
        if again:
            dropped, rejected, problems = self._drop_repeated(query, table, bad, read - filtered, rejected, problems)
            accepted -= dropped
            if query.profile.duplicates == "reject":
                bad += dropped
            else:
                filtered += dropped
        self._refuse_lost(query, table, {"accepted": accepted, "rejected": bad, "filtered": filtered}, read)
        if not accepted:
            raise self._nothing(read, filtered)
        data_date = self._data_date(query, table)
        baseline, gantt = understanding.baseline(self.database, table), understanding.gantt(self.database, table)
        baseline["unassigned"] = baseline["unassigned"] and self.text.kind != "xer"
        notes = [*self.text.notes, *self._notes(query)]
        lasting = tables.lasting_names(self.database, table, query)
        if gantt is not None:
            gantt["project"] = lasting.get(gantt["project"], gantt["project"])
        notes += tables.settle(self.database, table, query, assigned=self.text.kind != "xer")
        counts = {"read": read, "accepted": accepted, "rejected": bad, "filtered": filtered, **self._statuses(table)}
        links = self._network(query, table, lasting, notes)
        columns = understanding.planned(query, understanding.columns(query), baseline)
        understood: Understood = {
            "columns": understanding.with_values(self.database, table, columns),
            "not_read": understanding.not_read(query),
            "codes": understanding.used_codes(query),
            "codes_left": understanding.codes_left(query),
            "hints": query.hints,
            "left_out": understanding.left_out(self.database, query) if filtered else [],
            "baseline": baseline,
            "network": understanding.network(self.database, links),
            "gantt": gantt,
        }
        return Schedule(
            table=table,
            rejected=rejected,
            counts=counts,
            problems=problems,
            data_date=data_date,
            source=query.source,
            profile=query.profile,
            header=query.header,
            mapped=tuple(query.mapped),
            own_names=query.own_names,
            network=links,
            notes=tuple(notes),
            understood=understood,
            quarantined=tuple(self.quarantined),
        )

    def _refuse_lost(self, query: Query, table: Path, counts: dict[str, int], read: int) -> None:
        """Refuse a file whose records are not all in one count: what is lost or counted twice must not go unnoticed."""
        below = query.grid.records if query.grid.numbered else self.tally["lines"]
        records = self.tally.get("records", read)
        stored = one_row(self.database.execute("SELECT count(*) FROM read_parquet(?)", [str(table)]))[0]
        if below == records and sum(counts.values()) == read and stored == counts["accepted"]:
            return
        named = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        raise ScheduleRefused(
            self.name,
            f"the rows do not add up: {below:,} below the header, {records:,} read of which {records - read:,} are "
            f"blank, {named}, {stored:,} stored",
            "Save it as CSV UTF-8 and drop that; report the file as a fault of Slipcast",
            self.found.line,
        )

    def _network(self, query: Query, table: Path, lasting: dict[str, str], notes: list[str]) -> dict[str, Path]:
        """Return the tables of the network; a table of text has one if it has columns of relations."""
        folder = self.text.network
        if folder is None:
            folder = self.workdir / "network"
            if query.profile.undated or not network_text.write(self.database, query, folder, notes):
                return {}
        return network.tables(self.database, folder, table, query.source, lasting)

    def _undated_column(self, query: Query, rows: int) -> bool:
        """Return whether the column of the data date is empty in all rows: the file's name may give it."""
        if "data_date" not in query.mapped:
            return False
        found = self.database.execute(
            f"SELECT count(text_data_date) FROM {query.checked()} WHERE NOT blank AND NOT filtered"
        )
        return bool(one_row(found)[0] == 0 < rows)

    def _notes(self, query: Query) -> Iterator[str]:
        if self.found.above:
            yield f"not read: {self.found.above} line{'s' * (self.found.above > 1)} above the header"
        if query.profile.unpivot is not None and query.grid.records is not None:
            names = list(query.profile.unpivot.rows)
            lines = query.grid.records // len(names)
            yield f"{lines:,} lines became {query.grid.records:,} rows, one for each of {', '.join(names)}"[:500]
        if query.order in ("DMY", "MDY") and "order" not in self.tally:
            yield f"numeric dates read as {query.order}"
        if query.absent & {"actual_start", "actual_finish"}:
            yield (
                "no cell bears the mark A of an actual date: Activity Status alone says what has started and finished; "
                "export Actual Start and Actual Finish as well"
            )
        yield from query.hints
        used = query.used_codes
        if used:
            named = (
                f"{meaning.replace('_', ' ')} from {', '.join(map(_bare, headers))}"
                for meaning, headers in used.items()
            )
            yield f"activity codes: {'; '.join(named)}"[:500]
        if left := understanding.codes_left(query):
            yield f"activity codes not used: {', '.join(left)}; a profile may say what they mean (codes)"[:500]

    def _copy(self, query: Query, relation: str, where: str, target: Path) -> int:
        sql = f"COPY (SELECT {query.table()} FROM {relation} WHERE {where}) TO {literal(str(target))}"
        # A dataset version is sorted anyway; in the order of the file this takes a sixth longer. Line numbers need it.
        self.database.execute(f"SET preserve_insertion_order = {'row_number()' in relation}")
        try:
            return int(one_row(self.database.execute(f"{sql} (FORMAT parquet, COMPRESSION zstd)"))[0])
        finally:
            self.database.execute("SET preserve_insertion_order = true")

    def _materialise(self, query: Query, target: Path) -> int:
        """Write the accepted rows, and keep in the table ``found`` which are not: the cells are read once."""
        self.database.execute(
            f"CREATE OR REPLACE TEMP TABLE found AS SELECT {query.table()}, blank, filtered, bad FROM {query.checked()}"
        )
        written = self.database.execute(
            f"COPY (SELECT * EXCLUDE (blank, filtered, bad) FROM found WHERE {GOOD}) "
            f"TO {literal(str(target))} (FORMAT parquet, COMPRESSION zstd)"
        )
        return int(one_row(written)[0])

    def _count(self, query: Query, relation: str | None = None) -> tuple[int, int, int]:
        records, blank, filtered, bad = one_row(
            self.database.execute(
                "SELECT count(*), count(*) FILTER (blank), count(*) FILTER (filtered AND NOT blank), "
                f"count(*) FILTER (bad AND NOT blank AND NOT filtered) FROM {relation or query.checked()}"
            )
        )
        self.tally["records"] = records
        return records - blank, filtered, bad

    def _with_order(self, query: Query) -> Query:
        """Find the order of numeric dates in which most cells are dates."""
        dates = query.profile.dates
        if dates.order != "auto":
            return replace(query, order=dates.order)
        columns = [name for name in query.mapped if KINDS[name] == "date"]
        if "baseline_finish" not in columns and query.has("planned_finish"):
            columns.append("planned_finish")
        if not columns:
            return query
        relation = query.checked()
        # Each text once: columns of dates repeat them.
        every = ", ".join(f"text_{name}" for name in columns)
        names = ", ".join(map(literal, columns))
        dmy, mdy = (expressions.day("text", dates, order) for order in ("DMY", "MDY"))
        rows = self.database.execute(
            f"SELECT name, coalesce(sum(n) FILTER (dmy IS NULL AND mdy IS NOT NULL), 0)::BIGINT, "
            "coalesce(sum(n) FILTER (mdy IS NULL AND dmy IS NOT NULL), 0)::BIGINT, "
            f"coalesce(sum(n) FILTER (dmy <> mdy), 0)::BIGINT FROM (SELECT name, n, {dmy} AS dmy, {mdy} AS mdy FROM "
            f"(SELECT name, text, count(*) AS n FROM (SELECT unnest([{names}]) AS name, unnest([{every}]) AS text "
            f"FROM {relation} WHERE NOT filtered) WHERE text IS NOT NULL GROUP BY ALL)) GROUP BY ALL"
        ).fetchall()
        differing = {name: differ for name, _, _, differ in rows}
        not_dmy, not_mdy, differ = (sum(row[place] for row in rows) for place in (1, 2, 3))
        if not_dmy == not_mdy == differ == 0:
            self.tally["order"] = 0
            return replace(query, order="YMD" if not (dates.formats or dates.suffixes or dates.months) else "DMY")
        orders = {"DMY": not_dmy, "MDY": not_mdy}
        if not_dmy == not_mdy:
            orders["DMY"], orders["MDY"] = self._other_weekdays(relation, columns, dmy, mdy)
        if orders["DMY"] == orders["MDY"]:
            for order in orders:
                orders[order] = self._count(replace(query, order=order))[2]
        if orders["DMY"] == orders["MDY"]:
            column = max(columns, key=lambda name: differing.get(name, 0))
            raise ScheduleRefused(
                self.name,
                "the dates may be day/month or month/day, the file fits both",
                "Write dates year first, or write a profile with dates.order (docs/profiles.md)",
                self.found.line and self.found.line + 1,
                column,
            )
        return replace(query, order=min(orders, key=orders.__getitem__))

    def _other_weekdays(self, relation: str, columns: Sequence[str], dmy: str, mdy: str) -> tuple[int, int]:
        """Return how many texts of dates name another day of the week than theirs, read in one order and the other."""
        every = ", ".join(f"text_{name}" for name in columns)
        found = self.database.execute(
            f"SELECT text, isodow({dmy}), isodow({mdy}) FROM (SELECT DISTINCT unnest([{every}]) AS text "
            f"FROM {relation} WHERE NOT filtered) WHERE regexp_matches(text, '^[^\\d\\s]') AND {dmy} <> {mdy}"
        ).fetchall()
        named = [(expressions.weekday(text), first, second) for text, first, second in found]
        return (
            sum(day not in (None, first) for day, first, _ in named),
            sum(day not in (None, second) for day, _, second in named),
        )

    def _last_finish(self, query: Query) -> date:
        """A file in which everything is complete was written after the last finish; any other must say when."""
        last: date | None
        still_open, last = one_row(
            self.database.execute(
                "SELECT count(*) FILTER (actual_finish IS NULL), max(actual_finish) "
                f"FROM {query.checked()} WHERE NOT blank AND NOT filtered"
            )
        )
        if still_open or last is None:
            remedy = "Put the data date into its name, as in name_2025-06-30.csv, or into a column data_date"
            if self.text.kind in SCHEDULE_FIRST:
                remedy = f"{SCHEDULE_FIRST[self.text.kind]}, or put the data date into its name, as in name_2025-06-30"
            refusal = ScheduleRefused(
                self.name,
                "the file does not say which day it describes",
                remedy,
                self.found.line,
                "data_date",
            )
            mapping = query.profile.columns.get("data_date")
            refusal.missing = headers(mapping)[:1] if mapping else ()
            raise refusal
        return last

    def _refuse_mostly_bad(self, query: Query, rows: int, bad: int) -> None:
        if bad == 0 or (bad <= self.max_bad_share * rows and bad < rows):
            return
        if bad == rows:
            self._refuse_empty_column(query, rows)
        self.quarantined.clear()
        worst = [*self._bad_cells(query, f"ORDER BY line LIMIT {understanding.QUARANTINED}")]
        for cell in worst:
            self._show(query, cell)
        line, column, value, rule, _ = worst[0]
        raise self._mostly_bad(rows, bad, line, column, value, rule, self._all_bad(query))

    def _refuse_empty_column(self, query: Query, rows: int) -> None:
        """A schedule without a baseline is no file of bad rows: nothing can be late against nothing."""
        columns = [name for name in query.profile.required if name in query.mapped]
        counts = ", ".join(f"count(text_{name})" for name in columns) or "1"
        found = self.database.execute(f"SELECT {counts} FROM {query.checked()} WHERE NOT blank AND NOT filtered")
        for name, filled in zip(columns, one_row(found), strict=False):
            if not filled:
                remedy = self._filling(name, "Export it as well")
                if name == "baseline_finish":
                    remedy = "Assign a baseline in the scheduling tool and export its dates with the schedule"
                raise ScheduleRefused(self.name, f"it is empty in all {rows} rows", remedy, self.found.line, name)

    def _filling(self, column: str, otherwise: str) -> str:
        """Return what fills an empty column: nobody can fill in the dates of an export, the tool computes them."""
        return SCHEDULE_FIRST.get(self.text.kind, otherwise) if KINDS.get(column) == "date" else otherwise

    def _all_bad(self, query: Query) -> str:
        """Return every column with bad cells and how many of them there are by reason; empty if all are of one kind."""
        found = self.database.execute(
            f"SELECT problems, count(*) FROM {query.checked(query.numbered())} "
            "WHERE bad AND NOT blank AND NOT filtered GROUP BY problems"
        ).fetchall()
        tally: Counter[Rule] = Counter()
        for problems, count in found:
            tally.update({rule: count for position, rule in enumerate(query.rules) if problems >> position & 1})
        if len(tally) < 2:
            return ""
        said = [
            f"{query.own_names.get(rule.column, rule.column) or 'row'}: {cells:,} × {rule.reason}"
            # Of as many cells in the order of the rules: the database groups in any order.
            for rule, cells in sorted(tally.items(), key=lambda item: (-item[1], query.rules.index(item[0])))
        ]
        return f"; in all: {'; '.join(said)}"

    def _mostly_bad(
        self, rows: int, bad: int, line: int, column: str, value: Any, rule: Rule, others: str = ""
    ) -> ScheduleRefused:
        return ScheduleRefused(
            self.name,
            f"{bad} of {rows} rows are bad, at most {self.max_bad_share:.0%} may be; "
            f"the first: {_shown(value)!r} {rule.reason}{others}",
            self._filling(column, rule.remedy) if value is None else rule.remedy,
            line,
            column or None,
        )

    def _bad_cells(self, query: Query, tail: str = "ORDER BY line") -> Iterator[BadCell]:
        rules = query.rules
        texts = list(dict.fromkeys(["activity_id", "activity_name", *(rule.column for rule in rules if rule.column)]))
        shown = ", ".join(f'left("text_{name}", 201)' for name in texts)
        # Not a cursor: it would not see a table that is kept. Nothing else is asked until all rows are fetched.
        found = self.database.execute(
            f"SELECT line, problems, {shown} FROM {query.checked(query.numbered())} "
            f"WHERE bad AND NOT blank AND NOT filtered {tail}"
        )
        while rows := found.fetchmany(BATCH):
            for line, problems, *values in rows:
                cells = dict(zip(texts, values, strict=True))
                for position, rule in enumerate(rules):
                    if problems >> position & 1:
                        whose = _shown(cells["activity_id"]), _shown(cells["activity_name"])
                        yield line, rule.column, cells.get(rule.column), rule, whose

    def _show(self, query: Query, cell: BadCell) -> None:
        """Keep a bad cell for the report, if it is of one of the first rows."""
        line, column, value, rule, (activity_id, activity_name) = cell
        rows = self.quarantined
        if not rows or (rows[-1]["line"], rows[-1]["activity_id"]) != (line, activity_id):
            if len(rows) == understanding.QUARANTINED:
                return
            rows.append(
                {
                    "file": self.name,
                    "line": line,
                    "activity_id": activity_id,
                    "activity_name": activity_name,
                    "cells": [],
                }
            )
        rows[-1]["cells"].append(
            {
                "column": column,
                "header": query.own_names.get(column, column)[: understanding.MAX_TEXT],
                "value": _shown(value),
                "reason": rule.reason,
                "remedy": rule.remedy,
            }
        )

    def _reject(self, query: Query) -> tuple[Path, list[Problem]]:
        target = self.workdir / "rejected.csv"
        self.quarantined.clear()
        tally: Counter[Rule] = Counter()
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(REJECTED_COLUMNS)
            for cell in self._bad_cells(query):
                line, column, value, rule, _ = cell
                self._show(query, cell)
                tally[rule] += 1
                writer.writerow([line, column, neutral(_shown(value)), rule.reason, rule.remedy])
        return target, [_problem(rule, cells) for rule, cells in tally.most_common()]

    def _repeated(self, table: Path, query: Query) -> int:
        """Return how many rows repeat the key of another one.

        Keys are compared by their 64-bit hash: 10⁷ of them fit into memory, and with 10⁷ the odds that two different
        ones collide are 1 in 370,000; `_drop_repeated` compares the keys themselves.
        """
        keys = ", ".join(query.profile.key)
        repeated = self.database.execute(
            "SELECT coalesce(sum(n - 1), 0)::BIGINT FROM "
            f"(SELECT count(*) AS n FROM read_parquet(?) GROUP BY hash({keys}) HAVING n > 1)",
            [str(table)],
        )
        return int(one_row(repeated)[0])

    def _drop_repeated(
        self,
        query: Query,
        table: Path,
        bad: int,
        rows: int,
        rejected: Path | None,
        problems: list[Problem],
    ) -> tuple[int, Path | None, list[Problem]]:
        keys = ", ".join(query.profile.key)
        relation = query.checked(query.numbered())
        direction = "DESC" if query.profile.duplicates == "keep_last" else "ASC"
        accepted = f"read_parquet({literal(str(table))})"
        self.database.execute(
            "CREATE OR REPLACE TEMP TABLE repeated AS SELECT * FROM (SELECT line, activity_id, activity_name, "
            "first_value(line) OVER w AS kept, row_number() OVER w AS place "
            f"FROM {relation} WHERE {GOOD} AND hash({keys}) IN "
            f"(SELECT hash({keys}) FROM {accepted} GROUP BY ALL HAVING count(*) > 1)"
            f" WINDOW w AS (PARTITION BY {keys} ORDER BY line {direction})) WHERE place > 1"
        )
        dropped = one_row(self.database.execute("SELECT count(*) FROM repeated"))[0]
        if not dropped:
            return 0, rejected, problems
        if query.profile.duplicates == "reject":
            if bad + dropped > self.max_bad_share * rows:
                line, value, kept = one_row(
                    self.database.execute("SELECT line, activity_id, kept FROM repeated ORDER BY line LIMIT 1")
                )
                raise self._mostly_bad(rows, bad + dropped, line, "activity_id", value, _twice(kept))
            rejected = rejected or self.workdir / "rejected.csv"
            with rejected.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                if not bad:
                    writer.writerow(REJECTED_COLUMNS)
                found = self.database.execute(
                    "SELECT line, activity_id, activity_name, kept FROM repeated ORDER BY line"
                )
                while batch := found.fetchmany(BATCH):
                    for line, value, name, kept in batch:
                        rule = _twice(kept)
                        self._show(query, (line, rule.column, value, rule, (_shown(value), _shown(name))))
                        writer.writerow([line, rule.column, neutral(_shown(value)), rule.reason, rule.remedy])
            problems = [*problems, {**_problem(_twice(None), dropped), "reason": "stands in another line already"}]
        self._copy(
            query, relation, f"{GOOD} AND (line, activity_id) NOT IN (SELECT line, activity_id FROM repeated)", table
        )
        return dropped, rejected, problems

    def _nothing(self, read: int, filtered: int) -> ScheduleRefused:
        if read:
            rows = f"all {filtered} rows are" if filtered > 1 else "the only row is"
            reason = f"{rows} left out by the filters of profile {self.found.profile.name}"
            remedy = "Export activities, not only summaries and milestones, or change the filters of the profile"
            return ScheduleRefused(self.name, reason, remedy, self.found.line)
        return ScheduleRefused(
            self.name, "there are no activities below the header", "Export the schedule again", self.found.line
        )

    def _data_date(self, query: Query, table: Path) -> date | None:
        """Return the last data date; each project has one of its own."""
        last: date | None = one_row(self.database.execute("SELECT max(data_date) FROM read_parquet(?)", [str(table)]))[
            0
        ]
        mixed = self.database.execute(
            "SELECT project_id, max(data_date) FROM read_parquet(?) GROUP BY project_id "
            "HAVING min(data_date) <> max(data_date) ORDER BY project_id LIMIT 1",
            [str(table)],
        ).fetchone()
        if mixed is None:
            return last
        project, day = mixed
        line, value = one_row(
            self.database.execute(
                f"SELECT line, text_data_date FROM {query.checked(query.numbered())} WHERE {GOOD} "
                "AND project_id = ? AND data_date <> ? ORDER BY line LIMIT 1",
                [project, day],
            )
        )
        raise ScheduleRefused(
            self.name,
            f"one project has several data dates, among them {day} and {_shown(value)}",
            "Drop one file for each data date",
            line,
            "data_date",
        )

    def _statuses(self, table: Path) -> dict[str, int]:
        found = dict(
            self.database.execute(
                "SELECT status, count(*) FROM read_parquet(?) GROUP BY status", [str(table)]
            ).fetchall()
        )
        return {status: found.get(status, 0) for status in STATUSES}


def _bare(header: str) -> str:
    return header.removeprefix("code:")


def _twice(line: int | None) -> Rule:
    return Rule("activity_id", "", f"stands in line {line} already", "Give each activity an id of its own")


def _problem(rule: Rule, cells: int) -> Problem:
    return {"column": rule.column, "reason": rule.reason, "remedy": rule.remedy, "cells": cells}


def _shown(value: Any) -> str:
    return "" if value is None else str(value)[:200]


assert set(KINDS) > DURATIONS  # noqa: S101 - a renamed column must not silently lose its unit
