"""Files that nobody would write on purpose, read one after the other.

``.venv/bin/python benchmarks/fuzz_intake.py --cases 10000 --seed 1`` mutates the examples: cells, columns, quotes,
line ends, encodings, bytes, archives, profiles. Each case must end in a dataset, with a quarantine that adds up, or in
a refusal with file, place and remedy. Prints how they ended; stops at the first that did not, and keeps its input.
"""

import argparse
import csv
import gzip
import io
import json
import os
import random
import re
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock
from xml.sax.saxutils import escape, quoteattr

import duckdb

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "layers" / "slipcast"))

from slipcast.ingest import layout, report  # noqa: E402 - the path is set above
from slipcast.ingest.profile import BUILT_IN, Profile, load_profile, normal  # noqa: E402
from slipcast.ingest.refusal import ScheduleRefused  # noqa: E402
from slipcast.ingest.schedule import REJECTED_COLUMNS, Schedule, read_schedule  # noqa: E402
from slipcast.spreadsheet import neutral  # noqa: E402

EXAMPLES = ROOT / "examples"
ROWS = 40
LONG = 10**6
KEPT = Path(tempfile.gettempdir()) / "slipcast-fuzz"
CHUNK = 50

# fmt: off
FORMULAS = (
    "=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", " =1+1", "\u00a0=1+1", "\uff1d1+1", "\uff0b1",
    "=",
    '=cmd|"/c calc"!A1', '=HYPERLINK("http://x","y")', "+cmd|'/C calc'!A0", '=DDE("cmd";"/c calc";"x")', "'=1+1", "-",
    "@",
    "\ufeff=1+1", "\u200b=1+1",
)
MARKUP = (
    "<script>alert(1)</script>", '"><svg onload=alert(1)>', "<b>", "&lt;", "&#61;1", "</td></table>", "<!--", "]]>",
    "<?x",
)
SQL = (
    "'; DROP TABLE t; --", "' OR 1=1 --", "\\'", "$$", "$1", "?", "{}", "%s", "c0", "NULL", "null", "/*", "''", "\\",
    "') UNION SELECT * FROM read_text('/etc/hostname')--", "NaN", "\\N", "\\0", "E'\\x00'",
)
NUMBERS = (
    "1e400", "-1e400", "nan", "inf", "-inf", "Infinity", "1e308", "1" * 400, "0x10", "1_000", "-0", "1,5", "1.2.3", "٣",
    "１２", "½", "1e15", "-1", "1e-320", "00", "+5", "5-", "1 000", "1'000", "$5", "%", "€", ".", ",", "²", "12d",
    "1ew",
    "-3 wks?", "1e5 days", "99999999999 mons", "3 ed", "e", "0.0", "true", "18446744073709551616", "5 ", "5\t",
)
DATES = (
    "0001-01-01", "9999-12-31", "2024-02-30", "epoch", "infinity", "-infinity", "today", "now", "0044-03-15 (BC)", "A",
    "2024-01-01 BC", "1969-12-31", "2101-01-01", "290000-12-31", "5877642-06-25", "2024-W10-1", "20240101", "45000",
    "2024-06-30T00:00:00Z", "31/12/2024", "12/31/2024", "01/02/03", "1/1/1", "2024-1-1", "2024-13-01", "2024/06/30",
    "Mon 05/05/25", "30 Feb 2024", "05-Jan-25 A", "05-Jän-25", "2024-06-30 25:61", "0000-00-00", "-2024-01-01",
    "1.1.1970",
    "24-06-30", "2024\u201306\u201330", "2024-06-30+05:30", "31.12.2024 08:00", "29-Feb-23", "2024-06-30 A*",
)
WHITE = (
    " ", "\u00a0", "\u3000", "\t", "\v", "\f", "\x1c", "\x85", "\u2028", "\u200b", "\ufeff", "\x1a", "\x7f", "\x01",
)
QUOTES = ('"', '""', '"""', 'a"b', '12" pipe', '"a', 'a"', '"a"b', '"a""', ' "a"', "'", "“a”", '",', '"\n', ',"')
BREAKS = ("a\nb", "a\r\nb", "a\rb", "\n", "\r", "a\n\nb", "a\n,b", "\n" * 250)
DELIMITERS = (",", ";", "\t", "|")
NAMES = (
    "upload.csv", "upload_2024-06-30.csv", "Upload 2025-06.csv", "x.txt", "x_2031-12-31.csv", "x", "x.xlsx", "x.xer",
    "x.mpp",
    "=cmd|' C calc'!A0 2024-06-30.csv", "<script>alert(1)</script>2024-06.csv", "'; DROP TABLE t; --_2024-06-30.csv",
    "../../x_2024-06-30.csv", "ünïcödé 2024-06-30.csv", "@x_2024-02-30.csv", "a" * 300, "\n2024-06-30.csv",
    "x_2024-06-30.csv.gz", "x_2024-06-30.csv.zip", "x_2024-06-30.xlsx", "x\t2024-06-30.csv",
)
ENCODINGS = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "utf-32", "cp1251", "utf-7",
    "shift_jis",
    "cp437", "mixed",
)
YAML = (
    "[", "{", "*a", "&a x", "!!python/object:os.system x", "!!binary x", "0x10", "1e400", ".nan", "2024-02-30", "~",
    "é",
    "İ",
    '"\\ud800"', '"\\0"', "? x", "|", ">", "- -", "null", "[[[[[[[[", "[" * 3000, "{a: [b, {c: d}]}", "no", "1_0", "''",
    "d",
    "(", "(?<x>a)", "\\", "%Q", "%Y-%m-%d %H:%M:%S.%f %z", "a{1000}", "(a{100}){100}", "x" * 5000, "{join: []}", "h",
    "25",
    "{join: [a], separator: \"'\"}", "{name: Start, matching: '('}", "{name: Start, count: true}", "[1, 2.5, x]",
    "[true]",
    "-1", "1e-300", "start", "activity_id", "budget", "YMD", "DMY", "keep_first", '"\\u2028"', '"\\n"', "<<: x",
    "!!set {a}",
    "2024-01-01", "12:30:45", "0o17", "[[a, b]]", "\u0000", "\ufffe", "\t", "'.*'", "'%d'", "'%Y'", "'\\b'",
)
# fmt: on


