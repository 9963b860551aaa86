"""Try every mutant of the code that decides: ``python tests/mutants [MODULE...] [--sample N]``.

A mutant is killed if its tests fail, or do not end. What survives has to be listed in ``equivalent.json`` with the
reason why no test could notice it; the command fails if another survives, if a listed one does not, or if fewer than
92 % are killed.

Neither mutmut 3 nor cosmic-ray does this here. mutmut changes the bodies of functions only, so no limit that is a
module's constant, and finds modules by the names of packages, while functions of Lambda are folders of files.
cosmic-ray writes each change into the file and starts the tests in an interpreter of their own: 4 to 8 s of imports for
each of a thousand mutants, one at a time. Here one process has imported the libraries, each mutant is a fork of it.
"""

import argparse
import ast
import importlib
import importlib.machinery
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import CodeType

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from mutants.operators import Mutant, mutants  # noqa: E402
from mutants.targets import PATHS, TARGETS  # noqa: E402

LISTED = Path(__file__).with_name("equivalent.json")
WANTED = 0.92
# A mutant may wait for ever: so many times as long as the unchanged code, and some seconds more.
PATIENCE, AT_LEAST = 8.0, 30.0
PASSED, FAILED = 0, 1
# What takes long to import. Not what has to do with pytest: that has to see its plug-ins being imported.
LIBRARIES = {
    *("aws_lambda_powertools", "boto3", "botocore", "duckdb", "joblib", "matplotlib", "moto", "numpy", "pandas"),
    *("pydantic", "requests", "samtranslator", "scipy", "sklearn", "yaml"),
}


