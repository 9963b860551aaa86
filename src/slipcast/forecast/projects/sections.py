"""Stored form of the projects of one update: parts of one object, each of which can be read alone.

Every part is JSON, packed by gzip by itself; the last one is the directory, which says where the others are. The whole
is a valid gzip file. A source with thousands of projects makes one object, and an answer about one project reads no
other.
Standard library only.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

# Parts of a project.
ROWS, DETAILS, HISTORY, NETWORK, FORECAST = "rows", "details", "history", "network", "forecast"

# Place of each part of each project in the object: offset and length in bytes.
type Directory = Mapping[str, Mapping[str, tuple[int, int]]]


class Packed(NamedTuple):
    """Projects of an update in stored form.

    Attributes
    ----------
    raw
        bytes of the object
    directory
        offset and length of the directory in it
    """

    raw: bytes
    directory: tuple[int, int]


def pack(projects: Iterable[tuple[str, Mapping[str, Any]]]) -> Packed:
    """Return projects, each by name with its parts, in stored form; equal parts give equal bytes."""
    whole = bytearray()
    places: dict[str, dict[str, tuple[int, int]]] = {}

    def add(part: Any) -> tuple[int, int]:
        begin = len(whole)
        whole.extend(pack_one(part))
        return begin, len(whole) - begin

    for name, parts in projects:
        places[name] = {section: add(part) for section, part in parts.items()}
    directory = add(places)
    return Packed(bytes(whole), directory)


def pack_one(part: Any) -> bytes:
    """Return one part in stored form."""
    return gzip.compress(encode(part), 6, mtime=0)


def unpack(raw: bytes) -> Any:
    """Return a part from its bytes."""
    return json.loads(gzip.decompress(raw))


def encode(document: Any) -> bytes:
    """Return a document as JSON without white space, in UTF-8."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