class Violation(AssertionError):
    """A case did not end as it must."""


@dataclass(frozen=True)
class Case:
    """What is dropped.

    Attributes
    ----------
    name, raw : of the file
    profile : YAML of the user's profile, None for the built-in ones
    max_bad_share : as `read_schedule` takes it
    steps : how it was made
    """

    name: str
    raw: bytes
    profile: str | None = None
    max_bad_share: float = 0.2
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seed:
    """A real file to begin with: its cells, or its bytes where it is no delimited text."""

    name: str
    rows: tuple[tuple[str, ...], ...] = ()
    raw: bytes = b""
    profile: str | None = None


@cache
def seeds() -> tuple[Seed, ...]:
    """Return the examples, cut to some rows."""
    exports = EXAMPLES / "exports"
    found = [_text_seed(EXAMPLES / "nyc_sca_2022-12.csv", (EXAMPLES / "nyc_sca_2022-12.csv").read_bytes())]
    for path in sorted(exports.glob("*")):
        if path.suffix == ".csv":
            found.append(_text_seed(path, path.read_bytes()))
        elif path.suffix == ".gz":
            found.append(_text_seed(path.with_suffix(""), gzip.decompress(path.read_bytes())))
        elif path.suffix == ".xer":
            found.append(Seed(path.name, raw=_short_xer(path.read_bytes())))
        elif path.suffix == ".xlsx":
            found.append(Seed(path.name, raw=path.read_bytes()))
    for path in sorted((exports / "custom").glob("*.yaml")):
        data = next(path.parent.glob(f"{path.stem}*.csv"))
        found.append(_text_seed(data, data.read_bytes(), path.read_text(encoding="utf-8")))
    return tuple(found)


def _text_seed(path: Path, raw: bytes, profile: str | None = None) -> Seed:
    text = decoded(raw)
    mark = max(DELIMITERS, key=text.splitlines()[0].count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    # Bands, milestones and mistakes stand further down.
    chosen = rows[: ROWS // 2] + rows[ROWS // 2 :: max(1, (len(rows) - ROWS // 2) // (ROWS // 2))]
    return Seed(path.name, tuple(tuple(row) for row in chosen), profile=profile)


def _short_xer(raw: bytes) -> bytes:
    kept, fields, codes = [], [], set()
    for line in raw.split(b"\n"):
        mark, *cells = line.rstrip(b"\r").split(b"\t")
        if mark == b"%F":
            fields, count = cells, 0
        if mark == b"%R":
            row = dict(zip(fields, cells, strict=False))
            code = row.get(b"task_code")
            if code is not None and len(codes) < ROWS // 2:
                codes.add(code)
            count += code is None
            if code not in codes and (code is not None or count > ROWS):
                continue
        kept.append(line)
    return b"\n".join(kept)


def decoded(raw: bytes) -> str | None:
    """Return text as its byte order mark or its bytes say, None for what is no text; independent of the intake."""
    for mark, codec in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if raw.startswith(mark):
            return raw.decode(codec, "replace")
    if b"\0" in raw:
        return None
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


# --- cells -----------------------------------------------------------------------------------------------------------

Rows = list[list[str]]


def _somewhere(rows: Rows, rng: random.Random) -> tuple[int, int] | None:
    row = rng.randrange(len(rows)) if rows else 0
    return (row, rng.randrange(len(rows[row]))) if rows and rows[row] else None


def _put(words: tuple[str, ...]) -> Callable[[Rows, random.Random], None]:
    def change(rows: Rows, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 1, 2, 5, 40))):
            if place := _somewhere(rows, rng):
                row, column = place
                word = rng.choice(words)
                old = rows[row][column]
                rows[row][column] = rng.choice((word, word, word, word + old, old + word))

    return change


