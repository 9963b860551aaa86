"""Predict: one package, three functions (`app`, `batch` and `jobs`).

msgspec takes three names of the typing module from typing_extensions where that is installed, and importing that takes
longer than msgspec itself. Python 3.13 has the names.
"""

import sys
import typing

if "typing_extensions" not in sys.modules:
    sys.modules["typing_extensions"] = typing
    import msgspec  # noqa: F401 - with the above

    del sys.modules["typing_extensions"]
