"""First program of an execution environment: sets memory limit and search path as Lambda does, then waits for events.

Runs inside, with the standard library alone, before AWS's runtime interface client (awslambdaric) takes over.
"""

import os
import resource
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events (https://docs.python.org/3/library/audit_events.html) that change the file system: which of their
# arguments are paths, and which is the folder, as a descriptor, that a relative path starts from.
CHANGES = {
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.link": ((0, 2), (1, 3)),
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.rmdir": ((0, 1),),
    "os.symlink": ((1, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
}
MARK = "wrote outside /tmp: "


def watch(event: str, arguments: tuple) -> None:
    """Say on standard error which path outside /tmp is opened for writing or changed; it fails in any case."""
    if event == "open":
        path, mode, flags = arguments
        if not (flags or 0) & WRITING and not set(mode or "") & set("wax+"):
            return
        paths = [(path, None)]
    elif event in CHANGES:
        paths = [(arguments[name], arguments[at] if at is not None else None) for name, at in CHANGES[event]]
    else:
        return
    for path, folder in paths:
        # A number is a file that is open already.
        if not isinstance(path, int):
            base = os.getcwd() if folder in (None, -1) else os.readlink(f"/proc/self/fd/{folder}")  # noqa: PTH109, PTH115
            place = os.path.normpath(os.path.join(base, os.fsdecode(path)))  # noqa: PTH118 - no import that Lambda lacks
            # Python tries to keep the bytecode of /var/task on Lambda too.
            if not place.startswith(("/tmp/", "/dev/")) and place != "/tmp" and "/__pycache__" not in place:  # noqa: S108
                os.write(2, f"{MARK}{place}\n".encode())


def main() -> None:
    """Run the handler that the first argument names."""
    limit = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    version = "python{}.{}".format(*sys.version_info)
    # Before the runtime's packages (PYTHONPATH): a layer may bring its own boto3.
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], f"/opt/python/lib/{version}/site-packages", "/opt/python"]
    from awslambdaric.__main__ import main as poll

    sys.addaudithook(watch)
    poll(["awslambdaric", sys.argv[1]])


main()
