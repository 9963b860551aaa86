"""Single file with the scorer: the unchanged modules of this package and a few lines that import them.

Nothing is rewritten, so there is one source of truth. The file itself adds what the modules use and Python 3.9 lacks:
union types in annotations, ``zip(strict=True)``, ``math.sumprod``, ``itertools.pairwise`` and ``enum.StrEnum``.
"""

import ast
import importlib.util
import sys
from pathlib import Path

ENTRY = "slipcast.edge.cli"
OLDEST = (3, 9)
# Packages whose modules may be taken along.
OWN = ("slipcast", "slipcast_host")

_HEAD = '''#!/usr/bin/env python3
"""Score activities with one released Slipcast model: python score.py --help

Generated from Slipcast's own modules, which stand below as they are. Needs Python {oldest} or later and nothing else.
"""

import __future__

import enum
import itertools
import math
import operator
import sys
import types
from pathlib import Path

MODEL_SHA256 = "{sha256}"


def _strict_zip(*iterables, strict=False):
    if not strict:
        return zip(*iterables)
    columns = [list(each) for each in iterables]
    if len({{len(column) for column in columns}}) > 1:
        raise ValueError("zip() arguments are of different length")
    return zip(*columns)


def _sumprod(first, second):
    if len(first) != len(second):
        raise ValueError("inputs are not the same length")
    return math.fsum(map(operator.mul, first, second))


def _pairwise(iterable):
    items = list(iterable)
    return zip(items, items[1:])


class _StrEnum(str, enum.Enum):
    __str__ = str.__str__
    __format__ = str.__format__


# What older Pythons lack is lent to the modules below.
if not hasattr(math, "sumprod"):
    math.sumprod = _sumprod
if not hasattr(itertools, "pairwise"):
    itertools.pairwise = _pairwise
if not hasattr(enum, "StrEnum"):
    enum.StrEnum = _StrEnum
LENT = {{}} if sys.version_info >= (3, 10) else {{"zip": _strict_zip}}


def _module(name, source, package):
    module = types.ModuleType(name)
    module.__file__ = __file__
    module.__dict__.update(LENT)
    if package:
        module.__path__ = []
    sys.modules[name] = module
    code = compile(source, f"{{__file__}} [{{name}}]", "exec", __future__.annotations.compiler_flag, True)
    exec(code, module.__dict__)
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)

'''

_TAIL = """
if __name__ == "__main__":
    sys.exit(sys.modules["{entry}"].main(Path(__file__).resolve().parent, MODEL_SHA256))
"""


class SingleFileError(ValueError):
    """A module of the scorer uses something that an edge device lacks; the message names module and line."""


def build(sha256: str) -> str:
    """Return the source of ``score.py`` for the model with the digest `sha256` (hexadecimal).

    Raises
    ------
    SingleFileError
        If a module that the scorer needs imports more than the standard library, or has syntax that Python 3.9 lacks.
    """
    parts = [_HEAD.format(sha256=sha256, oldest=".".join(map(str, OLDEST)))]
    for name, path in modules().items():
        source = path.read_text(encoding="utf-8")
        # A raw literal holds the source unchanged unless the source contains the closing quotes.
        if "'''" in source or source.endswith(("'", "\\")):
            raise SingleFileError(f"{name} holds three single quotes in a row: write three double quotes")
        parts.append(f"\n_module(\n    {name!r},\n    r'''{source}''',\n    package={path.name == '__init__.py'},\n)\n")
    return "".join(parts) + _TAIL.format(entry=ENTRY)


def modules(entry: str = ENTRY) -> dict[str, Path]:
    """Return our modules that `entry` needs and their files, each after those that it imports.

    Raises
    ------
    SingleFileError
        As for :func:`build`.
    """
    found: dict[str, Path] = {}
    pending: set[str] = set()

    def visit(name: str) -> None:
        if name in found or name in pending:
            return
        pending.add(name)
        if parent := name.rpartition(".")[0]:
            visit(parent)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SingleFileError(f"{name} is not a module in a file")
        path = Path(spec.origin)
        for line, wanted in _imports(name, path):
            if wanted.partition(".")[0] in OWN:
                visit(wanted)
            elif wanted.partition(".")[0] not in sys.stdlib_module_names:
                raise SingleFileError(f"{name}, line {line}: {wanted} is not in the standard library")
        found[name] = path

    visit(entry)
    return found


def _imports(name: str, path: Path) -> list[tuple[int, str]]:
    source = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(source, feature_version=OLDEST)
    except SyntaxError as error:
        raise SingleFileError(f"{name}, line {error.lineno}: Python {OLDEST[0]}.{OLDEST[1]}: {error.msg}") from error
    wanted: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise SingleFileError(f"{name}, line {node.lineno}: write the import with the package's full name")
            wanted.append((node.lineno, node.module))
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                if node.module.partition(".")[0] in OWN and _is_module(full):
                    wanted.append((node.lineno, full))
    return wanted


def _is_module(name: str) -> bool:
    parent = name.rpartition(".")[0]
    # Only packages have submodules.
    package = importlib.util.find_spec(parent)
    if package is None or package.submodule_search_locations is None:
        return False
    return importlib.util.find_spec(name) is not None
