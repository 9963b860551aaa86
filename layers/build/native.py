"""Compiled code of the project's own package: one file of freestanding C, which needs no header and no library."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

from layers.build import recipe, shell

SOURCE = recipe.ROOT / "src" / "slipcast" / "model" / "trees.c"
# Nothing of the machine that compiles may get into the file.
FLAGS = ("-O2", "-shared", "-fPIC", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-s", "-Wl,--build-id=none")
# The C library of Lambda's Amazon Linux 2023. The file asks for none; a compiler wants to know all the same.
GLIBC = "2.34"
# Zig from PyPI, locked: a compiler for every machine on every machine, 90 MB that are fetched where no other is.
ZIG = ("uv", "run", "--quiet", "--isolated", "--locked", "--project", "layers/cross")


def compiler(machine: str) -> list[str]:
    """The command that compiles for Linux on ``machine`` (x86_64 or aarch64): the machine's own, else Zig."""
    native = platform.system() == "Linux" and platform.machine() == machine
    for name in (["cc", "gcc", "clang"] if native else []) + [f"{machine}-linux-gnu-gcc"]:
        if shutil.which(name):
            return [name]
    return [*ZIG, "python", "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{GLIBC}"]


def build(target: Path, machine: str) -> None:
    """Compile the descent through trees to ``target``."""
    command = compiler(machine)
    if command[0] == ZIG[0]:
        command = [shell.find_uv(), "run", "--python", sys.executable, *command[2:]]
    target.parent.mkdir(parents=True, exist_ok=True)
    shell.run([*command, *FLAGS, str(SOURCE), "-o", str(target)])
