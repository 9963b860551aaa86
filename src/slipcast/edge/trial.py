"""Test of the bundle as users run it: unpacked into a folder, by an isolated interpreter."""

import csv
import io
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slipcast.edge import bundle, cli

# Isolated and without site-packages: only the standard library is available.
ALONE = ("-I", "-S")
_TIMEOUT_SECONDS = 240
# Lambda's interpreter finds its own library by the last.
CARRIED = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH")


def check(folder: Path, files: Mapping[str, bytes], interpreter: str = sys.executable) -> str:
    """Write the files into `folder`, run the scorer's self-check there and return its output.

    Raises
    ------
    EdgeError
        If the self-check fails.
    """
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    done = _run(interpreter, folder, "--check")
    if done.returncode:
        raise bundle.EdgeError(f"score.py --check: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout.strip()


def check_host(folder: Path, files: Mapping[str, bytes], interpreter: str = sys.executable) -> str:
    """Write the portable bundle into `folder`, run the host's self-check there and return its output.

    Raises
    ------
    EdgeError
        If the self-check fails.
    """
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return check_in_place(folder, interpreter)


def check_in_place(folder: Path, interpreter: str = sys.executable) -> str:
    """Run the self-check of the host of a portable bundle in `folder` and return its output.

    Raises
    ------
    EdgeError
        If it fails.
    """
    # -m finds the host in the folder, which -I would forbid.
    command = [interpreter, "-E", "-s", "-S", "-B", "-m", "slipcast_host", "--check"]
    environment = {name: text for name, text in os.environ.items() if name in CARRIED}
    done = subprocess.run(  # noqa: S603
        command,
        cwd=folder,
        env=environment | {"SLIPCAST_MODEL_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise bundle.EdgeError(f"slipcast_host --check: {(done.stderr or done.stdout).strip()[-1000:]}")
    return done.stdout.strip()


def measure(folder: Path, rows: int, interpreter: str = sys.executable) -> dict[str, Any]:
    """Return how long ``score.py`` in `folder` takes for `rows` activities, and how much memory.

    Returns
    -------
    dict[str, Any]
        ``rows``, ``seconds`` (the whole process, wall clock) and ``peak_mb`` (largest resident set of the process)

    Raises
    ------
    EdgeError
        If not all activities are scored.
    """
    activities, scored = folder / "many.csv", folder / "scored.csv"
    activities.write_bytes(repeated((folder / cli.GOLDEN).read_bytes(), rows))
    began = time.perf_counter()
    done = _run(interpreter, folder, str(activities), "-o", str(scored), measured=True)
    seconds = time.perf_counter() - began
    found = scored.read_text(encoding="utf-8").count("\n") - 1 if scored.exists() else 0
    activities.unlink()
    scored.unlink(missing_ok=True)
    if done.returncode or found != rows:
        raise bundle.EdgeError(f"score.py scored {found} of {rows} activities: {done.stderr.strip()[-1000:]}")
    peak_kb = int(done.stdout.split()[-1])
    return {"rows": rows, "seconds": round(seconds, 3), "peak_mb": round(peak_kb / 1024, 1)}


def repeated(golden: bytes, rows: int) -> bytes:
    """Return a canonical CSV file of `rows` activities: those in `golden`, repeated."""
    header, *known = csv.reader(io.StringIO(golden.decode(), newline=""))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(known[number % len(known)] for number in range(rows))
    return buffer.getvalue().encode()


# Run in a child process: it reports the peak of its own child, without other processes of this machine.
_MEASURE = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""


def _run(interpreter: str, folder: Path, *arguments: str, measured: bool = False) -> "subprocess.CompletedProcess[str]":
    command = [interpreter, *ALONE, str(folder / bundle.SCORER), *arguments]
    if measured:
        command = [interpreter, *ALONE, "-c", _MEASURE, *command]
    return subprocess.run(  # noqa: S603
        command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
    )
