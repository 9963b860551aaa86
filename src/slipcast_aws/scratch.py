"""Scratch folders on a function's disk, which Lambda does not clear when it stops an invocation.

An environment whose invocation ran out of time or memory serves the next one with the same ``/tmp``. Folders of
invocations that were stopped would fill it.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "slipcast-scratch-"
_in_use: set[Path] = set()
# Between the look for leftovers and the entry of a new folder no other thread may look.
_lock = threading.Lock()


@contextmanager
def folder() -> Iterator[Path]:
    """Yield an empty folder and delete it at the end; first delete those whose process was stopped."""
    with _lock:
        for leftover in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if leftover not in _in_use and not _belongs_to_another(leftover):
                shutil.rmtree(leftover, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        _in_use.add(made)
    try:
        yield made
    finally:
        _in_use.discard(made)
        shutil.rmtree(made, ignore_errors=True)


def _belongs_to_another(path: Path) -> bool:
    """Return whether a process that still runs made a folder: the local cloud has one for each function."""
    number = path.name.removeprefix(PREFIX).partition("-")[0]
    # The process of a stopped invocation may have had the number of this one.
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
