"""Execution environments as copies of one process, in which a function's init phase ran once.

The emulator starts an interpreter for each environment: unpacked code, unpacked layers, 2 to 3 s of imports for a
function with scikit-learn. Here the first environment of a function runs the init phase in a process that takes no
event; that one and all later environments are forks of it, as SnapStart makes them of one snapshot. Each has its own
memory from then on: a global variable that an event changes is changed in one environment only.

Runs in the emulator's process, except `WORKER_SCRIPT_LOOP`, which runs in the functions' processes.
"""

import json
import os
import select
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress
from typing import Any

# For pidfd_open and the paths of open files; elsewhere each environment starts cold.
SUPPORTED = hasattr(os, "pidfd_open") and os.path.isdir("/proc/self/fd")  # noqa: PTH112
# In the environment of the process that is copied, and of no copy.
VARIABLE = "_SLIPCAST_COPIED"
WORKER_SCRIPT_LOOP = """
def _serve_copies(real_stdout, after_restore):
    \"\"\"Fork for each request on standard input; return in the copy, whose pipes are those of the request.\"\"\"
    if os.environ.pop("__VARIABLE__", None):
        import gc
        gc.freeze()
        while True:
            line = sys.stdin.readline()
            if not line:
                os._exit(0)
            # The emulator has seen the end of these: their numbers may be used again.
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                pass
            request = json.loads(line)
            pipes = [
                os.open(path, os.O_WRONLY if number else os.O_RDONLY) for number, path in enumerate(request["pipes"])
            ]
            pid = os.fork()
            if pid == 0:
                for number, pipe in enumerate(pipes):
                    os.dup2(pipe, number)
                    os.close(pipe)
                os.environ["AWS_LAMBDA_LOG_STREAM_NAME"] = request["log_stream"]
                break
            for pipe in pipes:
                os.close(pipe)
            real_stdout.write(json.dumps({"pid": pid}) + "\\n")
            real_stdout.flush()
    for function, arguments, named in after_restore:
        function(*arguments, **named)

""".replace("__VARIABLE__", VARIABLE)


class Copy:
    """Forked process, not a child of this one, with the interface of `subprocess.Popen` that the emulator uses."""

    def __init__(self, pid: int, stdin: Any, stdout: Any, stderr: Any) -> None:
        self.pid, self.stdin, self.stdout, self.stderr = pid, stdin, stdout, stderr
        self.returncode: int | None = None
        self._handle = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Return None while the process runs, 0 afterwards: only its parent knows the exit code."""
        return self._wait(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end.

        Raises
        ------
        subprocess.TimeoutExpired
            If it does not come within `timeout` seconds.
        """
        if self._wait(timeout) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return 0

    def terminate(self) -> None:
        """Ask the process to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self._send(signal.SIGKILL)

    def _wait(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            poller = select.poll()
            poller.register(self._handle, select.POLLIN)
            if poller.poll(None if timeout is None else timeout * 1000):
                self.returncode = 0
        return self.returncode

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            os.close(self._handle)


class Original:
    """The process of a function that is copied.

    Parameters
    ----------
    worker
        a worker of the emulator, with `VARIABLE` in its environment
    spawn
        starts its process
    """

    def __init__(self, worker: Any, spawn: Any) -> None:
        self.worker = worker
        self._guard = threading.Lock()
        self._spawn = spawn

    def copy(self, log_stream: str) -> Copy:
        """Return a fork that waits for events; the first call runs the init phase.

        Raises
        ------
        RuntimeError
            If the init phase fails.
        """
        with self._guard:
            if self.worker._proc is None or self.worker._proc.poll() is not None:
                self._spawn(self.worker)
            process = self.worker._proc
            with ExitStack() as theirs:
                (their_in, ours_in), (ours_out, their_out), (ours_err, their_err) = (os.pipe() for _ in range(3))
                for end in (their_in, their_out, their_err):
                    theirs.callback(os.close, end)
                ours = [
                    open(end, mode, buffering=1, encoding="utf-8")  # noqa: PTH123, SIM115 - closed with the copy
                    for end, mode in ((ours_in, "w"), (ours_out, "r"), (ours_err, "r"))
                ]
                paths = [f"/proc/{os.getpid()}/fd/{end}" for end in (their_in, their_out, their_err)]
                process.stdin.write(json.dumps({"pipes": paths, "log_stream": log_stream}) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
                if not answer:
                    raise RuntimeError(f"the process of {self.worker.func_name} that is copied ended")
                # Not reaped before the next request: this is still the process that was meant.
                return Copy(json.loads(answer)["pid"], *ours)

    def logged(self) -> str:
        """Return the unread output of the init phase."""
        return self.worker._drain_stderr()
