"""An MLflow tracking server of any version, on 127.0.0.1."""

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

SECONDS = 600
# A proxy of the machine's is for the world outside.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def serving(python: Path | str, folder: Path, *more: str) -> Iterator[str]:
    """Run the MLflow of an interpreter's environment and yield its address once it answers.

    Parameters
    ----------
    folder : empty folder for database, artifacts and log
    more : arguments of ``mlflow server`` that say where artifacts go; by default the server keeps them
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(python), "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", *more]
    if not more:
        command += ["--serve-artifacts", "--artifacts-destination", str(folder / "artifacts")]
    known = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_", "PYTHON"))}
    known |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=known, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(process, address, folder / "log")
        yield address
    finally:
        # Its workers are children of its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()


def _wait(process: subprocess.Popen, address: str, log: Path) -> None:
    until = time.monotonic() + SECONDS
    while True:
        with contextlib.suppress(OSError, urllib.error.URLError), DIRECT.open(f"{address}/health", timeout=2):
            return
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"MLflow does not answer:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)
