"""Over loopback HTTP: Slipcast in the Lambda runtime, ``mlflow models serve`` and MLServer, in turn.

A handler that answers a constant runs in a Lambda runtime of its own next to them: what of Slipcast's time is not the
runtime's.
"""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.serving import models, runtime

HERE = Path(__file__).parent
OWN = models.FOLDER / "environment"
CALLS = {1: 400, 100: 40, 1000: 25, 10_000: 9}
# Rows from which a request comes as a table too.
TABLES_FROM = 1000
BOOT_SECONDS = 180


def environment() -> Path:
    """Return the Python of the environment of what is compared."""
    return runtime.python_of(HERE / "requirements.txt", OWN)


def measure(case: models.Case, rows: pd.DataFrame, share: float = 1.0) -> dict[int, dict[str, tuple[float, ...]]]:
    """Return median and 99th percentile in ms of each server by number of rows."""
    found = {}
    bare = runtime.function("bare.handler", [runtime.ROOT / "benchmarks" / "load" / "bare"])
    with slipcast(case) as own, bare as constant, mlflow_serve(case) as mlflow, mlserver(case) as v2:
        ports = {"slipcast": own, "bare": constant, "mlflow": mlflow, "mlserver": v2}
        for count, calls in CALLS.items():
            chosen = rows.head(count)
            frame = models.frame(chosen)
            event = json.dumps(runtime.event(models.body(chosen))).encode()
            requests: dict[str, tuple[str, bytes, Callable[[bytes], list[float]] | None]] = {
                "slipcast": (runtime.INVOKE, event, runtime.predictions),
                "bare": (runtime.INVOKE, event, None),
                "mlflow": ("/invocations", as_records(frame), of_mlflow),
                "mlserver": ("/v2/models/model/infer", as_v2(frame), of_v2),
            }
            if count >= TABLES_FROM:
                as_csv = json.dumps(runtime.event(models.table(chosen).to_csv(index=False), runtime.CSV)).encode()
                as_arrow = json.dumps(runtime.event(models.arrow(chosen), runtime.ARROW)).encode()
                requests["slipcast, CSV"] = (runtime.INVOKE, as_csv, runtime.predictions)
                requests["slipcast, Arrow"] = (runtime.INVOKE, as_arrow, runtime.predictions)
            times = in_turn({name: ports[name.partition(",")[0]] for name in requests}, requests, _calls(calls, share))
            for name in [name for name in times if name.startswith("slipcast")]:
                for other in ("bare", "mlserver"):
                    times[f"{name} ÷ {other}"] = (times[name][0] / times[other][0],)
            found[count] = times
    return found


def _calls(calls: int, share: float) -> int:
    return max(3, round(calls * share))


def own(case: models.Case, rows: pd.DataFrame, share: float = 1.0) -> dict[int, dict[str, tuple[float, float]]]:
    """Return the same for Slipcast and the constant alone: neither needs the environment of the others."""
    found = {}
    bare = runtime.function("bare.handler", [runtime.ROOT / "benchmarks" / "load" / "bare"])
    with slipcast(case, batches=False) as own, bare as constant:
        ports = {"slipcast": own, "bare": constant}
        for count, calls in CALLS.items():
            event = json.dumps(runtime.event(models.body(rows.head(count)))).encode()
            requests = dict.fromkeys(ports, (runtime.INVOKE, event, None))
            times = in_turn(ports, requests, _calls(calls, share))
            ratio = times["slipcast"][0] / times["bare"][0]
            found[count] = times | {"slipcast ÷ bare": (ratio, ratio)}
    return found


def in_turn(ports: dict[str, int], requests: dict[str, Any], calls: int) -> dict[str, tuple[float, float]]:
    """Return median and 99th percentile in ms by server; all answers must be those of MLflow's."""
    times: dict[str, list[float]] = {name: [] for name in requests}
    first = {name: runtime.ask(ports[name], path, body) for name, (path, body, _) in requests.items()}
    answers = {name: read(first[name]) for name, (_, _, read) in requests.items() if read}
    for name, answer in answers.items():
        worst = np.abs(np.array(answer) - np.array(answers["mlflow"])).max()
        assert worst <= 1e-9, f"{name} differs by {worst}"
    for _ in range(calls):
        for name, (path, body, _) in requests.items():
            began = time.perf_counter()
            runtime.ask(ports[name], path, body)
            times[name].append((time.perf_counter() - began) * 1000)
    return {name: (statistics.median(each), float(np.percentile(each, 99))) for name, each in times.items()}


