"""msgspec, imported in half the time.

It takes three names of the typing module from typing_extensions where that is installed, and importing that takes
longer than msgspec itself. Python 3.13 has the names.
"""

import sys
import typing

_absent = "typing_extensions" not in sys.modules
if _absent:
    sys.modules["typing_extensions"] = typing

import msgspec  # noqa: E402 - with the above

if _absent:
    del sys.modules["typing_extensions"]

__all__ = ["msgspec"]
