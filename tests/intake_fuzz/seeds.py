"""The files to begin with: the examples, cut to a size that is read in milliseconds."""

import csv
import gzip
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from intake_fuzz.words import DELIMITERS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROWS = 40


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
        elif path.suffix in (".xlsx", ".xml"):
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
