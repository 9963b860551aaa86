"""One execution environment of a function: started cold, asked through the Runtime API, ended.

As on AWS: the layers as `sam build` makes them at /opt, the code at /var/task, everything read-only but /tmp, which has
the size of ``EphemeralStorage``; no HOME, no /dev/shm; the variables that Lambda sets; the boto3 that comes with the
runtime, not the lock's; AWS's runtime interface client, which polls the Runtime API; an end after ``Timeout``.

Not as on AWS: the host's kernel, system libraries and processors, and its network (the functions find moto's server and
MLflow on 127.0.0.1, by ``AWS_ENDPOINT_URL`` and ``MLFLOW_TRACKING_URI``). ``MemorySize`` is a limit on the data segment
of each process (RLIMIT_DATA: heap and private mappings, touched or not, which is stricter than resident memory); the
resident memory of all its processes is measured and compared as well. A control group would count /tmp, which is
memory here and a disk there.
"""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNTIME = ROOT / ".cache" / "audit" / "runtime"
PACKAGES = RUNTIME / "lib" / "python3.13" / "site-packages"
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
API = "/2018-06-01/runtime"
REGION, ACCOUNT = "us-east-1", "123456789012"
# As bootstrap.py writes it, which cannot be imported here: it runs when it is.
MARK = "wrote outside /tmp: "


class FunctionError(RuntimeError):
    """The function raised, ended or did not answer in time; the message has the end of its log."""


@dataclass
class Function:
    """A function as the template describes it.

    Attributes
    ----------
    code : folder that becomes /var/task
    layers : folders that become /opt, in the order of ``Layers``
    memory, storage : MB
    timeout : seconds
    """

    name: str
    code: Path
    handler: str
    layers: Sequence[Path]
    memory: int
    timeout: int
    storage: int = 512
    version: str = "$LATEST"
    variables: Mapping[str, str] = field(default_factory=dict)


@cache
def why_not() -> str:
    """Return why no environment can be made on this machine; empty if one can."""
    if not sys.platform.startswith("linux"):
        return "execution environments need Linux: user and mount namespaces"
    if not (RUNTIME / "made").exists():
        return "the packages of the Lambda runtime are not installed: make .cache/audit/runtime/made"
    try:
        done = subprocess.run(
            [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"],  # noqa: S108
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return "execution environments need unshare of util-linux"
    if done.returncode:
        said = done.stderr.strip()
        return f"this kernel forbids user and mount namespaces ({said}): see kernel.unprivileged_userns_clone"
    return ""


def merged(layers: Sequence[Path], target: Path) -> Path:
    """Return `target` with the content of all layers, later ones over earlier ones, as Lambda unpacks them in /opt."""
    target.mkdir(parents=True)
    for layer in layers:
        for source in sorted(layer.rglob("*")):
            place = target / source.relative_to(layer)
            if source.is_dir():
                place.mkdir(exist_ok=True)
            else:
                place.unlink(missing_ok=True)
                _link(source, place)
    return target


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system.
        shutil.copy2(source, target)


class Environment:
    """A function's execution environment, until `close`.

    Parameters
    ----------
    function : what runs
    folder : empty folder for the environment's root and log
    opt : its layers, merged
    """

    def __init__(self, function: Function, folder: Path, opt: Path) -> None:
        self.function, self.folder = function, folder
        self.peak_mb = 0.0
        self._events: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._events, self._answers, self._deadline))
        Thread(target=self._server.serve_forever, daemon=True).start()
        root = folder / "root"
        root.mkdir(parents=True)
        command = [*UNSHARE, "sh", HERE / "enter.sh", root, sys.base_prefix, PACKAGES, function.code, opt]
        command += [HERE / "bootstrap.py", str(function.storage)]
        command += ["/var/lang/bin/python3.13", "-P", "-S", "/var/rapid/bootstrap.py", function.handler]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            command, env=self._variables(), stdout=self._log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        self._closed = Event()
        self._watcher = Thread(target=self._measure, daemon=True)
        self._watcher.start()

    def _variables(self) -> dict[str, str]:
        """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"""
        function = self.function
        reserved = {
            "_HANDLER": function.handler,
            "AWS_ACCESS_KEY_ID": "ASIAEXAMPLEEXAMPLE00",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": function.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/01/05/[{function.version}]0123456789abcdef0123456789abcdef",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_REGION": REGION,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_SESSION_TOKEN": "token",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LAMBDA_TASK_ROOT": "/var/task",
            "LANG": "en_US.UTF-8",
            "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib"
            ":/var/task:/var/task/lib:/opt/lib",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "PYTHONPATH": "/var/runtime",
            "TZ": ":UTC",
        }
        return {**function.variables, **reserved}

    def _deadline(self) -> int:
        return int((time.time() + self.function.timeout) * 1000)

    def invoke(self, event: Any) -> Any:
        """Return what the handler answers to an event.

        Raises
        ------
        FunctionError
            If it raises, ends, or takes longer than the function's ``Timeout``.
        """
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode()))
        until = time.monotonic() + self.function.timeout
        while True:
            try:
                kind, body = self._answers.get(timeout=0.1)
            except queue.Empty:
                if self._process.poll() is not None:
                    raise FunctionError(self._said(f"ended with {self._process.returncode}")) from None
                if time.monotonic() > until:
                    raise FunctionError(self._said(f"did not answer in {self.function.timeout} s")) from None
                continue
            self._note_peak()
            if kind == "response":
                return json.loads(body)
            error = json.loads(body)
            raise FunctionError(self._said(f"{error.get('errorType')}: {error.get('errorMessage')}"))

    @property
    def log(self) -> str:
        """Everything that the function wrote to standard output and standard error."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    @property
    def written(self) -> list[str]:
        """The paths outside /tmp that the function tried to write to."""
        return sorted({line.removeprefix(MARK) for line in self.log.splitlines() if line.startswith(MARK)})

    def _said(self, what: str) -> str:
        return f"{self.function.name} {what}\n{self.log[-4000:]}"

    def close(self) -> None:
        """End the process and with it its mounts."""
        self._closed.set()
        self._events.put(None)
        self._process.kill()
        self._process.wait()
        self._watcher.join()
        self._log.close()
        self._server.shutdown()
        self._server.server_close()

    def _note_peak(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            own = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
            self.peak_mb = max(self.peak_mb, int(own.partition("VmHWM:")[2].split()[0]) / 1024)

    def _measure(self) -> None:
        """Note the largest resident memory of the process and its children together, until the end."""
        while not self._closed.wait(0.02):
            with contextlib.suppress(OSError, ValueError):
                self.peak_mb = max(self.peak_mb, sum(map(_resident_mb, _family(self._process.pid))))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _handler(
    events: "queue.Queue[tuple[str, bytes] | None]",
    answers: "queue.Queue[tuple[str, bytes]]",
    deadline: Callable[[], int],
) -> type[BaseHTTPRequestHandler]:
    """Lambda's Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html"""

    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            given = events.get()
            if given is None:
                self.close_connection = True
                return
            request_id, body = given
            self.send_response(200)
            for name, value in {
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline()),
                "Lambda-Runtime-Invoked-Function-Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:sandbox",
                "Lambda-Runtime-Trace-Id": "Root=1-695b7d0a-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0",
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self._body()
            answers.put(("response" if self.path.endswith("/response") else "error", body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    return RuntimeApi