def _fill_column(rows: Rows, rng: random.Random) -> None:
    if place := _somewhere(rows, rng):
        word = rng.choice((*NUMBERS, *DATES, *FORMULAS, ""))
        for row in rows[1:]:
            if place[1] < len(row):
                row[place[1]] = word


def _long_cell(rows: Rows, rng: random.Random) -> None:
    if place := _somewhere(rows, rng):
        character = rng.choice(('"', "x", "1", ",", " ", "é", "=", "\n", "- "))
        rows[place[0]][place[1]] = (character * LONG)[: rng.choice((LONG, 9_999, 10_000, 10_001, 200, 201, 140_000))]


def _by_column(change: Callable[[list[int], random.Random], list[int]]) -> Callable[[Rows, random.Random], None]:
    def apply(rows: Rows, rng: random.Random) -> None:
        width = max(map(len, rows), default=0)
        order = change(list(range(width)), rng)
        rows[:] = [[row[column] for column in order if column < len(row)] for row in rows]

    return apply


def _shuffled(columns: list[int], rng: random.Random) -> list[int]:
    return rng.sample(columns, len(columns))


def _doubled(columns: list[int], rng: random.Random) -> list[int]:
    return [*columns, rng.choice(columns)] if columns else []


def _dropped(columns: list[int], rng: random.Random) -> list[int]:
    return rng.sample(columns, len(columns) - 1) if columns else []


def _rename(rows: Rows, rng: random.Random) -> None:
    if not rows or not rows[0]:
        return
    for _ in range(rng.choice((1, 2, len(rows[0])))):
        column = rng.randrange(len(rows[0]))
        name = rows[0][column]
        changed = (
            *(name.upper(), name.replace("_", " "), name.replace(" ", "\n"), f" {name}\t", f"{name}*", f"\u00a0{name}"),
            *("", "x", rng.choice(rows[0]), rng.choice(FORMULAS), rng.choice(MARKUP), rng.choice(SQL), name + "\u200b"),
            *("İstart", "ﬁnish", name.title()),
        )
        rows[0][column] = rng.choice(changed)


def _swap_columns(rows: Rows, rng: random.Random) -> None:
    if rows and len(rows[0]) > 1:
        one, other = rng.sample(range(len(rows[0])), 2)
        for row in rows[1:]:
            if max(one, other) < len(row):
                row[one], row[other] = row[other], row[one]


def _repeat_rows(rows: Rows, rng: random.Random) -> None:
    if len(rows) > 1:
        rows += [list(row) for row in rng.choices(rows[1:], k=rng.choice((1, 3, 30)))]


def _ragged(rows: Rows, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 20))):
        if rows:
            row = rng.choice(rows)
            if rng.random() < 0.5:
                row += [rng.choice(("", "", " ", "x"))] * rng.choice((1, 2, 30))
            else:
                del row[rng.randrange(len(row) + 1) :]


def _blank_rows(rows: Rows, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 20))):
        width = len(rows[0]) if rows else 1
        blank = rng.choice(([], [""] * width, [" "] * width, ["\u00a0"] * width, [rng.choice(WHITE)] * width, [""]))
        rows.insert(rng.randrange(len(rows) + 1), list(blank))


def _fewer_rows(rows: Rows, rng: random.Random) -> None:
    del rows[rng.choice((0, 1, 1, 2, 3)) :]


def _title_above(rows: Rows, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 16))):
        rows.insert(0, rng.choice((["Report"], ["Report", "", "2024"], [""], ["x"] * 12, ["activity_id", "start"])))


def _header_again(rows: Rows, rng: random.Random) -> None:
    if rows:
        rows.insert(rng.randrange(1, len(rows) + 1), list(rows[0]))


CELLS: dict[str, Callable[[Rows, random.Random], None]] = {
    "formulas": _put(FORMULAS),
    "markup": _put(MARKUP),
    "sql": _put(SQL),
    "numbers": _put(NUMBERS),
    "dates": _put(DATES),
    "white": _put(WHITE),
    "quotes": _put(QUOTES),
    "breaks": _put(BREAKS),
    "fill_column": _fill_column,
    "long_cell": _long_cell,
    "shuffle_columns": _by_column(_shuffled),
    "double_column": _by_column(_doubled),
    "drop_column": _by_column(_dropped),
    "rename": _rename,
    "swap_columns": _swap_columns,
    "repeat_rows": _repeat_rows,
    "ragged": _ragged,
    "blank_rows": _blank_rows,
    "fewer_rows": _fewer_rows,
    "title_above": _title_above,
    "header_again": _header_again,
    "shuffle_rows": lambda rows, rng: rng.shuffle(rows),
}


# --- text, bytes, archives -------------------------------------------------------------------------------------------


