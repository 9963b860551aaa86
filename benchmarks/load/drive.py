"""Locust in an environment of its own: it gets a plan and gives back what it found."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.serving import runtime

HERE = Path(__file__).parent
CACHE = runtime.ROOT / ".cache" / "load"
# Of its own: nothing of Slipcast's environment is in it.
OWN = CACHE / "environment"
LONGEST = 3600


def run(name: str, **plan: Any) -> dict[str, dict[str, Any]]:
    """Carry out a plan (see locustfile.py) and return for each target what was measured and answered."""
    CACHE.mkdir(parents=True, exist_ok=True)
    answers, file = CACHE / f"{name}-answers.json", CACHE / f"{name}-plan.json"
    answers.unlink(missing_ok=True)
    usual = {"block_seconds": 2, "order": list(plan["targets"]), "answers": str(answers)}
    file.write_text(json.dumps(usual | plan))
    command = [
        str(runtime.python_of(HERE / "requirements.txt", OWN)),
        "-m",
        "locust",
        "-f",
        str(HERE / "locustfile.py"),
        "--headless",
        "--only-summary",
    ]
    command += ["--loglevel", "WARNING"]
    done = subprocess.run(
        command, env=os.environ | {"LOAD_PLAN": str(file)}, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if not answers.exists():
        raise RuntimeError(f"locust ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(answers.read_text())
