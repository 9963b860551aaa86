"""The portable host next to ``mlflow models serve``, MLServer and KServe's server, in turn, over loopback HTTP.

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
import platform
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

warnings.filterwarnings("ignore")

from benchmarks.serving import loopback, models, runtime  # noqa: E402 - the number of threads is set above
from layers.build import native  # noqa: E402
from slipcast.edge import portable  # noqa: E402
from slipcast.features import activity  # noqa: E402
from slipcast.model import scorer  # noqa: E402
from slipcast_host import bulk  # noqa: E402
from slipcast_host.engine import load  # noqa: E402
from slipcast_host.exchange import encode  # noqa: E402
from slipcast_host.metrics import Metrics  # noqa: E402
from slipcast_host.protocols import open_inference  # noqa: E402
from slipcast_host.protocols import rows as host_rows  # noqa: E402

KSERVE = models.ROOT / ".cache/vendors/kserve/bin/python"
CALLS = {1: 200, 100: 40, 10_000: 5}


def measure(
    case: models.Case, rows: pd.DataFrame, share: float
) -> tuple[dict[int, dict[str, tuple[float, float]]], dict[str, float]]:
    """Return median and 99th percentile in ms of each server by number of rows, and what the processor took."""
    found: dict[int, dict[str, tuple[float, float]]] = {}
    with (
        host(case, rows) as own,
        host(case, rows, compiled=False) as python,
        loopback.mlflow_serve(case) as mlflow,
        loopback.mlserver(case) as mlserver,
        kserve(case) as kserve_port,
    ):
        ports = {
            "slipcast_host": own,
            "host, V2": own,
            "host, trees in Python": python,
            "mlflow": mlflow,
            "mlserver": mlserver,
            "kserve": kserve_port,
        }
        for count, calls in CALLS.items():
            chosen = rows.head(count)
            frame = models.frame(chosen)
            activities = [models.activity(row) for row in chosen.to_dict("records")]
            requests = {
                "slipcast_host": ("/invocations", json.dumps({"instances": activities}).encode(), of_host),
                "host, V2": ("/v2/models/slipcast/infer", as_tensors(activities), of_tensor),
                "host, trees in Python": ("/v2/models/slipcast/infer", as_tensors(activities), of_tensor),
                "mlflow": ("/invocations", loopback.as_records(frame), loopback.of_mlflow),
                "mlserver": ("/v2/models/model/infer", loopback.as_v2(frame), loopback.of_v2),
                "kserve": ("/v2/models/model/infer", loopback.as_v2(frame), loopback.of_v2),
            }
            found[count] = loopback.in_turn(ports, requests, max(3, round(calls * share)))
            if count == max(CALLS):
                busy = processor(ports, requests, max(3, round(calls * share)))
    return found, busy


def processor(ports: dict[str, int], requests: dict[str, Any], calls: int) -> dict[str, float]:
    """Return milliseconds of the processor for a request by server: other work of the machine hardly changes them."""
    # Only the server that is asked has something to do. The kernel counts in hundredths of a second: all calls at once.
    found = {}
    for name, (path, body, _) in requests.items():
        before = _busy()
        for _ in range(calls):
            runtime.ask(ports[name], path, body)
        found[name] = (_busy() - before) / calls * 1000
    return found


def _busy() -> float:
    """Return seconds of the processor that the servers, children of this process, have taken."""
    mine, parents = {os.getpid()}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    for _ in range(4):
        mine |= {pid for pid, (parent, _) in parents.items() if parent in mine}
    total = sum(ticks for pid, (_, ticks) in parents.items() if pid in mine - {os.getpid()})
    return total / os.sysconf("SC_CLK_TCK")


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


def as_tensors(activities: list[dict[str, Any]]) -> bytes:
    """Return the request of the Open Inference Protocol, a tensor for each column, for the probability alone."""
    flat = [{**item, **item["history"]} for item in activities]
    names = dict.fromkeys(name for item in flat for name in item if name != "history")
    inputs = [
        {
            **{"name": name, "shape": [len(flat)], "datatype": "FP64" if name in open_inference.NUMBERS else "BYTES"},
            "data": [item.get(name) for item in flat],
        }
        for name in names
    ]
    return json.dumps({"inputs": inputs, "outputs": [{"name": "probability"}]}).encode()


def of_tensor(raw: bytes) -> list[float]:
    """Return the probabilities in an answer of the host to that request."""
    (output,) = json.loads(raw)["outputs"]
    return list(output["data"])


def of_host(raw: bytes) -> list[float]:
    """Return the probabilities in an answer of the host."""
    return [item["probability"] for item in json.loads(raw)["predictions"]]


@contextlib.contextmanager
def host(case: models.Case, rows: pd.DataFrame, *, compiled: bool = True) -> Iterator[int]:
    """Run the host of the model's portable bundle, by an interpreter without packages."""
    folder = _bundle(case, rows, compiled=compiled)
    port = runtime.free_port()
    command = [sys._base_executable, "-E", "-s", "-S", "-m", "slipcast_host", "--host", "127.0.0.1"]
    with contextlib.chdir(folder):
        running = loopback.server([*command, "--port", str(port)], port, models.FOLDER / "host.log")
        with running:
            yield port


def _bundle(case: models.Case, rows: pd.DataFrame, *, compiled: bool = True) -> Path:
    """Write the model's portable bundle and return its folder; a release carries the compiled descent through trees."""
    raw = case.model.read_bytes()
    loaded = scorer.load(raw, case.sha256)
    activities = [models.activity(row) for row in rows.head(20).to_dict("records")]
    known = {"activities": activities, "scores": [float(p) for p in loaded.predict_proba(activities)]}
    folder = models.FOLDER / ("portable" if compiled else "portable-python") / case.family
    for name, content in portable.files(raw, None, loaded, known, version="1", edge={}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    if compiled:
        native.build(folder / "slipcast/model/_trees.so", platform.machine())
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
            print(f"{case.family}: " + "; ".join(f"{name} {ms:.1f} ms" for name, ms in parts(case, rows).items()))
            continue
        print(f"\n{case.family}: ms, median / 99th percentile, and how many times the host's median")
        found, busy = measure(case, rows, 0.2 if options.quick else 1.0)
        for count, times in found.items():
            own = times["slipcast_host"][0]
            cells = (f"{name} {p50:.2f} / {p99:.2f} ({p50 / own:.1f})" for name, (p50, p99) in times.items())
            print(f"  {count:>6,} rows: " + "; ".join(cells), flush=True)
        print("  of the processor: " + "; ".join(f"{name} {ms:.0f}" for name, ms in busy.items()), flush=True)


if __name__ == "__main__":
    main()