def _written(rows: Rows, rng: random.Random) -> str:
    """Return cells as delimited text, well quoted or not at all."""
    mark, end = rng.choice((",", ",", *DELIMITERS)), rng.choice(("\n", "\n", "\r\n", "\r"))
    if rng.random() < 0.25:
        return end.join(mark.join(row) for row in rows) + end
    text = io.StringIO(newline="")
    quoting = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    csv.writer(text, delimiter=mark, lineterminator=end, quoting=quoting).writerows(rows)
    return text.getvalue()


def _insert(words: tuple[str, ...]) -> Callable[[str, random.Random], str]:
    def change(text: str, rng: random.Random) -> str:
        for _ in range(rng.choice((1, 1, 2, 10))):
            place = rng.randrange(len(text) + 1)
            if rng.random() < 0.3:
                place = max(text.rfind("\n", 0, place) + 1, 0)
            text = text[:place] + rng.choice(words) + text[place:]
        return text

    return change


def _mixed_ends(text: str, rng: random.Random) -> str:
    return re.sub(r"\r\n|\r|\n", lambda _: rng.choice(("\n", "\r\n", "\r", "\n\n", "\n\r")), text)


def _no_end(text: str, rng: random.Random) -> str:
    return text.rstrip("\r\n") + rng.choice(("", ",", " ", '"', "\n\n\n", "\x1a", ",,,,\n"))


def _other_delimiter(text: str, rng: random.Random) -> str:
    old, new = rng.sample(DELIMITERS, 2)
    lines = text.split("\n")
    chosen = set(rng.sample(range(len(lines)), rng.choice((1, len(lines)))))
    return "\n".join(line.replace(old, new) if number in chosen else line for number, line in enumerate(lines))


def _one_line(text: str, rng: random.Random) -> str:
    return text.replace("\n", rng.choice((" ", "", ",")))


TEXTS: dict[str, Callable[[str, random.Random], str]] = {
    "insert_quotes": _insert(QUOTES),
    "insert_breaks": _insert(("\n", "\r", "\r\n", "\n\n\n", "\v", "\f", "\x85")),
    "insert_white": _insert(WHITE),
    "insert_nul": _insert(("\0",)),
    "insert_delimiter": _insert(DELIMITERS),
    "insert_line": _insert(("sep=;\n", "# x\n", ",,,,,,,,,,,\n", "x\n", '"\n', ";\n")),
    "insert_formula": _insert(FORMULAS),
    "mixed_ends": _mixed_ends,
    "no_end": _no_end,
    "other_delimiter": _other_delimiter,
    "one_line": _one_line,
}


def _encoded(text: str, rng: random.Random) -> tuple[bytes, str]:
    codec = rng.choice(ENCODINGS)
    if codec == "mixed":
        place = rng.randrange(len(text) + 1)
        return text[:place].encode("utf-8", "replace") + text[place:].encode("cp1252", "replace"), codec
    return text.encode(codec, "replace"), codec


def _flip(raw: bytes, rng: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.choice((1, 1, 3, 30))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(raw: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(raw) + 1)
    return raw[:first] if rng.random() < 0.5 else raw[:first] + raw[rng.randrange(first, len(raw) + 1) :]


def _insert_bytes(raw: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(raw) + 1)
    return raw[:place] + rng.choice((b"\xff", b"\0", b"\xc3", b"\x81", b"\xef\xbb\xbf", rng.randbytes(5))) + raw[place:]


def _double_bytes(raw: bytes, rng: random.Random) -> bytes:
    first = rng.randrange(len(raw) + 1)
    return raw[: rng.randrange(first, len(raw) + 1)] + raw[first:]


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": _flip,
    "cut": _cut,
    "insert_bytes": _insert_bytes,
    "double_bytes": _double_bytes,
}


def zipped(*files: tuple[str, bytes]) -> bytes:
    """Return files as a zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def workbook(rows: Rows, sheet: str = "Sheet1") -> bytes:
    """Return cells as an xlsx workbook of text."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    allowed = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
    lines = ""
    for number, row in enumerate(rows, 1):
        cells = (f'<c t="inlineStr"><is><t>{escape(allowed.sub(" ", cell))}</t></is></c>' for cell in row)
        lines += f'<row r="{number}">{"".join(cells)}</row>'
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    return zipped(
        (
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/>'
            f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kinds}.worksheet+xml"/></Types>'.encode(),
        ),
        (
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/officeDocument" '
            f'Target="xl/workbook.xml"/></Relationships>'.encode(),
        ),
        (
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name={quoteattr(sheet)} sheetId="1" '
            f'r:id="r1"/></sheets></workbook>'.encode(),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{office}/worksheet" '
            f'Target="worksheets/sheet1.xml"/></Relationships>'.encode(),
        ),
        (
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{lines}</sheetData></worksheet>'.encode(),
        ),
    )