def main() -> int:
    """Try the mutants and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--sample", type=int, metavar="N", help="only so many of each module, drawn at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    options = parser.parse_args()
    if unknown := set(options.modules) - TARGETS.keys():
        parser.error(f"{', '.join(sorted(unknown))}: not in tests/mutants/targets.py")
    os.chdir(ROOT)
    sys.path[:0] = [str(ROOT / path) for path in PATHS]
    sys.dont_write_bytecode = True
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    listed = json.loads(LISTED.read_text(encoding="utf-8"))
    killed = total = 0
    wrong: list[str] = []
    for module in options.modules or TARGETS:
        found, alive = _try(module, options)
        total += found
        killed += found - len(alive)
        reasons = listed.get(module, {})
        wrong += [f"{module}, line {mutant.line}: {mutant.name}" for mutant in alive if mutant.name not in reasons]
        if options.sample is None:
            gone = reasons.keys() - {mutant.name for mutant in alive}
            wrong += [f"{module}: listed in {LISTED.name}, but killed or gone: {name}" for name in sorted(gone)]
    print(f"{killed} of {total} mutants killed ({killed / total:.1%}), {total - killed} survived")
    if wrong:
        print("error: survivors that are not listed, or listed ones that do not survive:", *wrong, sep="\n  ")
    # Of all of them: one that is listed weighs much in a small module.
    too_few = not options.modules and killed < WANTED * total
    if too_few:
        print(f"error: fewer than {WANTED:.0%} killed")
    return int(bool(wrong) or too_few)


def _try(module: str, options: argparse.Namespace) -> tuple[int, list[Mutant]]:
    """Return how many mutants of a module were tried, and those that survived."""
    path = _path(module)
    tests = TARGETS[module]
    seconds = _unchanged(module, path, tests)
    found = list(mutants(path.read_text(encoding="utf-8")))
    # In the way in which mutants are tried, the unchanged code has to survive: else all would be killed by that alone.
    same = Mutant("unchanged", 0, ast.parse(path.read_text(encoding="utf-8")))
    if not _survivors(path, [same], tests, 1, AT_LEAST + PATIENCE * seconds):
        raise SystemExit(f"error: {' '.join(tests)} fail on the unchanged {module} in a fork")
    if options.sample is not None and options.sample < len(found):
        found = random.Random(options.seed).sample(found, options.sample)
    limit = AT_LEAST + PATIENCE * seconds * options.jobs
    alive = _survivors(path, found, tests, options.jobs, limit)
    print(f"{module:<24} {len(found) - len(alive):>4} of {len(found):>4} killed", flush=True)
    return len(found), alive


def _path(module: str) -> Path:
    relative = Path(*module.split(".")).with_suffix(".py")
    return next(ROOT / path / relative for path in PATHS if (ROOT / path / relative).exists())


def _unchanged(module: str, path: Path, tests: tuple[str, ...]) -> float:
    """Run the tests on the unchanged module, import here whatever libraries they import, and return their seconds."""
    reads, writes = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        loaded = _note_loads()
        code = _run(tests)
        names = [name for name in sys.modules if name.partition(".")[0] in LIBRARIES]
        with open(writes, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
            json.dump({"code": code, "modules": names, "target": str(path) in loaded}, file)
        os._exit(0)
    os.close(writes)
    with open(reads, encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
        said = json.loads(file.read() or '{"code": -1}')
    os.waitpid(pid, 0)
    if said["code"] != PASSED:
        raise SystemExit(f"error: {' '.join(tests)} fail on the unchanged {module}")
    if not said["target"]:
        raise SystemExit(f"error: {' '.join(tests)} never import {path.relative_to(ROOT)}")
    for name in said["modules"]:
        # Some are only to be imported in the midst of another.
        with suppress(Exception):
            importlib.import_module(name)
    return time.monotonic() - began


def _note_loads() -> set[str]:
    """Return a set that gets the files from which modules are loaded, those that a test forgets again too."""
    get_code, loaded = importlib.machinery.SourceFileLoader.get_code, set()

    def noted(self: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
        loaded.add(self.path)
        return get_code(self, name)

    importlib.machinery.SourceFileLoader.get_code = noted
    return loaded


def _survivors(path: Path, found: list[Mutant], tests: tuple[str, ...], jobs: int, limit: float) -> list[Mutant]:
    """Return the mutants with which the tests pass. No threads: a fork of a process with threads may never go on."""
    waiting, running, alive = list(reversed(found)), {}, []
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            running[_start(path, mutant, tests)] = (mutant, time.monotonic() + limit)
        for pid, (mutant, deadline) in list(running.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del running[pid]
                if os.waitstatus_to_exitcode(status) == PASSED:
                    alive.append(mutant)
                    if mutant.line:
                        print(f"  survived: line {mutant.line}, {mutant.name}", flush=True)
            elif time.monotonic() > deadline:
                # With the processes that the tests started: it leads a group of its own.
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
        time.sleep(0.02)
    return sorted(alive, key=found.index)


def _start(path: Path, mutant: Mutant, tests: tuple[str, ...]) -> int:
    """Run the tests with a mutant in a fork and return its process id; its exit code is 0 if they pass."""
    code = compile(mutant.tree, str(path), "exec")
    pid = os.fork()
    if pid == 0:
        os.setsid()
        _load_instead(str(path), code)
        os._exit(PASSED if _run(tests) == PASSED else FAILED)
    return pid


def _load_instead(path: str, code: CodeType) -> None:
    """Let every import of a file, under whatever name, give other code."""
    get_code = importlib.machinery.SourceFileLoader.get_code

    def changed(self: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
        return code if self.path == path else get_code(self, name)

    importlib.machinery.SourceFileLoader.get_code = changed


def _run(tests: tuple[str, ...]) -> int:
    """Run tests up to the first that fails, silently, and return the exit code."""
    import pytest

    null = os.open(os.environ.get("MUTANTS_LOG", os.devnull), os.O_RDWR | os.O_CREAT | os.O_APPEND)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:cov", "-p", "no:xdist", "-p", "no:schemathesis"]
    return int(pytest.main([*arguments, *tests]))


if __name__ == "__main__":
    sys.exit(main())
