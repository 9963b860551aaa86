"""Known vulnerabilities of the locked packages, by pip-audit, and plainly whether they could be looked up at all.

    uv export … | python audit/advisories.py [--required]

reads pinned requirements from its standard input. Where the index gives no advisories (most mirrors), pip-audit
itself ends well. Ends with 1 if a package is vulnerable, and with --required also if any could not be looked up.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


def look_up(pins: list[str]) -> tuple[list[dict], str]:
    """Return what pip-audit says of each package, and why it says nothing where it could not ask."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "requirements.txt")
        listed.write_text("\n".join(pins), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--no-deps", "--progress-spinner", "off"]
        command += ["--format", "json", "--timeout", "20", "--requirement", str(listed)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["pip-audit said nothing"]
        return [], last[0]


def judge(found: list[dict]) -> tuple[list[str], list[str]]:
    """Return a line for each vulnerability, and the names of packages that were not looked up."""
    vulnerable = [
        f"{item['name']} {item['version']}: {flaw['id']} {' '.join(flaw.get('aliases', []))}, fixed in "
        f"{', '.join(flaw['fix_versions']) or 'no version yet'}"
        for item in found
        for flaw in item.get("vulns", [])
    ]
    return vulnerable, [item["name"] for item in found if "skip_reason" in item]


def main() -> int:
    """Audit what standard input pins."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--required", action="store_true", help="not being able to look up is an error")
    required = parser.parse_args().required
    pins = [f"{name}=={version}" for name, version in PIN.findall(sys.stdin.read())]
    if not pins:
        print("error: no pinned requirement came in", file=sys.stderr)
        return 2
    # One first: an index without advisories need not be asked for all.
    found, why = look_up(pins[:1])
    if found and not judge(found)[1]:
        found, why = look_up(pins)
    vulnerable, skipped = judge(found)
    for line in vulnerable:
        print(f"VULNERABLE  {line}", file=sys.stderr)
    audited = len(found) - len(skipped)
    if audited < len(pins):
        reason = why or "the index in reach gives no advisories (https://pypi.org/pypi/<name>/<version>/json)"
        print(f"NOT AUDITED  {len(pins) - audited} of {len(pins)} packages: {reason}", file=sys.stderr)
    else:
        print(f"{audited} packages audited, {len(vulnerable)} vulnerabilities")
    return 1 if vulnerable or (required and audited < len(pins)) else 0


if __name__ == "__main__":
    sys.exit(main())