def _wrapped(raw: bytes, rng: random.Random) -> tuple[bytes, str]:
    how = rng.choice(("gzip", "gzip_twice", "zip", "zip_two", "zip_name", "gzip_members", "zip_deep"))
    if how.startswith("gzip"):
        packed = gzip.compress(raw, mtime=0)
        return {"gzip": packed, "gzip_twice": gzip.compress(packed), "gzip_members": packed + packed}[how], how
    files = {
        "zip": [("a.csv", raw)],
        "zip_two": [("a.csv", raw), ("b.csv", raw)],
        "zip_name": [(rng.choice(("=a.csv", "<b>.csv", "../a.csv", "a.exe", "a\\b.txt", "a.xer", ".csv")), raw)],
        "zip_deep": [("a.csv", zipped(("a.csv", raw)))],
    }[how]
    return zipped(*files), how


def mutated_profile(text: str, rng: random.Random) -> str:
    """Return a profile with lines and words changed."""
    lines = text.split("\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(lines))
        word = rng.choice((*YAML, *SQL, *FORMULAS, *MARKUP, *WHITE))
        match rng.randrange(9):
            case 0:
                lines[place] = ""
            case 1:
                lines.insert(place, rng.choice(lines))
            case 2:
                lines[place] = rng.choice(("", "  ", " ", "\t", "- ")) + lines[place].lstrip()
            case 3:
                lines.insert(place, f"{rng.choice(('x', 'missing', 'key', 'features', 'dates', 'filters'))}: {word}")
            case 4 | 5:
                head, colon, _ = lines[place].partition(":")
                lines[place] = f"{head}{colon} {word}"
            case 6:
                cut = rng.randrange(len(lines[place]) + 1)
                lines[place] = lines[place][:cut] + word + lines[place][cut:]
            case 7:
                words = re.findall(r"\w+", lines[place]) or ["x"]
                lines[place] = lines[place].replace(rng.choice(words), json.dumps(word))
            case 8:
                words = re.findall(r"[^\s,\[\]{}:]+", lines[place]) or ["x"]
                lines[place] = lines[place].replace(rng.choice(words), rng.choice(words) + word)
    return "\n".join(lines)


def make_case(rng: random.Random) -> Case:
    """Return a mutated example."""
    # Broken archives all end alike.
    seed = rng.choices(seeds(), [4 if seed.rows else 2 if seed.name.endswith(".xer") else 1 for seed in seeds()])[0]
    steps = [seed.name]
    name = seed.name if rng.random() < 0.7 else rng.choice(NAMES)
    raw = seed.raw
    if seed.rows:
        raw = _mutated_rows(seed, rng, steps)
    for _ in range(rng.choice((1, 1, 2)) if seed.raw else rng.choice((0, 0, 0, 1))):
        step = rng.choice(list(BYTES))
        raw = BYTES[step](raw, rng)
        steps.append(step)
    if rng.random() < 0.08:
        raw, step = _wrapped(raw, rng)
        steps.append(step)
        if rng.random() < 0.4:
            step = rng.choice(list(BYTES))
            raw = BYTES[step](raw, rng)
            steps.append(f"packed {step}")
    profile = seed.profile
    if rng.random() < 0.12:
        text = profile or (BUILT_IN / f"{_profile_name(seed)}.yaml").read_text(encoding="utf-8")
        profile = mutated_profile(text, rng)
        steps.append("profile")
    return Case(name, raw, profile, rng.choice((0.0, 0.2, 0.5, 1.0, 1.0)), tuple(steps))


def _profile_name(seed: Seed) -> str:
    for prefix in ("msproject", "paper", "canonical"):
        if seed.name.startswith(prefix):
            return prefix
    if seed.name.startswith("p6"):
        return "p6_xer" if seed.name.endswith(".xer") else "p6"
    if seed.name.startswith("schedule_management"):
        return "paper"
    return "nyc_sca" if "Project Phase Name" in seed.rows[0] else "canonical"


def _mutated_rows(seed: Seed, rng: random.Random, steps: list[str]) -> bytes:
    rows = [list(row) for row in seed.rows]
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        step = rng.choice(list(CELLS))
        CELLS[step](rows, rng)
        steps.append(step)
    if rng.random() < 0.04:
        steps.append("xlsx")
        return workbook(rows, rng.choice(("Sheet1", "TASK", "=1+1", "<b>")))
    text = _written(rows, rng)
    for _ in range(rng.choice((0, 0, 1, 2))):
        step = rng.choice(list(TEXTS))
        text = TEXTS[step](text, rng)
        steps.append(step)
    if rng.random() < 0.6:
        return text.encode("utf-8", "replace")
    raw, codec = _encoded(text, rng)
    steps.append(codec)
    return raw


# --- what must hold --------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """How a case ended: ``dataset``, ``dataset and quarantine``, ``refused``, or ``profile refused``; and why."""

    kind: str
    reason: str = ""
    schedule: Schedule | None = None
    refusal: ScheduleRefused | None = None


def demand(condition: object, message: str) -> None:
    """Raise Violation unless the condition holds."""
    if not condition:
        raise Violation(message)


def check(case: Case, *, thorough: bool = True) -> Outcome:
    """Read a case and raise Violation if anything that must hold does not.

    Parameters
    ----------
    thorough : whether to read it a second time, and a third time line by line
    """
    profile = None
    if case.profile is not None:
        try:
            profile = _quietly(lambda: load_profile(case.profile, "own.yaml"))
        except ScheduleRefused as refusal:
            _check_refusal(refusal, "own.yaml", len(case.profile) + 1)
            return Outcome("profile refused", reason_class(refusal.reason), refusal=refusal)
        demand(isinstance(profile, Profile), "load_profile returned no profile")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        text = _unpacked(case.raw)
        lines = _lines(text) if text is not None else None
        outcome = _read(case, profile, folder / "first")
        if outcome.refusal is not None:
            _check_refusal(outcome.refusal, case.name, lines and len(lines))
            _check_place(outcome.refusal, lines)
        else:
            _check_schedule(case, outcome.schedule, text, lines)
        if thorough:
            _check_again(case, profile, outcome, folder)
        outcome.schedule = None
        return outcome


def _quietly[T](run: Callable[[], T]) -> T:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return run()


def _read(case: Case, profile: Profile | None, folder: Path) -> Outcome:
    (folder / "work").mkdir(parents=True)
    dropped = folder / "dropped"
    dropped.write_bytes(case.raw)
    try:
        schedule = _quietly(
            lambda: read_schedule(
                dropped, case.name, profile=profile, workdir=folder / "work", max_bad_share=case.max_bad_share
            )
        )
    except ScheduleRefused as refusal:
        return Outcome("refused", reason_class(refusal.reason), refusal=refusal)
    kind = "dataset and quarantine" if schedule.rejected else "dataset"
    return Outcome(kind, schedule=schedule)


def _check_refusal(refusal: ScheduleRefused, file: str, lines: int | None) -> None:
    demand(refusal.file == file, f"the refusal is about {refusal.file!r}")
    demand(refusal.reason.strip() and refusal.remedy.strip(), f"no reason or no remedy: {refusal}")
    demand(refusal.row is None or refusal.row >= 1, f"row {refusal.row}")
    demand(refusal.row is None or lines is None or refusal.row <= lines, f"row {refusal.row} of {lines}: {refusal}")
    demand(refusal.column is None or refusal.column, "an empty column")
    demand(len(str(refusal)) < 3000, f"{len(str(refusal))} characters: {str(refusal)[:300]}")
    document = report.refused(file, refusal)
    json.dumps(document, allow_nan=False).encode()
    _check_page(report.page(document))


def _check_place(refusal: ScheduleRefused, lines: list[str] | None) -> None:
    if lines is None or refusal.row is None or any('"' in line for line in lines):
        return
    line = lines[refusal.row - 1]
    if found := re.match(r"the header names (.*) twice", refusal.reason, re.DOTALL):
        demand(normal(line).count(normal(found[1])) > 1, f"{found[1]!r} is not twice in line {refusal.row}: {line!r}")
    if found := re.search(r"rows are bad, .*; the first: '([\w.-]{1,50})' ", refusal.reason):
        demand(found[1] in line, f"{found[1]!r} is not in line {refusal.row}: {line[:300]!r}")


def _check_schedule(case: Case, schedule: Schedule, text: str | None, lines: list[str] | None) -> None:
    counts = schedule.counts
    total = counts["accepted"] + counts["rejected"] + counts["filtered"]
    demand(counts["read"] == total, f"{counts} do not add up")
    demand(min(counts.values()) >= 0 and counts["accepted"] > 0, f"{counts}")
    with duckdb.connect() as database:
        relation = database.execute("SELECT count(*) FROM read_parquet(?)", [str(schedule.table)])
        demand(relation.fetchone()[0] == counts["accepted"], f"the table does not hold {counts['accepted']} rows")
    cells = rejected_cells(schedule)
    distinct = {cell["line"] for cell in cells}
    demand(len(distinct) == counts["rejected"], f"{len(distinct)} lines in quarantine: {counts}")
    demand(sum(item["cells"] for item in schedule.problems) == len(cells), f"{len(cells)} cells: {schedule.problems}")
    for cell in cells:
        demand(all(neutral(cell[name]) == cell[name] for name in REJECTED_COLUMNS), f"{cell}")
        demand(cell["reason"] and cell["remedy"], f"{cell}")
        demand(int(cell["line"]) >= 1, f"{cell}")
    if lines is not None:
        last = max((int(cell["line"]) for cell in cells), default=0)
        demand(last <= len(lines), f"line {last} of {len(lines)}")
        demand(counts["read"] <= len(lines), f"{counts['read']} rows of {len(lines)} lines")
    if text is not None and not text.lstrip("\ufeff \t\r\n").startswith("ERMHDR"):
        _check_cells(schedule, text, lines, cells)
    document = report.accepted(
        schedule, file=case.name, labels=dict.fromkeys(("matured", "late", "open", "censored"), 0), changes=[]
    )
    json.dumps(document, allow_nan=False).encode()
    _check_page(report.page(document, cells[:50]))


def _check_cells(schedule: Schedule, text: str, lines: list[str], cells: list[dict[str, str]]) -> None:
    """Count rows, and look for rejected cells in the file itself, where its lines surely are its rows."""
    expected = expected_rows(schedule, text, lines)
    if expected is not None:
        demand(schedule.counts["read"] == expected, f"{expected} rows below the header: {schedule.counts}")
    if '"' in text:
        return
    for cell in cells:
        value = cell["value"].removeprefix("'")
        if re.fullmatch(r"[\w.-]{1,190}", value) and cell["column"] not in ("project_id", "activity_name"):
            demand(value in lines[int(cell["line"]) - 1], f"{cell} is not in its line")


def expected_rows(schedule: Schedule, text: str, lines: list[str]) -> int | None:
    """Return how many rows follow the header if Python's csv module can tell beyond doubt."""
    text = text.removeprefix("\ufeff")
    found = set()
    for mark in DELIMITERS:
        records = _strict(text, mark)
        if records is None:
            continue
        for place, record in enumerate(records[:30]):
            if tuple(cell.strip() for cell in record) == schedule.header:
                found.add((mark, place, sum(any(cell.strip() for cell in row) for row in records[place + 1 :])))
    # The same header twice, or with several delimiters: the count depends on a choice.
    return found.pop()[2] if len(found) == 1 else None


def _strict(text: str, mark: str) -> list[list[str]] | None:
    """Return the records; None where quotes are not as they should be or a record is longer than is read."""
    if '"' not in text:
        return [line.split(mark) for line in _lines(text)]
    reader, records, last = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True), [], 0
    try:
        for record in reader:
            if reader.line_num - last > layout.MAX_LINES_IN_RECORD // 2:
                return None
            last = reader.line_num
            records.append(record)
    except csv.Error:
        return None
    return records


