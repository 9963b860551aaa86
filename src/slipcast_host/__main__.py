"""Serve one released model: python -m slipcast_host [--port 8080] [--check].

Exit status: 0 all is well, 1 a check failed, 2 there is no release that can be served.
"""

import argparse
import os
import signal
import sys
import threading
from functools import cache
from pathlib import Path

from slipcast_host import check
from slipcast_host.application import Application
from slipcast_host.engine import RELEASE, BundleError, Engine, load
from slipcast_host.server import Server

# Where platforms mount a model: SageMaker, KServe. Next to the package is the bundle itself.
MOUNTS = ("/opt/ml/model", "/mnt/models")


def folder(environment: dict[str, str]) -> Path:
    """Return the folder of the release: named by the environment, else mounted by the platform, else the bundle's."""
    named = environment.get("SLIPCAST_MODEL_DIR") or environment.get("AZUREML_MODEL_DIR")
    if named:
        # Azure ML keeps the folder that was registered below its own.
        inside = sorted(Path(named).glob(f"*/{RELEASE}"))
        return inside[0].parent if inside and not (Path(named) / RELEASE).exists() else Path(named)
    mounted = [Path(place) for place in MOUNTS if (Path(place) / RELEASE).exists()]
    return mounted[0] if mounted else Path(__file__).resolve().parents[1]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    environment = dict(os.environ)
    parser = argparse.ArgumentParser(prog="python -m slipcast_host", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("serve",), default="serve", help="as SageMaker calls it")
    port = environment.get("AIP_HTTP_PORT") or environment.get("SAGEMAKER_BIND_TO_PORT") or "8080"
    parser.add_argument("--port", type=int, default=int(port), help="0 takes a free one")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen at")  # noqa: S104 - it is a container's
    parser.add_argument("--check", action="store_true", help="compare files and known answers, and serve nothing")
    options = parser.parse_args(arguments)
    place = folder(environment)
    if options.check:
        return check.main(place)

    @cache
    def engine() -> Engine:
        return load(place, environment.get("MODEL_SHA256") or None)

    try:
        engine()
    except BundleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    server = Server(Application(engine, environment), options.host, options.port)
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    threading.Thread(target=server.serve, daemon=True).start()
    print(f"slipcast_host: {engine().names} at port {server.port}", file=sys.stderr, flush=True)
    done.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
