"""Bytecode that is the same in every build."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from layers.build import shell

# Part of the recipe, whatever the machine: see compile_bytecode. A function has fewer files than a share is worth.
COMPILERS, SHARE = 4, 50


def compile_bytecode(folder: Path, *arguments: str, opt: str = "/opt/python") -> None:
    """Compile all source below ``folder``; files that do not compile (such as templates) stay source.

    ``opt`` is where Lambda unpacks the folder: tracebacks name it.

    Bytecode depends a little on what the same process compiled before: it shares constants with it. So the files are
    distributed to a fixed number of processes in a fixed order; compileall's own workers take files in any order.
    """
    command = [sys.executable, "-m", "compileall", "-q", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", opt, *arguments, "-i", "-"]
    # A fixed hash seed: the order of a set constant must not differ between two builds.
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    sources = [str(path) for path in shell.files(folder) if path.suffix == ".py"]

    def compile_share(share: list[str]) -> None:
        subprocess.run(command, input="\n".join(share), text=True, env=environment, check=False)  # noqa: S603

    compilers = min(COMPILERS, len(sources) // SHARE + 1)
    with ThreadPoolExecutor(compilers) as pool:
        list(pool.map(compile_share, filter(None, (sources[first::compilers] for first in range(compilers)))))


def drop_source(folder: Path) -> None:
    """Remove each source file that has bytecode next to it."""
    for path in shell.files(folder):
        if path.suffix == ".py" and path.with_suffix(".pyc").exists():
            path.unlink()
