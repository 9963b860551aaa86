"""Cells as delimited text, and damage to the text, its encoding and its bytes."""

import csv
import io
import random
import re
from collections.abc import Callable

from intake_fuzz.cells import Rows
from intake_fuzz.words import DELIMITERS, ENCODINGS, FORMULAS, QUOTES, WHITE


def written(rows: Rows, rng: random.Random) -> str:
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


def encoded(text: str, rng: random.Random) -> tuple[bytes, str]:
    codec = rng.choice(ENCODINGS)
    if codec == "mixed":
        place = rng.randrange(len(text) + 1)
        other = rng.choice(("cp1252", "cp1252", "utf-16"))
        return text[:place].encode("utf-8", "replace") + text[place:].encode(other, "replace"), codec
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
