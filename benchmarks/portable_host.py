"""The portable host beside ``mlflow models serve``, MLServer and KServe's server, in turn, over loopback HTTP.

    make .cache/vendors/kserve/made && .venv/bin/python -m benchmarks.portable_host

All serve the same pipeline with one worker. The host takes activities and makes their features itself; the others take
features. Before a number is printed, all answers are compared to 1e-9.
"""

import argparse
import contextlib
import os

# One processor for each server, as small machines give.
os.environ["OMP_NUM_THREADS"] = "1"

import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

warnings.filterwarnings("ignore")

from benchmarks.serving import loopback, models, runtime  # noqa: E402 - the number of threads is set above
from slipcast.edge import portable  # noqa: E402
from slipcast.features import activity  # noqa: E402
from slipcast.model import scorer  # noqa: E402
from slipcast_host import bulk  # noqa: E402
from slipcast_host.engine import load  # noqa: E402
from slipcast_host.exchange import encode  # noqa: E402
from slipcast_host.metrics import Metrics  # noqa: E402
from slipcast_host.protocols import rows as host_rows  # noqa: E402

KSERVE = models.ROOT / ".cache/vendors/kserve/bin/python"
CALLS = {1: 200, 100: 40, 10_000: 5}


def measure(case: models.Case, rows: pd.DataFrame, share: float) -> dict[int, dict[str, tuple[float, float]]]:
    """Return median and 99th percentile in ms of each server by number of rows."""
    found = {}
    with (
        host(case, rows) as own,
        loopback.mlflow_serve(case) as mlflow,
        loopback.mlserver(case) as mlserver,
        kserve(case) as kserve_port,
    ):
        ports = {"slipcast_host": own, "mlflow": mlflow, "mlserver": mlserver, "kserve": kserve_port}
        for count, calls in CALLS.items():
            chosen = rows.head(count)
            frame = models.frame(chosen)
            activities = [models.activity(row) for row in chosen.to_dict("records")]
            requests = {
                "slipcast_host": ("/invocations", json.dumps({"instances": activities}).encode(), of_host),
                "mlflow": ("/invocations", loopback.as_records(frame), loopback.of_mlflow),
                "mlserver": ("/v2/models/model/infer", loopback.as_v2(frame), loopback.of_v2),
                "kserve": ("/v2/models/model/infer", loopback.as_v2(frame), loopback.of_v2),
            }
            found[count] = loopback.in_turn(ports, requests, max(3, round(calls * share)))
    return found


def parts(case: models.Case, rows: pd.DataFrame) -> dict[str, float]:
    """Return milliseconds of the processor for each part of an answer to 10,000 rows, the least of five."""
    folder = _bundle(case, rows)
    engine, metrics = load(folder), Metrics()
    body = json.dumps({"instances": [models.activity(row) for row in rows.head(10_000).to_dict("records")]}).encode()
    sent = host_rows.objects(host_rows.parse(body)["instances"], "instances")
    valid = bulk.of_rows(sent)
    found = engine.answer_valid(valid, "r")
    steps = {
        "JSON is read": lambda: host_rows.parse(body),
        "rows": lambda: host_rows.objects(host_rows.parse(body)["instances"], "instances"),
        "rows are checked by column": lambda: bulk.of_rows(sent),
        "rows are checked one by one": lambda: [activity.check(row) for row in host_rows.checked(sent)],
        "features and scores": lambda: engine.answer_valid(valid._replace(columns=dict(valid.columns)), "r"),
        "JSON is written": lambda: encode({"predictions": found}),
        "metrics": lambda: metrics.count("x", 200, 0.1, found),
    }
    least = {}
    for name, step in steps.items():
        times = []
        for _ in range(5):
            began = time.process_time()
            step()
            times.append((time.process_time() - began) * 1000)
        least[name] = min(times)
    least["rows"] -= least["JSON is read"]
    return least


def of_host(raw: bytes) -> list[float]:
    """Return the probabilities in an answer of the host."""
    return [item["probability"] for item in json.loads(raw)["predictions"]]


@contextlib.contextmanager
def host(case: models.Case, rows: pd.DataFrame) -> Iterator[int]:
    """Run the host of the model's portable bundle, by an interpreter without packages."""
    folder = _bundle(case, rows)
    port = runtime.free_port()
    command = [sys._base_executable, "-E", "-s", "-S", "-m", "slipcast_host", "--host", "127.0.0.1"]
    with contextlib.chdir(folder):
        running = loopback.server([*command, "--port", str(port)], port, models.FOLDER / "host.log")
        with running:
            yield port


def _bundle(case: models.Case, rows: pd.DataFrame) -> Path:
    """Write the model's portable bundle and return its folder."""
    raw = case.model.read_bytes()
    loaded = scorer.load(raw, case.sha256)
    activities = [models.activity(row) for row in rows.head(20).to_dict("records")]
    known = {"activities": activities, "scores": [float(p) for p in loaded.predict_proba(activities)]}
    folder = models.FOLDER / "portable" / case.family
    for name, content in portable.files(raw, None, loaded, known, version="1", edge={}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@contextlib.contextmanager
def kserve(case: models.Case) -> Iterator[int]:
    """Run KServe's server in an environment of its own."""
    if not KSERVE.exists():
        raise SystemExit("there is no KServe: make .cache/vendors/kserve/made")
    port = runtime.free_port()
    script = str(Path(__file__).with_name("kserve_sklearn.py"))
    command = [str(KSERVE), script, str(case.pipeline), "--http_port", str(port)]
    with loopback.server(command, port, models.FOLDER / "kserve.log"):
        loopback.until_ready(None, port, "/v2/models/model/ready")
        yield port


def main() -> None:
    """Measure and print a table for each family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", choices=list(models.PARAMS), default=["random_forest"])
    parser.add_argument("--quick", action="store_true", help="a fifth of the calls")
    parser.add_argument("--parts", action="store_true", help="where the host's time goes, without the others")
    options = parser.parse_args()
    cases, rows = models.build(options.families)
    for case in cases:
        if options.parts:
            found = parts(case, rows)
            print(f"{case.family}: " + "; ".join(f"{name} {ms:.1f} ms" for name, ms in found.items()))
            continue
        print(f"\n{case.family}: ms, median / 99th percentile, and how many times the host's median")
        for count, times in measure(case, rows, 0.2 if options.quick else 1.0).items():
            own = times["slipcast_host"][0]
            cells = (f"{name} {p50:.2f} / {p99:.2f} ({p50 / own:.1f})" for name, (p50, p99) in times.items())
            print(f"  {count:>6,} rows: " + "; ".join(cells), flush=True)


if __name__ == "__main__":
    main()
