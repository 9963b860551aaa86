"""Compiled code of the project's own package: one file of freestanding C, which needs no header and no library."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from layers.build import recipe, shell

SOURCE = recipe.ROOT / "src" / "slipcast" / "model" / "trees.c"
# Nothing of the machine that compiles may get into the file.
FLAGS = ("-O2", "-shared", "-fPIC", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-s", "-Wl,--build-id=none")


def compiler(machine: str) -> list[str] | None:
    """The command that compiles for Linux on ``machine`` (x86_64 or aarch64), None where there is none."""
    native = platform.system() == "Linux" and platform.machine() == machine
    for name in (["cc", "gcc", "clang"] if native else []) + [f"{machine}-linux-gnu-gcc"]:
        if shutil.which(name):
            return [name]
    return ["zig", "cc", "-target", f"{machine}-linux-gnu"] if shutil.which("zig") else None


def build(target: Path, machine: str) -> bool:
    """Compile the descent through trees to ``target``; return False where there is no compiler."""
    command = compiler(machine)
    if command is None:
        shell.say(f"no C compiler for {machine} here: models of trees take ten times as long for an activity")
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shell.run([*command, *FLAGS, str(SOURCE), "-o", str(target)])
    return True
