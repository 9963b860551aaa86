"""Objects of a search: what its steps leave for each other, wherever they run."""

import hashlib
from typing import Protocol

from slipcast.contracts import Reference


class Store(Protocol):
    """Bytes by name: a folder of a bucket for the pipeline, memory for a training in one process."""

    def put(self, name: str, raw: bytes) -> Reference:
        """Store `raw` under `name` and return where it is, with its digest."""
        ...

    def get(self, uri: str, sha256: str | None = None) -> bytes:
        """Return the bytes at `uri`; with `sha256`, only if they have that digest."""
        ...


class Memory:
    """Store of one process."""

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}

    def put(self, name: str, raw: bytes) -> Reference:
        """Keep `raw`; its name is its address."""
        self._bytes[name] = raw
        return {"uri": name, "sha256": hashlib.sha256(raw).hexdigest()}

    def get(self, uri: str, sha256: str | None = None) -> bytes:
        """Return the bytes of that name, which this process made itself: digests are not compared."""
        return self._bytes[uri]
