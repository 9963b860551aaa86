"""First program of an execution environment: sets memory limit and search path as Lambda does, then waits for events.

Runs inside, with the standard library alone, before AWS's runtime interface client (awslambdaric) takes over.
"""

import os
import resource
import sys

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events (https://docs.python.org/3/library/audit_events.html) that change the file system, with which of their
# arguments are paths.
CHANGES = {
    **dict.fromkeys(("os.chmod", "os.chown", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.utime"), (0,)),
    **dict.fromkeys(("os.link", "os.rename", "os.symlink"), (0, 1)),
}
MARK = "wrote outside /tmp: "


def watch(event: str, arguments: tuple) -> None:
    """Say on standard error which path outside /tmp is opened for writing or changed; it fails in any case."""
    if event == "open":
        path, mode, flags = arguments
        if not (flags or 0) & WRITING and not set(mode or "") & set("wax+"):
            return
        paths = [path]
    elif event in CHANGES:
        paths = [arguments[index] for index in CHANGES[event]]
    else:
        return
    for path in paths:
        # A number is a file that is open already.
        if not isinstance(path, int):
            place = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - not one import more than Lambda has
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
