"""Wheels of a layer: chosen from uv.lock, installed by hash."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from layers.build import recipe, shell


def required(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Names and extras in a requirements file that has neither versions nor markers: those are in uv.lock."""
    found = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?", line)
        if not match:
            raise recipe.BuildError(f"requirements.txt: {line!r}: write a name only, uv.lock says which version")
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        found.append((name, tuple(filter(None, re.split(r"[,\s]+", match[2] or "")))))
    return found


def pinned(lock: dict, roots: list[tuple[str, tuple[str, ...]]], without: frozenset[str]) -> str:
    """A requirements file with the version, markers and hashes of all that ``roots`` need according to uv.lock.

    Packages that are needed only by a package in ``without`` are left out too.
    """
    packages = {package["name"]: package for package in lock["package"]}
    # For each package the conditions under which it is wanted; an empty one means always.
    wanted: dict[str, set[frozenset[str]]] = {}
    pending = [(name, extras, frozenset()) for name, extras in roots]
    seen = set()
    while pending:
        name, extras, markers = pending.pop()
        if name in without or (name, extras, markers) in seen:
            continue
        seen.add((name, extras, markers))
        package = packages.get(name)
        if package is None:
            raise recipe.BuildError(f"{name} is not in uv.lock: add it to pyproject.toml and run `uv lock`")
        wanted.setdefault(name, set()).add(markers)
        edges = list(package.get("dependencies", []))
        for extra in extras:
            edges += package.get("optional-dependencies", {}).get(extra, [])
        for edge in edges:
            condition = markers | ({edge["marker"]} if "marker" in edge else frozenset())
            pending.append((edge["name"], tuple(edge.get("extra", ())), condition))
    return "".join(_pin(packages[name], conditions) for name, conditions in sorted(wanted.items()))


def _pin(package: dict, conditions: set[frozenset[str]]) -> str:
    line = f"{package['name']}=={package['version']}"
    if frozenset() not in conditions:
        anyof = [" and ".join(f"({marker})" for marker in sorted(markers)) for markers in conditions]
        line += " ; " + " or ".join(f"({each})" for each in sorted(anyof))
    archives = [*package.get("wheels", []), *filter(None, [package.get("sdist")])]
    return line + "".join(f" --hash={digest}" for digest in sorted(archive["hash"] for archive in archives)) + "\n"


def install(folder: Path, requirements: str, machine: str) -> None:
    """Install wheels for Amazon Linux 2023 on ``machine`` into ``folder``, each checked against its hash."""
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch, "requirements.txt")
        listed.write_text(requirements, encoding="utf-8")
        command = [shell.find_uv(), "pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder)]
        command += [
            "--python-platform",
            f"{machine}-manylinux_2_28",
            "--python-version",
            "{}.{}".format(*recipe.PYTHON),
        ]
        # Copies: stripping must not reach into uv's cache through a link.
        command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "--link-mode", "copy"]
        shell.run([*command, "--requirements", str(listed)])
