"""Activity codes by meaning: which of a file's code types say phase, work type and location."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import yaml

from slipcast.ingest.mapping.profile import normal

MEANINGS = ("phase", "work_type", "location")
# In the place of a header in a profile: every column with an activity code of the meaning.
BY_MEANING = "code:*"
# What P6 and people add to the name of a type.
_FILLING = frozenset({"code", "codes", "actv", "activity", "id", "name", "no", "nr", "desc", "description", "global"})


@cache
def _built_in() -> dict[str, tuple[tuple[str, ...], ...]]:
    document = yaml.safe_load(Path(__file__).with_name("codes.yaml").read_text(encoding="utf-8"))
    return {name: _words(item for row in rows for item in row) for name, rows in document.items()}


def _words(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(dict.fromkeys(tuple(_singular(word) for word in normal(name).split()) for name in names))


def _singular(word: str) -> str:
    return word.removesuffix("s") if len(word) > 4 and word.isascii() else word


def is_code(header: str) -> bool:
    """Return whether a column holds an activity code by its name: of the XER reader, or of P6's spreadsheet export."""
    name = normal(header)
    return header.startswith("code:") or (name.startswith("actv code ") and name.endswith(" id"))


def by_meaning(
    headers: Iterable[str], known: frozenset[str], own: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Return for phase, work type and location the columns that say it, the best first.

    Parameters
    ----------
    headers
        Of the file.
    known
        Headers, as `normal` writes them, that the profile names: these keep their meaning there.
    own
        Further names of types by meaning, from a profile; they count before the built-in ones.
    """
    found: dict[str, list[tuple[int, int, str]]] = {meaning: [] for meaning in MEANINGS}
    for place, header in enumerate(headers):
        if not header or normal(header) in known:
            continue
        meaning, rank = _meaning(header, own)
        if meaning is not None:
            found[meaning].append((rank, place, header))
    return {meaning: tuple(header for _, _, header in sorted(columns)) for meaning, columns in found.items()}


def _meaning(header: str, own: Mapping[str, Iterable[str]]) -> tuple[str | None, int]:
    words = tuple(_singular(word) for word in normal(header).split() if word not in _FILLING)
    code = is_code(header)
    if not words or any(len(word) == 1 and word[0] in words for word in _built_in()["not"]):
        return None, 0
    best: tuple[int, str] | None = None
    for meaning in MEANINGS:
        names = (*_words(own.get(meaning, ())), *_built_in()[meaning])
        for rank, name in enumerate(names):
            if name == words:
                best = min(filter(None, (best, (rank, meaning))))
            # Only where the column surely is a code: "Work area manager" of a table is none.
            elif code and any(words[place : place + len(name)] == name for place in range(len(words))):
                best = min(filter(None, (best, (1000 + rank, meaning))))
    return (None, 0) if best is None else (best[1], best[0])
