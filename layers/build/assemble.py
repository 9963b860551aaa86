"""Assembly of layers and functions from their parts, with a cache."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from layers.build import bytecode, native, recipe, shell, slim, wheels


def copy_own(source: Path, folder: Path) -> None:
    """Copy one of the project's packages, with unchecked bytecode next to the source."""
    for path in own_files(source):
        target = folder / path.relative_to(source.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    bytecode.compile_bytecode(folder)


def own_files(source: Path) -> list[Path]:
    """Return the files of one of the project's packages."""
    return [
        path
        for path in shell.files(source)
        if "__pycache__" not in path.parts
        and path.name != "Makefile"
        and path.suffix != ".pyc"
        and not any(part.startswith(".") for part in path.relative_to(source).parts)
    ]


def copy_function(source: Path, destination: Path) -> None:
    """Copy a function's package, with unchecked bytecode next to the source."""
    for path in own_files(source):
        target = destination / path.relative_to(source.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    bytecode.compile_bytecode(destination, opt="/var/task")
    finish(destination)


def ingredients(name: str, machine: str) -> tuple[str, str]:
    """Return the pinned requirements of a layer (empty for the project's own) and a digest of all its inputs."""
    specification = recipe.SPECIFICATIONS[name]
    source = recipe.LAYERS / name
    strip_with = slim.stripper(machine)
    recipe_text = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))
    parts = [recipe_text, machine, importlib.util.MAGIC_NUMBER.hex()]
    requirements = ""
    if (source / "requirements.txt").exists():
        import tomllib

        lock = tomllib.loads((recipe.ROOT / "uv.lock").read_text(encoding="utf-8"))
        roots = wheels.required((source / "requirements.txt").read_text(encoding="utf-8"))
        requirements = wheels.pinned(lock, roots, specification.without)
        parts += [requirements, Path(strip_with[0]).name if strip_with else "unstripped"]
    else:
        for package in specification.packages:
            source = recipe.ROOT / "src" / package
            for path in own_files(source):
                parts += [path.relative_to(source.parent).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()]
        if specification.compiled:
            parts += native.compiler(machine)
    return requirements, hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def built(name: str, architecture: str = "x86_64") -> Path:
    """Return the folder with the built layer's ``python`` folder; it is built now if it is not in the cache.

    Do not write into it: later builds link to its files.
    """
    if name not in recipe.SPECIFICATIONS or architecture not in recipe.ARCHITECTURES:
        raise recipe.BuildError(
            f"no layer {name!r} for {architecture!r}: {[*recipe.SPECIFICATIONS]} for {[*recipe.ARCHITECTURES]}"
        )
    machine = recipe.ARCHITECTURES[architecture]
    requirements, digest = ingredients(name, machine)
    cache = shell.cache_folder()
    target = cache / f"{name}-{architecture}-{digest[:16]}"
    with shell.exclusive(cache / f"{name}-{architecture}.lock"):
        if not target.exists():
            _build(name, machine, requirements, target)
        # Newest last; the layer that is in use counts as new.
        os.utime(target)
        old = sorted(cache.glob(f"{name}-{architecture}-*"), key=lambda path: path.stat().st_mtime)[:-2]
        for folder in old:
            shutil.rmtree(folder)
    return target


def _build(name: str, machine: str, requirements: str, target: Path) -> None:
    started = time.monotonic()
    specification = recipe.SPECIFICATIONS[name]
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=target.parent))
    try:
        folder = work / "python"
        folder.mkdir()
        if requirements:
            wheels.install(folder, requirements, machine)
            slim.slim(folder)
            strip_with = slim.stripper(machine)
            if strip_with:
                slim.strip(folder, strip_with)
            else:
                shell.say(f"{name}: no strip for {machine} here: the layer is some MB larger than it need be")
            if specification.optimize is not None:
                bytecode.compile_bytecode(folder, "-b", "-o", str(specification.optimize))
                bytecode.drop_source(folder)
        else:
            for package in specification.packages:
                copy_own(recipe.ROOT / "src" / package, folder)
            if specification.compiled:
                native.build(folder / specification.compiled, machine)
        finish(work)
        total = shell.size(folder)
        if total > recipe.LIMIT:
            raise recipe.BuildError(
                f"{name}: {total / 2**20:.1f} MiB unzipped; Lambda takes 250 for function and layers"
            )
        work.chmod(0o755)
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    shell.say(f"{name} for {machine}: {total / 2**20:.1f} MiB in {time.monotonic() - started:.1f} s")


def finish(folder: Path) -> None:
    """Give each file the same time and mode in every build; read-only, because copies of the layer are hard links."""
    for path in shell.files(folder):
        path.chmod(0o555 if path.stat().st_mode & stat.S_IXUSR else 0o444)
        os.utime(path, (recipe.EPOCH, recipe.EPOCH))


def place(layer: Path, destination: Path) -> None:
    """Make ``destination``/python the content of the built layer: hard links, copies on another file system."""
    shutil.rmtree(destination / "python", ignore_errors=True)
    destination.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(layer / "python", destination / "python", copy_function=os.link)
    except (shutil.Error, OSError):
        shutil.rmtree(destination / "python", ignore_errors=True)
        shutil.copytree(layer / "python", destination / "python")
