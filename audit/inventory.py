"""Contents of a built layer: packages by their metadata, our own by their files, shared libraries that came along."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from dataclasses import dataclass, field
from importlib.metadata import PathDistribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The tools' environment does not hold the checkout.
sys.path.append(str(ROOT))

from layers.build import recipe, shell, wheels  # noqa: E402 - the path is set above


class InventoryError(Exception):
    """A layer holds something else than it should; the message says what."""


@dataclass(frozen=True)
class Package:
    """A package in a layer.

    Attributes
    ----------
    license : SPDX expression where its metadata has one, else the names they give; empty if they say nothing
    archive, sha256 : file name and SHA-256 (hex) of the wheel that uv.lock lets in, or of our own files
    """

    name: str
    version: str
    license: str = ""
    archive: str = ""
    url: str = ""
    sha256: str = ""
    libraries: tuple[tuple[str, str], ...] = field(default=())


def inventory(layer: str, folder: Path, lock: dict, architecture: str) -> list[Package]:
    """Return the packages in the ``python`` folder of a built layer, by name.

    Raises
    ------
    InventoryError
        If there is a package that uv.lock does not let into this layer, another version, or a folder of nobody's.
    """
    source = ROOT / "layers" / layer
    if not (source / "requirements.txt").exists():
        return [_own(path, folder) for path in sorted(folder.iterdir()) if path.is_dir()]
    roots = wheels.required((source / "requirements.txt").read_text(encoding="utf-8"))
    pins = wheels.pinned(lock, roots, recipe.SPECIFICATIONS[layer].without)
    allowed = {line.split("==")[0]: line.split("==")[1].split()[0] for line in pins.splitlines()}
    locked = {package["name"]: package for package in lock["package"]}
    found = []
    for path in sorted(folder.glob("*.dist-info")):
        metadata = PathDistribution(path).metadata
        name = metadata["Name"].lower().replace("_", "-").replace(".", "-")
        if allowed.get(name) != metadata["Version"]:
            raise InventoryError(
                f"layer {layer}: {name} {metadata['Version']} is in it, uv.lock lets in {allowed.get(name, 'none')}"
            )
        wheel = _wheel(locked[name].get("wheels", []), architecture)
        found.append(
            Package(
                name=name,
                version=metadata["Version"],
                license=_license(metadata),
                archive=wheel["url"].rsplit("/", 1)[-1],
                url=wheel["url"],
                sha256=wheel["hash"].removeprefix("sha256:"),
                libraries=tuple(_libraries(folder, path.name.split("-")[0])),
            )
        )
    return found


def content_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) of all files below a folder with their paths."""
    digest = hashlib.sha256()
    for path in shell.files(folder):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def read_lock() -> dict:
    """Return uv.lock."""
    return tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))


def _own(path: Path, folder: Path) -> Package:
    if path.name not in ("slipcast", "slipcast_aws", "slipcast_host"):
        raise InventoryError(f"{folder}: nobody knows {path.name}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name = path.name.replace("_", "-")
    return Package(name, project["version"], project["license"], sha256=content_digest(path))


def _license(metadata) -> str:
    if metadata.get("License-Expression"):
        return metadata.get("License-Expression")
    names = [line.rsplit(" :: ", 1)[-1] for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    # Some write the text of the licence into this field.
    short = metadata.get("License") or ""
    return " AND ".join(names) or (short if len(short) < 80 and "\n" not in short else "")


def _libraries(folder: Path, stem: str) -> list[tuple[str, str]]:
    """Shared libraries that a wheel brought along, such as OpenBLAS: a scanner of packages does not see them."""
    return [
        (path.relative_to(folder).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.glob(f"{stem}.libs/*"))
    ]


def _wheel(wheels: list[dict], architecture: str) -> dict:
    """Return the wheel that the build installs: the best for CPython 3.13 on manylinux_2_28."""
    from packaging import tags
    from packaging.utils import parse_wheel_filename

    machine = recipe.ARCHITECTURES[architecture]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 16, -1)] + [f"manylinux2014_{machine}"]
    platforms += [f"manylinux_2_{minor}_{machine}" for minor in range(16, 4, -1)]
    platforms += [f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}"]
    order = [*tags.cpython_tags((3, 13), platforms=platforms), *tags.compatible_tags((3, 13), "cp313", platforms)]
    rank = {tag: number for number, tag in enumerate(order)}
    fitting = []
    for wheel in wheels:
        name = wheel["url"].rsplit("/", 1)[-1].replace("%2B", "+")
        ranks = [rank[tag] for tag in parse_wheel_filename(name)[3] if tag in rank]
        if ranks:
            fitting.append((min(ranks), wheel["url"], wheel))
    if not fitting:
        raise InventoryError(f"uv.lock has no wheel for {machine} among {[wheel['url'] for wheel in wheels]}")
    return min(fitting)[2]
