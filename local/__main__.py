"""Command line: ``python -m local up|down|status|deploy``."""

import argparse
import signal
import sys
from pathlib import Path

from local.cloud import ROOT, LocalCloud
from local.processes import LocalCloudError


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status", "deploy"])
    parser.add_argument("--home", type=Path, default=ROOT / ".local", help="folder of the local cloud (.local)")
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="template to deploy")
    options = parser.parse_args(arguments)
    # A signal, or closing the terminal, ends this command as cleanly as Ctrl-C.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    cloud = LocalCloud(options.home, say=lambda line: print(line, flush=True), template=options.template)
    try:
        return {"up": _up, "down": _down, "status": _status, "deploy": _deploy}[options.command](cloud)
    except LocalCloudError as error:
        print(f"error: {error}\nLogs: {cloud.home / 'logs'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        left = "" if options.command == "deploy" else ", nothing is left running"
        print(f"interrupted{left}", file=sys.stderr)
        return 130


def _up(cloud: LocalCloud) -> int:
    env = cloud.up()
    seconds = sum(cloud.seconds.values())
    print(f"""
The local cloud is up{f", after {seconds:.0f} s" if seconds else ""}.
  desk     {env["SLIPCAST_API_URL"]}/desk/index.html  (key: SLIPCAST_API_KEY)
  API      {env["SLIPCAST_API_URL"]}
  MLflow   {env["MLFLOW_TRACKING_URI"]}
  bucket   {env["SLIPCAST_BUCKET"]}
  use it   source {cloud.home / "env"}
  logs     {cloud.home / "logs"}
  stop it  make down""")
    return 0


def _down(cloud: LocalCloud) -> int:
    stopped = cloud.down()
    print(f"Stopped: {', '.join(stopped)}" if stopped else "The local cloud was not running")
    return 0


def _status(cloud: LocalCloud) -> int:
    up = cloud.running()
    for child in cloud.children:
        print(
            f"{child.name}: process {child.pid}, port {child.port}, {'alive' if child.alive() else 'dead'}, {child.log}"
        )
    print("up" if up else "down")
    return 0 if up else 1


def _deploy(cloud: LocalCloud) -> int:
    cloud.redeploy()
    print(f"Deployed to the running cloud; {cloud.home / 'env'} is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
