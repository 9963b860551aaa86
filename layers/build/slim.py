"""Removal of files that no function needs at run time."""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
from pathlib import Path

from layers.build import shell

DROPPED_SUFFIXES = frozenset(
    {".a", ".bat", ".c", ".cc", ".cpp", ".f", ".f90", ".h", ".hpp", ".in", ".la", ".map", ".md", ".o", ".pc"}
    | {".pxd", ".pxi", ".pyf", ".pyi", ".pyx", ".rst", ".sh", ".src", ".tp"}
)
DROPPED_NAMES = frozenset({"CMakeLists.txt", "Makefile", "meson.build", "py.typed", ".lock"})
DROPPED_FOLDERS = frozenset({"__pycache__", "test", "tests"})
DROPPED_PATHS = (
    # Parts of Powertools that no function of ours uses.
    "aws_lambda_powertools/event_handler",
    *(f"aws_lambda_powertools/utilities/{name}" for name in ("auth_alpha", "circuit_breaker", "data_masking")),
    *(f"aws_lambda_powertools/utilities/{name}" for name in ("feature_flags", "kafka", "metadata", "parameters")),
    *(f"aws_lambda_powertools/utilities/{name}" for name in ("parser", "streaming", "validation")),
    "bin",
    "include",
    "share",
    "matplotlib/mpl-data/fonts/afm",
    "matplotlib/mpl-data/fonts/pdfcorefonts",
    "matplotlib/mpl-data/images",
    "matplotlib/mpl-data/sample_data",
    "matplotlib/mpl-data/stylelib",
    "mlflow/assistant/skills",
    "numpy/_core/include",
    "numpy/_core/lib",
    "onnx/reference",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "sklearn/datasets/data",
    "sklearn/datasets/descr",
    "sklearn/datasets/images",
)
# numpy.testing imports it, and scipy imports numpy.testing.
KEPT = frozenset({"numpy/_core/tests/_natype.py"})
# importlib.metadata reads versions and plug-ins from these; licences must travel with the code.
KEPT_METADATA = re.compile(r"(METADATA|entry_points\.txt|(licenses/.*)|((LICEN[CS]E|COPYING|NOTICE|AUTHORS).*))$")


def unwanted(path: str) -> bool:
    """Return True if the file at ``path``, relative to the layer's python folder, is left out of the layer."""
    if path in KEPT:
        return False
    *folders, name = path.split("/")
    if folders and folders[0].endswith(".dist-info"):
        return not KEPT_METADATA.match("/".join([*folders[1:], name]))
    return (
        not DROPPED_FOLDERS.isdisjoint(folders)
        or name in DROPPED_NAMES
        or Path(name).suffix in DROPPED_SUFFIXES
        or path in DROPPED_PATHS
        or path.startswith(tuple(f"{dropped}/" for dropped in DROPPED_PATHS))
    )


def slim(folder: Path) -> None:
    """Remove files from ``folder`` that no function needs at run time."""
    for path in shell.files(folder):
        if unwanted(path.relative_to(folder).as_posix()):
            path.unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            path.rmdir()


def stripper(machine: str) -> list[str] | None:
    """The command that strips ELF files of ``machine`` (x86_64 or aarch64), None where there is none."""
    native = platform.system() == "Linux" and platform.machine() == machine
    names = (["strip"] if native else []) + [f"{machine}-linux-gnu-strip", "llvm-strip"]
    return next(([tool, "--strip-unneeded"] for tool in map(shutil.which, names) if tool), None)


def strip(folder: Path, command: list[str]) -> None:
    """Strip the extension modules, but not the libraries under ``*.libs``: numpy does not survive that."""
    found = [
        str(path)
        for path in shell.files(folder)
        if path.suffix == ".so" and not path.relative_to(folder).parts[0].endswith(".libs")
    ]
    if found:
        shell.run([*command, *found])