@contextlib.contextmanager
def slipcast(case: models.Case, *, batches: bool = True, always: bool = False) -> Iterator[int]:
    """Run the predict function, and the one for large batches next to it; yield the port of the first.

    With `always` every request is handed to the other one, however short it is.
    """
    code = runtime.code()
    with contextlib.ExitStack() as stack:
        variables = {"MODEL_PATH": str(case.model), "MODEL_SHA256": case.sha256, "MODEL_URI": f"s3://m/{case.family}"}
        if batches:
            # The batch function reads the artifact once.
            bucket = stack.enter_context(runtime.answering(case.model.read_bytes()))
            port = stack.enter_context(
                runtime.function(
                    "predict.batch.handler", [code, *runtime.layers(runtime.BATCH)], AWS_ENDPOINT_URL_S3=bucket
                )
            )
            variables |= {"WORTH_A_CALL": "1"} if always else {}
            variables |= {"BATCH_FUNCTION": "function", "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{port}"}
        yield stack.enter_context(
            runtime.function("predict.app.handler", [code, *runtime.layers(runtime.PREDICT)], **variables)
        )


@contextlib.contextmanager
def server(command: list[str], port: int, log: Path, **variables: str) -> Iterator[int]:
    """Run a server until the block ends; yield its port once it listens."""
    variables = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **variables}
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, env=variables, start_new_session=True
        ) as process,
    ):
        try:
            runtime.wait(port, BOOT_SECONDS)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)


@contextlib.contextmanager
def mlflow_serve(case: models.Case) -> Iterator[int]:
    """Run ``mlflow models serve`` with one worker, in this environment."""
    port = runtime.free_port()
    command = [str(Path(sys.executable).with_name("mlflow")), "models", "serve", "--env-manager", "local"]
    command += ["--model-uri", str(case.mlflow), "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with server(command, port, models.FOLDER / "mlflow.log", PATH=path):
        until_ready(lambda: runtime.ask(port, "/ping", b"") or True, port, "/ping")
        yield port


@contextlib.contextmanager
def mlserver(case: models.Case) -> Iterator[int]:
    """Run MLServer with its MLflow runtime, without a process pool, in an environment of its own."""
    port, grpc, metrics = (runtime.free_port() for _ in range(3))
    folder = models.FOLDER / "mlserver" / case.family
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"host": "127.0.0.1", "http_port": port, "grpc_port": grpc, "metrics_port": metrics}
    settings |= {"parallel_workers": 0, "debug": False}
    (folder / "settings.json").write_text(json.dumps(settings))
    model = {"name": "model", "implementation": "mlserver_mlflow.MLflowRuntime"}
    (folder / "model-settings.json").write_text(json.dumps(model | {"parameters": {"uri": str(case.mlflow)}}))
    python = environment()
    command = [str(python.with_name("mlserver")), "start", str(folder)]
    with server(command, port, models.FOLDER / "mlserver.log", PATH=f"{python.parent}:{os.environ['PATH']}"):
        until_ready(None, port, "/v2/models/model/ready")
        yield port


def until_ready(_: Any, port: int, path: str) -> None:
    """Wait until a GET of `path` is answered with 200."""
    import http.client

    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(f"{path} on port {port} is not ready after {BOOT_SECONDS} s: see {models.FOLDER}/*.log")


def as_records(frame: pd.DataFrame) -> bytes:
    """Return the request of MLflow's scoring protocol."""
    return f'{{"dataframe_records": {models.records(frame)}}}'.encode()


def of_mlflow(raw: bytes) -> list[float]:
    """Return the probabilities in an answer of ``mlflow models serve``."""
    return [late for _, late in json.loads(raw)["predictions"]]


def as_v2(frame: pd.DataFrame) -> bytes:
    """Return the request of the Open Inference Protocol, a tensor for each column."""
    inputs = []
    for name in frame:
        values = frame[name]
        numeric = values.dtype.kind == "f"
        inputs.append(
            {
                **{"name": name, "shape": [len(frame), 1], "datatype": "FP64" if numeric else "BYTES"},
                **({} if numeric else {"parameters": {"content_type": "str"}}),
                # MLServer's parser takes no NaN; NumPy makes one of null.
                "data": [(None if pd.isna(value) else float(value)) if numeric else str(value) for value in values],
            }
        )
    return json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs}).encode()


def of_v2(raw: bytes) -> list[float]:
    """Return the probabilities in an answer of that protocol."""
    (output,) = json.loads(raw)["outputs"]
    return np.array(output["data"]).reshape(output["shape"])[:, 1].tolist()