def rejected_cells(schedule: Schedule) -> list[dict[str, str]]:
    """Return the quarantine."""
    if schedule.rejected is None:
        return []
    with schedule.rejected.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _check_again(case: Case, profile: Profile | None, first: Outcome, folder: Path) -> None:
    """The same bytes give the same bytes; line by line they give the same rows."""
    again = _read(case, profile, folder / "again")
    with mock.patch.object(layout, "plain", return_value=None):
        careful = _read(case, profile, folder / "careful")
    for other in (again, careful):
        demand(other.kind == first.kind, f"first {first.kind} ({first.refusal}), then {other.kind} ({other.refusal})")
    if first.schedule is None:
        demand(str(first.refusal) == str(again.refusal), f"first {first.refusal}, then {again.refusal}")
        demand(str(first.refusal) == str(careful.refusal), f"fast {first.refusal}, careful {careful.refusal}")
        return
    demand(first.schedule.table.read_bytes() == again.schedule.table.read_bytes(), "the tables are not the same bytes")
    demand(_comparable(first.schedule) == _comparable(again.schedule), "the schedules are not the same")
    for fast, slow in zip(_comparable(first.schedule), _comparable(careful.schedule), strict=True):
        demand(fast == slow, f"fast {str(fast)[:1500]}\ncareful {str(slow)[:1500]}")


