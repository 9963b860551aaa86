"""A workbook (xlsx) as CSV, whatever bytes it is made of."""

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from slipcast.ingest.files.archive import Archive, Budget
from slipcast.ingest.refusal import ScheduleRefused

WORKER = Path(__file__).with_name("xlsx_worker.py")
CSV = "Save the sheet as CSV UTF-8 and drop that"
_COUNTS_FROM_1904 = re.compile(rb"""\sdate1904\s*=\s*["'](?:1|true)["']""")


def is_workbook(archive: Archive) -> bool:
    """Return whether a zip file is an xlsx workbook."""
    return "xl/workbook.xml" in archive.names


def refuse_other_documents(archive: Archive, file: str) -> None:
    """Raise ScheduleRefused if a zip file is an office document other than xlsx."""
    remedy = "Save it as Excel Workbook (.xlsx) or as CSV UTF-8"
    if "xl/workbook.bin" in archive.names:
        raise ScheduleRefused(file, "the file is a binary workbook (xlsb)", remedy)
    if "mimetype" in archive.names and "content.xml" in archive.names:
        raise ScheduleRefused(file, "the file is an OpenDocument", remedy)
    if "[content_types].xml" in archive.names:
        raise ScheduleRefused(file, "the file is an Office document, not a workbook", remedy)


def xlsx_to_csv(
    archive: Archive,
    target: Path,
    budget: Budget,
    *,
    max_columns: int,
    memory_bytes: int,
    seconds: float,
    headers: Collection[str] = (),
) -> tuple[int, str, list[str], Literal[1900, 1904]]:
    """Write the schedule's sheet to `target` as CSV with the column ``#line``.

    Parameters
    ----------
    archive
        The workbook.
    target
        CSV to write; a file next to it is used and removed.
    budget
        Bytes that the parts of the workbook may unpack to.
    max_columns
        Most columns of the sheet.
    memory_bytes, seconds
        What reading may take.
    headers
        Names of columns of schedules, as `profile.normal` writes them; the sheet with most of them is taken.

    Returns
    -------
    row where the sheet begins, which sheet of which it is, notes for the report, and the year from which days count

    Raises
    ------
    ScheduleRefused
    """
    plain = target.with_name("workbook.xlsx")
    _repack(archive, plain, budget)
    limits = {"max_bytes": budget.max_bytes, "max_columns": max_columns, "memory_bytes": memory_bytes}
    job = {"source": str(plain), "target": str(target), "headers": sorted(headers), **limits}
    result = _run(job, budget.file, seconds)
    epoch = _epoch(plain)
    plain.unlink()
    if "reason" in result:
        raise ScheduleRefused(budget.file, result["reason"], result["remedy"])
    notes = [f"sheet {result['sheet']!r} of {result['sheets']}"]
    if result["others"]:
        notes.append(f"sheets not read: {', '.join(result['others'])[:200]}")
    if result["first"] > 1:
        notes.append(f"the sheet begins at row {result['first']}")
    place = f"sheet {result['sheet']!r}"
    if result["others"]:
        place += f" (the best of {result['sheets']}, others: {', '.join(result['others'])[:200]})"
    if epoch != 1900:
        notes.append(f"its numbers of days count from {epoch}")
    return result["first"], place, notes, epoch


def _epoch(workbook: Path) -> Literal[1900, 1904]:
    """Return the year from which numbers of days count that have no date format."""
    with zipfile.ZipFile(workbook) as archive:
        name = next(name for name in archive.namelist() if name.lower() == "xl/workbook.xml")
        return 1904 if _COUNTS_FROM_1904.search(archive.read(name)) else 1900


def _repack(archive: Archive, target: Path, budget: Budget) -> None:
    # Unpacked here within the budget, the parts can no longer be larger than the directory said; the rest
    # (pictures, macros, pivot caches) is not read.
    parts = [part for part in archive.members if _is_read(part.filename.lower())]
    budget.check(sum(part.file_size for part in parts))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as plain:
        for part in parts:
            with plain.open(part.filename, "w", force_zip64=True) as sink:
                archive.copy(part, sink, budget)


def _is_read(name: str) -> bool:
    return name.endswith((".xml", ".rels")) and not name.startswith(("xl/pivotcache/", "docprops/", "customxml/"))


def _run(job: dict[str, Any], file: str, seconds: float) -> dict[str, Any]:
    # A process of its own: calamine allocates all cells between the first and the last one used, and all text
    # that cells refer to, so that a file of some kilobytes can abort the process or take all memory.
    # It inherits no credentials.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH", "PATH") if name in os.environ}
    environment = kept | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUTF8": "1"}
    command = [sys.executable, "-P", str(WORKER)]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=json.dumps(job).encode(), env=environment, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ScheduleRefused(file, f"reading the workbook takes more than {seconds:g} s", CSV) from error
    if done.returncode:
        megabytes = job["memory_bytes"] / 1e6
        raise ScheduleRefused(file, f"the workbook cannot be read, or not within {megabytes:,.0f} MB of memory", CSV)
    result: dict[str, Any] = json.loads(done.stdout)
    return result
