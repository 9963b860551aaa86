"""The Lambda runtime on this machine: interface emulator and awslambdaric, with the code and the layers as built."""

import base64
import contextlib
import csv
import http.client
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import samcli

from layers.build import assemble, shell

ROOT = Path(__file__).resolve().parents[2]
EMULATOR = Path(samcli.__file__).parent / "local" / "rapid" / "aws-lambda-rie-x86_64"
CODE = ROOT / ".cache" / "serving" / "code"
RUNTIME = ROOT / ".cache" / "serving" / "runtime"
# What the Lambda runtime for Python brings along.
IN_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py", "snapshot_restore_py.py")
IN_RUNTIME += ("awslambdaric", "simplejson")
# What a function needs that routes and validates by Powertools: more than our layer has of it.
POWERTOOLS = ("aws_lambda_powertools", "typing_extensions.py", "pydantic", "pydantic_core", "annotated_types")
POWERTOOLS += ("typing_inspection",)
PREDICT = ("powertools", "slipcast", "aws")
BATCH = ("powertools", "serving", "slipcast", "aws")
TRAINING = ("powertools", "training", "slipcast", "aws")
REQUEST_SECONDS = 60


def layers(names: tuple[str, ...]) -> list[Path]:
    """Return the python folders of the layers, built if they are not."""
    return [assemble.built(name) / "python" for name in names]


def code() -> Path:
    """Return the folder of the predict function as it is deployed."""
    import shutil

    shutil.rmtree(CODE, ignore_errors=True)
    assemble.copy_function(ROOT / "functions" / "predict", CODE)
    return CODE


def packages() -> Path:
    """Return a folder with the packages of the Lambda runtime and no others."""
    # The client of the runtime API is an extension module.
    return _linked(RUNTIME, IN_RUNTIME, "runtime_client*.so")


def powertools() -> Path:
    """Return a folder with all of Powertools, as its own layer has it."""
    return _linked(RUNTIME.with_name("powertools"), POWERTOOLS)


def _linked(folder: Path, names: tuple[str, ...], pattern: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    installed = Path(importlib.util.find_spec("boto3").origin).parents[1]
    for source in [*(installed / name for name in names), *(installed.glob(pattern) if pattern else ())]:
        link = folder / source.name
        if source.exists() and not link.exists():
            link.symlink_to(source)
    return folder


def python_of(requirements: Path, folder: Path) -> Path:
    """Return the Python of an environment of its own, made in `folder` by uv from `requirements`."""
    python, made = folder / "bin" / "python", folder / "made-of"
    if not made.exists() or made.read_text() != requirements.read_text():
        uv = shell.find_uv()
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys._base_executable, str(folder)], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)], check=True)
        made.write_text(requirements.read_text())
    return python


def size(folders: list[Path]) -> int:
    """Return the bytes of all files in `folders`."""
    return sum(shell.size(folder) for folder in folders)


JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"


def event(body: str | bytes, kind: str = JSON) -> dict[str, Any]:
    """Return the event of API Gateway for a request for predictions that comes and is answered as `kind`."""
    headers = {"Content-Type": kind, "Accept": kind}
    return {
        **{"httpMethod": "POST", "path": "/predictions", "resource": "/predictions", "headers": headers},
        **{"multiValueHeaders": {name: [value] for name, value in headers.items()}, "queryStringParameters": None},
        **{"multiValueQueryStringParameters": None, "pathParameters": None, "stageVariables": None},
        "requestContext": {"stage": "v1", "requestId": "0d9b3a52-benchmark", "path": "/v1/predictions"},
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a function, without anything of this shell but the path."""
    return {
        "PATH": os.environ["PATH"],
        "POWERTOOLS_SERVICE_NAME": "slipcast",
        "POWERTOOLS_METRICS_NAMESPACE": "Slipcast",
        "AWS_LAMBDA_FUNCTION_NAME": "slipcast-predict",
        **{"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"},
        **{"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},
        **more,
    }


@contextlib.contextmanager
def answering(content: bytes) -> Iterator[str]:
    """Stand for a service of AWS that answers everything with `content`; yield its address."""

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextlib.contextmanager
def function(handler: str, path: list[Path], **variables: str) -> Iterator[int]:
    """Run a function in the emulator and yield the port it answers on."""
    with running(handler, path, CODE.with_name(f"{handler}.log"), **variables) as (port, _):
        yield port


@contextlib.contextmanager
def running(handler: str, path: list[Path], log: Path, **variables: str) -> Iterator[tuple[int, int]]:
    """Run a function in the emulator; yield the port it answers on, and the process id of the emulator.

    The function's own process is the emulator's child, from the first request on.
    """
    port, api = free_port(), free_port()
    command = [str(EMULATOR), "--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
    command += ["--runtime-api-address", f"127.0.0.1:{api}", sys._base_executable, "-S", "-m", "awslambdaric", handler]
    path = [*path, packages()]
    found = environment(
        PYTHONPATH=":".join(map(str, path)),
        LAMBDA_TASK_ROOT=str(path[0]),
        AWS_LAMBDA_FUNCTION_TIMEOUT=str(REQUEST_SECONDS),
        **variables,
    )
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, env=found, cwd=path[0], stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            wait(port)
            yield port, process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def wait(port: int, seconds: float = 120) -> None:
    """Wait until somebody listens on `port`."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > end:
            raise TimeoutError(f"nobody listens on port {port} after {seconds} s")
        time.sleep(0.02)


def ask(port: int, path: str, body: bytes) -> bytes:
    """Return the answer to a POST of JSON, over a connection of its own: not every server here keeps one alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REQUEST_SECONDS)
    try:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        raw = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {raw[:500]!r}")
    return raw


INVOKE = "/2015-03-31/functions/function/invocations"


def predictions(raw: bytes) -> list[float]:
    """Return the probabilities in an answer of the function."""
    answer = json.loads(raw)
    if answer.get("statusCode") != 200:
        raise RuntimeError(f"the function answered {raw[:500]!r}")
    kind, body = answer["multiValueHeaders"]["Content-Type"][0].partition(";")[0], answer["body"]
    if kind == CSV:
        return [float(row["probability"]) for row in csv.DictReader(io.StringIO(body))]
    if kind == ARROW:
        import pyarrow

        return pyarrow.ipc.open_stream(base64.b64decode(body)).read_all()["probability"].to_pylist()
    return [item["probability"] for item in json.loads(body)["predictions"]]