def _comparable(schedule: Schedule) -> list[object]:
    return [
        schedule.counts,
        [list(cell.values()) for cell in rejected_cells(schedule)],
        sorted(repr(row) for row in schedule.rows()),
        schedule.problems,
        schedule.data_date,
        schedule.header,
        schedule.notes,
    ]


def _unpacked(raw: bytes) -> str | None:
    """Return the dropped text; None where it cannot be told what it is."""
    try:
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
        elif raw.startswith(b"PK"):
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                if len(archive.namelist()) != 1:
                    return None
                raw = archive.read(archive.namelist()[0])
    except Exception:
        return None
    return decoded(raw)


def _lines(text: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", text)


class _Page(HTMLParser):
    """Tags that the report has, all closed, and the text between two of them."""

    TAGS = frozenset(
        ["html", "meta", "title", "style", "body", "h1", "h2", "p", "span", "div", "b", "table", "tr", "th", "td"]
    )
    ATTRIBUTES = frozenset(["lang", "charset", "name", "content", "class"])

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = [""]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        demand(tag in self.TAGS, f"<{tag}> in the page")
        demand({name for name, _ in attrs} <= self.ATTRIBUTES, f"<{tag} {attrs}> in the page")
        if tag != "meta":
            self.open.append(tag)
        self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        demand(self.open and self.open.pop() == tag, f"</{tag}> closes nothing")
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts[-1] += data

    def handle_comment(self, data: str) -> None:
        raise Violation(f"a comment in the page: {data[:100]!r}")

    def handle_pi(self, data: str) -> None:
        raise Violation(f"an instruction in the page: {data[:100]!r}")

    def unknown_decl(self, data: str) -> None:
        raise Violation(f"a declaration in the page: {data[:100]!r}")


def _check_page(page: str) -> None:
    page.encode()
    parser = _Page()
    parser.feed(page)
    parser.close()
    demand(not parser.open, f"{parser.open} are not closed")
    for text in parser.texts:
        demand(neutral(text) == text or not text.strip(), f"a formula in the page: {text[:100]!r}")


CLASSES = (
    "no profile knows this header", "rows are bad", "equally well", "twice", "rows are left out", "no activities",
    "several data dates", "day/month or month/day", "which day it describes", "gzip file", "zip file", "workbook",
    "UTF-8", "UTF-16", "binary data", "is empty", "not YAML", "there is no header", "archive", "XER file", "table ",
    "the file is ", "cannot be used", "tell the outcome", "Extra inputs", "Input should", "more than",
)  # fmt: skip


def reason_class(reason: str) -> str:
    """Return the part of a reason that does not depend on the file."""
    return next((word.strip() for word in CLASSES if word in reason), re.sub(r"\d+", "N", reason)[:40])


# --- many cases ------------------------------------------------------------------------------------------------------


def case(seed: int, index: int) -> Case:
    """Return the case with this number, the same everywhere."""
    return make_case(random.Random(f"{seed}/{index}"))


@dataclass
class Tally:
    """Outcomes of many cases, and the first violation."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    failed: list[tuple[int, str]] = field(default_factory=list)


def run(seed: int, indices: range, *, thorough: int = 1, go_on: bool = False) -> Tally:
    """Check cases until one fails, or all; every `thorough`-th is read three times."""
    tally = Tally()
    unraisable: list[str] = []
    hook = sys.unraisablehook
    sys.unraisablehook = lambda found: unraisable.append(f"{found.exc_value!r} in {found.object!r}")
    try:
        for index in indices:
            begun = time.perf_counter()
            try:
                outcome = check(case(seed, index), thorough=index % thorough == 0)
                demand(not unraisable, f"{unraisable}")
                tally.outcomes[outcome.kind, outcome.reason] += 1
            except Exception:
                tally.failed.append((index, traceback.format_exc()))
                unraisable.clear()
                if not go_on:
                    break
            tally.slowest = max(tally.slowest, (time.perf_counter() - begun, index))
    finally:
        sys.unraisablehook = hook
    return tally


def keep(seed: int, index: int) -> Path:
    """Write the input of a case to a folder, and return that."""
    found, folder = case(seed, index), KEPT / f"{seed}-{index}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dropped").write_bytes(found.raw)
    if found.profile is not None:
        (folder / "profile.yaml").write_text(found.profile, encoding="utf-8", errors="surrogatepass")
    about = {"name": found.name, "steps": found.steps, "max_bad_share": found.max_bad_share}
    (folder / "case.json").write_text(json.dumps(about))
    return folder


def _chunks(cases: int) -> Iterator[range]:
    for first in range(0, cases, CHUNK):
        yield range(first, min(first + CHUNK, cases))


def main() -> int:
    """Run the cases and print how they ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="number of the one case to run")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--thorough", type=int, default=1, help="read every n-th case three times and compare")
    parser.add_argument("--go-on", action="store_true", help="do not stop at a violation")
    options = parser.parse_args()
    if options.only is not None:
        print(keep(options.seed, options.only), case(options.seed, options.only).steps)
        print(check(case(options.seed, options.only)))
        return 0
    begun, total = time.perf_counter(), Tally()
    with ProcessPoolExecutor(options.processes) as pool:
        jobs = [
            pool.submit(run, options.seed, chunk, thorough=options.thorough, go_on=options.go_on)
            for chunk in _chunks(options.cases)
        ]
        for job in jobs:
            tally = job.result()
            total.outcomes += tally.outcomes
            total.slowest = max(total.slowest, tally.slowest)
            total.failed += tally.failed
            for index, trace in tally.failed:
                print(f"{trace}\nseed {options.seed}, case {index}: kept in {keep(options.seed, index)}", flush=True)
            if tally.failed and not options.go_on:
                pool.shutdown(cancel_futures=True)
                break
    _print(total, f"seed {options.seed}, {time.perf_counter() - begun:.0f} s")
    return bool(total.failed)


def _print(tally: Tally, about: str) -> None:
    kinds: Counter[str] = Counter()
    for (kind, _), count in tally.outcomes.items():
        kinds[kind] += count
    for kind, count in kinds.most_common():
        print(f"{count:>7,} {kind}")
        for (owner, reason), part in tally.outcomes.most_common():
            if owner == kind and reason:
                print(f"{part:>15,} {reason}")
    seconds, index = tally.slowest
    print(
        f"{kinds.total():,} cases, {about}, the slowest {seconds:.1f} s (case {index}); {len(tally.failed)} violations"
    )


if __name__ == "__main__":
    sys.exit(main())
