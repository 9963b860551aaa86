"""Judge the OpenAPI document by openapi-spec-validator, and by the recommended rules of Redocly and Spectral.

python audit/openapi/lint.py PROGRAMS    - the folder with the programs of package.json
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from openapi_spec_validator import validate

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import docs  # noqa: E402 - its folder is no package


def main(programs: Path) -> int:
    """Return 0 if no tool finds an error or a warning."""
    document = docs.openapi()
    validate(document)
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "openapi.json")
        written.write_text(json.dumps(document, indent=1), encoding="utf-8")
        commands = [
            [str(programs / "spectral"), "lint", "--fail-severity=warn", f"--ruleset={HERE / 'spectral.yaml'}"],
            # Warnings are errors: a document without any is the goal.
            [str(programs / "redocly"), "lint", "--extends=recommended-strict", "--format=stylish"],
        ]
        quiet = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
        failed = False
        for command in commands:
            done = subprocess.run([*command, str(written)], env=quiet, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                failed = True
                print(done.stdout + done.stderr, file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
