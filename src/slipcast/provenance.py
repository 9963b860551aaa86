"""Provenance of a model: code and packages as digests, to compare two executions."""

import hashlib
import platform
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path

import slipcast


@cache
def provenance() -> dict[str, str]:
    """Return the provenance of this process.

    Returns
    -------
    dict[str, str]
        - ``code_version``: version of slipcast, ``+`` and the first 12 hex digits of the SHA-256 of its source files.
        - ``lock_sha256``: SHA-256 of the lines ``name==version`` of all packages that can be imported, sorted.
        - ``python``, ``scikit_learn``: versions.
    """
    installed = sorted({f"{found.name.lower()}=={found.version}" for found in distributions() if found.name})
    return {
        "code_version": code_version(),
        "lock_sha256": hashlib.sha256("\n".join(installed).encode()).hexdigest(),
        "python": platform.python_version(),
        "scikit_learn": version("scikit-learn"),
    }


def source_digest(folder: Path) -> str:
    """Return the SHA-256 of names and contents of Python, JSON and YAML files below `folder`, in the order of names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in {".py", ".json", ".yaml"}):
        raw = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(raw)}\0".encode())
        digest.update(raw)
    return digest.hexdigest()


@cache
def code_version() -> str:
    """Return the version of this package with the digest of its source, e.g. ``0.1.0+3f2a…``."""
    return f"{slipcast.__version__}+{source_digest(Path(slipcast.__file__).parent)[:12]}"
