"""Costs of the page of an execution: bytes, seconds of a processor, memory, and the size of the layer that draws it.

``.venv/bin/python benchmarks/report.py`` draws the full record of the tests, and the same with thirteen families and
sixty slices, each in new processes that see the report function's layers alone; prints medians.
"""

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

from layers.build import assemble, shell  # noqa: E402 - the path is set above
from support.report_records import record  # noqa: E402

ROUNDS = 7
DRAW = """
import json, re, sys, time
began = time.process_time()
from slipcast.reports.training import render
imported = time.process_time()
record = json.load(open(sys.argv[1]))
read = time.process_time()
page = render(record)
first = time.process_time()
render(record)
print(json.dumps({
    "import": imported - began, "first page": first - read, "next page": time.process_time() - first,
    # Not getrusage: its peak is that of the process that started this one, if that was larger.
    "peak MB": int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024,
}))
open(sys.argv[2], "w").write(page)
"""


def wide() -> dict[str, Any]:
    """Return a record with as many families and slices as a large training has."""
    found = record()
    first, slices = found["candidates"][0], found["slices"]["rows"]
    found["candidates"] += [{**first, "family": f"family_{number}"} for number in range(13 - len(found["candidates"]))]
    found["slices"]["rows"] = [{**slices[at % len(slices)], "value": f"value {at}"} for at in range(60)]
    return found


def main() -> None:
    """Measure and print."""
    layers = [assemble.built(name) / "python" for name in ("reporting", "slipcast")]
    print(f"reporting layer: {shell.size(layers[0]) / 2**20:.1f} MiB unzipped")
    with tempfile.TemporaryDirectory() as folder:
        for name, found in (("full record", record()), ("thirteen families, sixty slices", wide())):
            paths = [Path(folder, "evaluation.json"), Path(folder, "report.html")]
            paths[0].write_text(json.dumps(found))
            code = f"import sys; sys.path += {[str(path) for path in layers]!r}\n{DRAW}"
            # A new interpreter without this checkout's packages, with a list of fonts of its own: a cold start.
            command = [sys._base_executable, "-I", "-S", "-B", "-c", code, *map(str, paths)]
            rounds = [
                json.loads(
                    subprocess.run(
                        command, env={"MPLCONFIGDIR": folder}, capture_output=True, text=True, check=True
                    ).stdout
                )
                for _ in range(ROUNDS)
            ]
            raw = paths[1].read_bytes()
            said = ", ".join(f"{key} {statistics.median(each[key] for each in rounds):.2f}" for key in rounds[0])
            print(f"{name}: {len(raw):,} bytes ({len(gzip.compress(raw, mtime=0)):,} gzipped); {said}")


if __name__ == "__main__":
    main()
