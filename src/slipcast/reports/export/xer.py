"""Forecasts as user-defined fields in an XER file of Primavera P6. Standard library only.

A field is a row of UDFTYPE, a value a row of UDFVALUE (Oracle, "XER Import/Export Data Map Guide", P6 Professional).
All other bytes of the file stay as they are: rows of fields that an earlier export has written are replaced, everything
else is only read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from slipcast.reports.export.fields import DAYS_LATE, P50, P80, PROBABILITY, Forecast, NotTheFileError, values

# Data type of each field in P6.
TYPES = {PROBABILITY: "FT_FLOAT_2_DECIMALS", P50: "FT_END_DATE", P80: "FT_END_DATE", DAYS_LATE: "FT_INT"}
TYPE_FIELDS = (
    *("udf_type_id", "table_name", "udf_type_name", "udf_type_label", "logical_data_type", "super_flag"),
    *("indicator_expression", "summary_indicator_expression"),
)
VALUE_FIELDS = ("udf_type_id", "fk_id", "proj_id", "udf_date", "udf_number", "udf_text", "udf_code_id")
_ENCODINGS = ("utf-8", "cp1252", "latin-1")


@dataclass
class _Table:
    """A table of the file: fields, and for each row the number of its line and its values."""

    fields: list[str]
    line: int
    rows: list[tuple[int, list[str]]] = field(default_factory=list)

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the rows by field; a row may end early."""
        for number, row in self.rows:
            yield number, dict(zip(self.fields, [*row, *[""] * (len(self.fields) - len(row))], strict=False))


def write(raw: bytes, found: Mapping[str, Forecast], project: str) -> bytes:
    """Return an XER file with the forecasts of its open activities.

    Parameters
    ----------
    raw
        the file
    found
        forecasts by activity
    project
        name of the project, for messages

    Raises
    ------
    NotTheFileError
        If it is no XER file, or has none of the activities.
    """
    if not raw.startswith(b"ERMHDR\t"):
        raise NotTheFileError("the file is no XER file: export the project from P6 as XER")
    encoding = next(name for name in _ENCODINGS if _decodes(raw, name))
    end = b"\r\n" if b"\r\n" in raw[:4096] else b"\n"
    # Split at line feeds alone: a carriage return before one stays in its line, and so does any other.
    lines = raw.split(b"\n")
    tables = _tables(lines, encoding)
    if "TASK" not in tables:
        raise NotTheFileError("the XER file has no activities")
    tasks = [
        (record["task_id"], record.get("proj_id", ""), found[code])
        for _, record in tables["TASK"].records()
        if (code := record.get("task_code", "").strip()) in found and _live(record, tables)
    ]
    if not tasks:
        raise NotTheFileError(f"the XER file has none of the open activities of {project}")
    types, new_types, gone = _types(tables)
    written = [
        {"udf_type_id": types[title], "fk_id": task, "proj_id": owner, **_cell(title, value)}
        for task, owner, forecast in tasks
        for title, value in values(forecast)
    ]
    after: dict[int, list[str]] = {}
    first = tables.get("PROJECT", tables["TASK"]).line
    _add(after, tables.get("UDFTYPE"), "UDFTYPE", TYPE_FIELDS, new_types, first)
    last = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].strip() == b"%E"), len(lines) - 1)
    _add(after, tables.get("UDFVALUE"), "UDFVALUE", VALUE_FIELDS, written, last)
    whole = []
    for number, line in enumerate(lines):
        whole += [] if number in gone else [line]
        whole += [text.encode(encoding) + end[:-1] for text in after.get(number, ())]
    return b"\n".join(whole)


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _tables(lines: list[bytes], encoding: str) -> dict[str, _Table]:
    tables: dict[str, _Table] = {}
    name = ""
    for number, line in enumerate(lines):
        mark, _, rest = line.rstrip(b"\r").decode(encoding).partition("\t")
        if mark == "%T":
            name = rest.strip()
        elif mark == "%F":
            tables[name] = _Table(rest.split("\t"), number)
        elif mark == "%R" and name in tables:
            tables[name].rows.append((number, rest.split("\t")))
    for found in tables.values():
        # The line before its fields names the table.
        found.line -= 1
    return tables


def _live(record: Mapping[str, str], tables: Mapping[str, _Table]) -> bool:
    """Return whether an activity is of a project that the file is about, and not of a baseline that it brings along."""
    projects = [row for _, row in tables["PROJECT"].records()] if "PROJECT" in tables else []
    baselines = {row.get("sum_base_proj_id") for row in projects} | {
        row.get("proj_id") for row in projects if row.get("orig_proj_id")
    }
    return record.get("proj_id") not in baselines - {"", None}


def _types(tables: Mapping[str, _Table]) -> tuple[dict[str, str], list[dict[str, str]], set[int]]:
    """Return the identifier of each field, rows for those that are new, and the lines of values that are replaced."""
    known = [row for _, row in tables["UDFTYPE"].records()] if "UDFTYPE" in tables else []
    labels = {row.get("udf_type_label"): row["udf_type_id"] for row in known if row.get("table_name") == "TASK"}
    highest = max((int(row["udf_type_id"]) for row in known if row["udf_type_id"].isdecimal()), default=0)
    types: dict[str, str] = {}
    new = []
    for title, kind in TYPES.items():
        if title in labels:
            types[title] = labels[title]
            continue
        highest += 1
        types[title] = str(highest)
        new.append(
            {
                "udf_type_id": str(highest),
                "table_name": "TASK",
                "udf_type_name": f"user_field_{highest}",
                "udf_type_label": title,
                "logical_data_type": kind,
                "super_flag": "N",
            }
        )
    own = set(types.values())
    rows = tables["UDFVALUE"].records() if "UDFVALUE" in tables else ()
    return types, new, {number for number, row in rows if row.get("udf_type_id") in own}


def _cell(title: str, value: float | int | str) -> dict[str, str]:
    if title in (P50, P80):
        return {"udf_date": f"{value} 17:00"}
    return {"udf_number": f"{value:.4f}" if title == PROBABILITY else str(value)}


def _add(
    after: dict[int, list[str]],
    table: _Table | None,
    name: str,
    fields: tuple[str, ...],
    rows: list[dict[str, str]],
    before: int,
) -> None:
    """Note the lines of a table's new rows: after its last row, or as a new table that ends before a line."""
    if not rows:
        return
    columns = list(fields) if table is None else table.fields
    added = ["\t".join(["%R", *(row.get(column, "") for column in columns)]) for row in rows]
    if table is None:
        place = before - 1
        added = [f"%T\t{name}", "\t".join(["%F", *columns]), *added]
    else:
        place = max([table.line + 1, *(number for number, _ in table.rows)])
    after.setdefault(place, []).extend(added)
