"""Real exports, damaged at random, and what must hold whatever becomes of them."""

import csv
import gzip
import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from slipcast.ingest import report
from slipcast.ingest.formats import Limits
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.ingest.schedule import Schedule, read_schedule
from slipcast.spreadsheet import FORMULA

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =HYPERLINK(1)",
    "<script>alert(1)</script>",
)
ODD_CELLS = (
    *(
        "",
        " ",
        "NA",
        "nan",
        "inf",
        "-1",
        "1e400",
        "1_000",
        "0001-01-01",
        "9999-12-31",
        "2024-02-30",
        "epoch",
        "infinity",
    ),
    *("'; DROP TABLE t; --", '"', '""', 'a"b', "a\nb", "a\rb", "\u00a0x\u00a0", "０", "💥", "x" * 20_000, "31.12.2025"),
)


def seeds() -> list[tuple[str, bytes]]:
    """Return names and bytes of the files to damage, each cut to a size that is read in milliseconds."""
    found = [("nyc_sca_2022-12.csv", _head((EXAMPLES / "nyc_sca_2022-12.csv").read_bytes(), 60))]
    for path in sorted((EXAMPLES / "exports").iterdir()):
        if path.suffix == ".csv":
            found.append((path.name, _head(path.read_bytes(), 60)))
        elif path.name.endswith(".csv.gz"):
            found.append((path.name.removesuffix(".gz"), _head(gzip.decompress(path.read_bytes()), 60)))
        elif path.suffix in (".xlsx", ".xer"):
            found.append((path.name, path.read_bytes()))
    return found


def _head(raw: bytes, lines: int) -> bytes:
    newline = b"\n\0" if raw.startswith(b"\xff\xfe") else b"\n"
    return newline.join(raw.split(newline)[:lines]) + newline


def mutate(raw: bytes, dice: random.Random) -> bytes:
    """Return `raw` with up to three damages."""
    for _ in range(dice.randint(1, 3)):
        raw = dice.choice(MUTATIONS)(raw, dice)
    return raw


def _rows(change: Callable[[list[list[str]], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    """A damage to the cells of a text; to what is no text nothing happens."""

    def mutation(raw: bytes, dice: random.Random) -> bytes:
        if raw.startswith((b"PK", b"ERMHDR", b"\xff\xfe")):
            return raw
        text = raw.decode("utf-8", errors="replace")
        delimiter = max(",;\t|", key=text.split("\n", 1)[0].count)
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter)) if '"' in text else None
        rows = rows or [line.split(delimiter) for line in text.splitlines()]
        rows = [row for row in rows if row] or [[""]]
        change(rows, dice)
        out = "\n".join(delimiter.join(_quoted(cell, delimiter) for cell in row) for row in rows)
        return out.encode("utf-8", errors="replace") + b"\n"

    return mutation


def _quoted(cell: str, delimiter: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in (delimiter, '"', "\n", "\r")) else cell


def _shuffle_columns(rows: list[list[str]], dice: random.Random) -> None:
    order = list(range(len(rows[0])))
    dice.shuffle(order)
    for row in rows:
        row[:] = [row[index] if index < len(row) else "" for index in order]


def _repeat_header(rows: list[list[str]], dice: random.Random) -> None:
    rows[0][dice.randrange(len(rows[0]))] = dice.choice(rows[0])


def _odd_cells(rows: list[list[str]], dice: random.Random) -> None:
    for _ in range(dice.randint(1, 8)):
        row = dice.choice(rows[1:] or rows)
        row[dice.randrange(len(row))] = dice.choice((*FORMULAS, *ODD_CELLS))


def _long_cell(rows: list[list[str]], dice: random.Random) -> None:
    row = dice.choice(rows[1:] or rows)
    row[dice.randrange(len(row))] = dice.choice("x =ü") * 1_000_000


def _ragged(rows: list[list[str]], dice: random.Random) -> None:
    row = dice.choice(rows)
    row[:] = row[:-1] if dice.random() < 0.5 else [*row, "more"]


def _repeat_rows(rows: list[list[str]], dice: random.Random) -> None:
    rows.insert(dice.randrange(len(rows)), list(dice.choice(rows)))


def _cut(raw: bytes, dice: random.Random) -> bytes:
    return raw[: dice.randrange(len(raw) + 1)]


def _bytes(raw: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(raw) + 1)
    noise = dice.choice(
        [b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\xe4", b"\xc3", b",,", dice.randbytes(8)]
    )
    return raw[:place] + noise + raw[place + dice.choice([0, len(noise)]) :]


def _mixed_encodings(raw: bytes, dice: random.Random) -> bytes:
    half = len(raw) // 2
    return raw[:half] + raw[half:].decode("utf-8", errors="replace").encode(
        dice.choice(["utf-16", "cp1252", "utf-8"]), "replace"
    )


def _line_ends(raw: bytes, dice: random.Random) -> bytes:
    return b"".join(line + dice.choice([b"\n", b"\r\n", b"\r", b"\n\n"]) for line in raw.split(b"\n"))


def _packed(raw: bytes, dice: random.Random) -> bytes:
    packed = gzip.compress(raw, mtime=0)
    return packed if dice.random() < 0.5 else _bytes(packed, dice)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_rows(change) for change in (_shuffle_columns, _repeat_header, _odd_cells, _odd_cells, _long_cell, _ragged)),
    *(_rows(_repeat_rows), _cut, _bytes, _bytes, _mixed_encodings, _line_ends, _packed),
)


def check(name: str, raw: bytes, *, max_bad_share: float) -> str:
    """Read a file and assert what must hold; return what became of it: ``whole``, ``part`` or ``refused``."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        path, workdir = Path(folder, "dropped"), Path(folder, "work")
        path.write_bytes(raw)
        workdir.mkdir()
        schedule = _read(path, name, workdir, max_bad_share)
        if isinstance(schedule, ScheduleRefused):
            assert schedule.file
            assert schedule.reason
            assert schedule.remedy
            assert schedule.row is None or schedule.row >= 1
            assert "<script>" not in report.page(report.refused(name, schedule))
            return "refused"
        counts = schedule.counts
        assert counts["read"] == counts["accepted"] + counts["rejected"] + counts["filtered"]
        assert len(schedule.rows()) == counts["accepted"] > 0
        rejected: list[dict[str, str]] = []
        if schedule.rejected is not None:
            with schedule.rejected.open(encoding="utf-8", newline="") as lines:
                rejected = list(csv.DictReader(lines))
        assert len({cell["line"] for cell in rejected}) == counts["rejected"]
        for cell in rejected:
            assert int(cell["line"]) >= 1
            assert cell["reason"]
            assert cell["remedy"]
            assert not cell["value"].lstrip(" ").startswith(FORMULA)
        labels = {"matured": 0, "late": 0, "open": 0, "censored": 0}
        page = report.page(report.accepted(schedule, file=name, labels=labels, changes=[]), rejected)
        assert "<script>" not in page
        return "part" if counts["rejected"] else "whole"


def _read(path: Path, name: str, workdir: Path, max_bad_share: float) -> Schedule | ScheduleRefused:
    limits = Limits(max_bytes=50_000_000)
    try:
        return read_schedule(path, name, workdir=workdir, max_bad_share=max_bad_share, limits=limits)
    except ScheduleRefused as refusal:
        return refusal
