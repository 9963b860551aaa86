"""Files, messages, other programs, the cache folder and its locks."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from layers.build import recipe


def cache_folder() -> Path:
    """``.cache/layers`` in the checkout; the user's cache folder where the checkout is read-only."""
    for folder in (
        recipe.ROOT / ".cache",
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "slipcast"),
    ):
        try:
            (folder / "layers").mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder / "layers", os.W_OK):
            return folder / "layers"
    raise recipe.BuildError("no folder to build in: neither the checkout nor XDG_CACHE_HOME can be written to")


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file at ``path``: sam builds layers side by side, and so may two shells."""
    import fcntl

    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def files(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def size(folder: Path) -> int:
    """Bytes of all files below ``folder``: what Lambda counts against its limit."""
    return sum(path.stat().st_size for path in files(folder))


def say(message: str) -> None:
    """Tell the user; on standard error, because sam shows that as it comes."""
    print(f"layers: {message}", file=sys.stderr, flush=True)


def run(command: list[str]) -> None:
    """Run a command; its output is in the error that is raised when it fails."""
    done = subprocess.run(command, cwd=recipe.ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise recipe.BuildError(f"{Path(command[0]).name} failed:\n{(done.stderr or done.stdout).strip()[-4000:]}")


def find_uv() -> str:
    """uv: of the shell, of the checkout, else installed from PyPI into the cache."""
    tools = cache_folder() / "uv"
    candidates = [
        os.environ.get("UV"),
        shutil.which("uv"),
        recipe.ROOT / ".venv/bin/uv",
        recipe.ROOT / ".local/tools/bin/uv",
    ]
    candidates += [Path.home() / ".local/bin/uv", tools / "bin/uv"]
    for candidate in candidates:
        if candidate and os.access(candidate, os.X_OK):
            return str(candidate)
    with exclusive(cache_folder() / "uv.lock"):
        if not (tools / "bin/uv").exists():
            say("installing uv from PyPI into the cache")
            try:
                run([sys.executable, "-m", "venv", "--clear", str(tools)])
                run([str(tools / "bin/python"), "-m", "pip", "install", "--quiet", "uv"])
            except recipe.BuildError as error:
                raise recipe.BuildError(f"uv is needed: https://docs.astral.sh/uv/ ({error})") from error
    return str(tools / "bin/uv")
