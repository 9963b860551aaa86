"""Child processes: started in a group of their own, identified by start time, ended with all their children."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

# The processes that this very process started: they stay zombies until it has asked for their exit codes.
_own: dict[int, subprocess.Popen] = {}


class LocalCloudError(RuntimeError):
    """The local cloud cannot continue; the message says why and which log to read."""


@dataclass(frozen=True)
class Child:
    """A started process. A process id is used again by the system; together with the start time it is not.

    `port` is the one that a server listens on, 0 for what is no server.
    """

    name: str
    pid: int
    started: str
    port: int
    log: str

    def as_dict(self) -> dict[str, object]:
        """Return the fields, for a JSON file."""
        return asdict(self)

    def alive(self) -> bool:
        """Return whether this very process still runs."""
        return bool(self.started) and start_time(self.pid) == self.started


def start_time(pid: int) -> str:
    """Return when `pid` was started, in the system's own unit; empty if it does not run or is a zombie."""
    if Path("/proc/self/stat").exists():
        try:
            # The name, in parentheses, may hold spaces; state and start time are the 1st and 20th field behind it.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            return ""
        return "" if fields[0] in "ZX" else fields[19]
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    status, _, started = answer.stdout.strip().partition(" ")
    return "" if status.startswith("Z") else started.strip()


def free_port(wanted: str | None = None) -> int:
    """Return a free TCP port on 127.0.0.1; with `wanted`, that one.

    Raises
    ------
    LocalCloudError
        If the wanted port is taken or is no port.
    """
    if wanted and not (wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 65536):
        raise LocalCloudError(f"{wanted!r} is not a port: choose a number from 1 to 65535")
    if wanted and listening(int(wanted)):
        raise LocalCloudError(f"port {wanted} on 127.0.0.1 is taken: stop what listens there or choose another")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wanted or 0)))
        except OSError as error:
            raise LocalCloudError(f"port {wanted} on 127.0.0.1 is taken ({error.strerror}): choose another") from error
        return probe.getsockname()[1]


def listening(port: int) -> bool:
    """Return whether something accepts connections on 127.0.0.1:`port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(name: str, command: list[str], *, env: dict[str, str], port: int, log: Path, cwd: Path) -> Child:
    """Start `command` in a process group of its own, its output in `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _own[process.pid] = process
    return Child(name, process.pid, start_time(process.pid), port, str(log))


def finish(child: Child, *, needs: Sequence[Child]) -> int:
    """Wait for the end of a process that was started here and return its exit code; `needs` are those that it needs.

    Raises
    ------
    LocalCloudError
        If one of `needs` ends meanwhile; the process and its children are ended then, as on any other exception.
    """
    try:
        while True:
            try:
                return _own[child.pid].wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                for other in needs:
                    ensure_alive(other)
    finally:
        _signal_group(child.pid, signal.SIGKILL)
        _reap(child.pid, seconds=5)


def ensure_alive(child: Child) -> None:
    """Check that a process still runs.

    Raises
    ------
    LocalCloudError
        If it does not; the message has the end of its log.
    """
    if not child.alive():
        raise LocalCloudError(f"{child.name} ended unasked; its log: {child.log}\n{tail(Path(child.log))}")


def wait_until(ready: Callable[[], bool], child: Child, *, seconds: float) -> None:
    """Poll `ready` until it is true.

    Raises
    ------
    LocalCloudError
        If the process ends or the time is over before.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ensure_alive(child)
        if ready():
            return
        time.sleep(0.1)
    raise LocalCloudError(
        f"{child.name} did not answer on port {child.port} within {seconds:.0f} s; its log: {child.log}"
    )


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented."""
    text = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"    {line}" for line in text[-lines:])


def stop(child: Child, *, seconds: float = 10) -> None:
    """End the process and its children: asked first, killed after `seconds`."""
    if child.alive():
        _signal_group(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while child.alive() and time.monotonic() < deadline:
            time.sleep(0.05)
    elif start_time(child.pid):
        return  # The id belongs to somebody else by now.
    # A group outlives its leader while it has members, and no new process gets the leader's id until then.
    _signal_group(child.pid, signal.SIGKILL)
    _reap(child.pid, seconds=5)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _reap(pid: int, *, seconds: float) -> None:
    if (process := _own.get(pid)) is not None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            del _own[pid]
