"""Fetch pip for a Python that has none: ``python3 local/get_pip.py DESTINATION``, with any Python from 3.9 on.

pip is one pure Python wheel that runs without being installed (``python3 DESTINATION/pip install ...``), and it then
reads the user's own configuration. The wheel is the newest on the index in PIP_INDEX_URL, or on PyPI; its SHA-256 must
be the one that the index names.
"""

import hashlib
import json
import os
import re
import sys
import urllib.parse
import urllib.request
from pathlib import Path

INDEX = "https://pypi.org/simple"


def main() -> None:
    """Write the wheel to the path in the first argument."""
    page = os.environ.get("PIP_INDEX_URL", INDEX).rstrip("/") + "/pip/"
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    with urllib.request.urlopen(urllib.request.Request(page, headers=accept), timeout=60) as answer:  # noqa: S310
        files = json.load(answer)["files"]
    wheels = [
        file
        for file in files
        if file["filename"].endswith("-py3-none-any.whl")
        and not file.get("yanked")
        and release(file) is not None
        and fits(file)
    ]
    newest = max(wheels, key=release)
    with urllib.request.urlopen(urllib.parse.urljoin(page, newest["url"]), timeout=60) as answer:  # noqa: S310
        content = answer.read()
    if hashlib.sha256(content).hexdigest() != newest["hashes"]["sha256"]:
        sys.exit(f"{newest['filename']}: its SHA-256 is not the one that {page} names")
    Path(sys.argv[1]).write_bytes(content)


def release(file):
    """Return the version of a wheel as numbers; None for a pre-release."""
    parts = file["filename"].split("-")[1].split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else None


def fits(file):
    """Return whether a wheel is for the Python that runs this."""
    oldest = re.search(r">=\s*3\.(\d+)", file.get("requires-python") or "")
    return not oldest or int(oldest[1]) <= sys.version_info.minor


if __name__ == "__main__":
    main()
