"""Portable bundle of a release, from a stack's bucket, a zip file or an unpacked folder."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from slipcast.edge import portable


class PortError(RuntimeError):
    """Nothing can be written; the message says why and what to do."""


class Bundle(NamedTuple):
    """Files of a bundle by path, and its ``release.json``."""

    files: dict[str, bytes]
    release: dict[str, Any]


def of_folder(folder: Path) -> Bundle:
    """Return the bundle that was unpacked, or trained, into `folder`.

    Raises
    ------
    PortError
        If it is none, or a file differs from the published one.
    """
    sums = folder / portable.SUMS
    if not sums.is_file():
        raise PortError(f"{folder} is no portable bundle: it has no {portable.SUMS}; unpack one there")
    names = [line.partition("  ")[2] for line in sums.read_text(encoding="ascii").splitlines()]
    return _checked(
        {name: (folder / name).read_bytes() for name in (*names, portable.SUMS) if (folder / name).is_file()}
    )


def of_zip(raw: bytes) -> Bundle:
    """Return the bundle in a zip file.

    Raises
    ------
    PortError
        If it is none, or a file differs from the published one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            return _checked({name.partition("/")[2]: packed.read(name) for name in packed.namelist()})
    except (zipfile.BadZipFile, KeyError) as error:
        raise PortError(f"the file is no portable bundle: {error}; take the one of portable/<version>/") from error


def of_stack(bucket: str, version: str) -> Bundle:
    """Return the bundle of a release of a stack.

    Raises
    ------
    PortError
        If the version left none.
    """
    from slipcast_aws import storage

    record = f"s3://{bucket}/portable/{version}/portable.json"
    if not storage.exists(record):
        raise PortError(f"version {version} left no portable bundle at {record}; releases since this version leave one")
    found = storage.read_json(record)
    return of_zip(storage.read_bytes(found["bundle_uri"], sha256=found["sha256"]))


def _checked(files: Mapping[str, bytes]) -> Bundle:
    for line in files[portable.SUMS].decode("ascii").splitlines():
        digest, _, name = line.partition("  ")
        if hashlib.sha256(files.get(name, b"")).hexdigest() != digest:
            raise PortError(f"{name} is not the published file; fetch the bundle again")
    return Bundle(dict(files), json.loads(files[portable.RELEASE]))
