"""Measure and print the tables of docs/load.md: ``.venv/bin/python -m benchmarks.load``; ``--quick`` for a tenth."""

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("tests", ".")]
warnings.filterwarnings("ignore")

from benchmarks.load import drive, environment  # noqa: E402 - the path is set above

PARTS = ("speed", "memory", "api", "bursts")
FIGURES = ("a second", "p50", "p99", "p99.9")


def main() -> None:
    """Measure what is asked for, keep it as JSON, print all that was measured so far as the table of the docs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--family", default="random_forest", help="of the model (random_forest)")
    parser.add_argument("--seconds", type=int, default=180, help="that the speeds are measured for, each (180)")
    parser.add_argument("--requests", type=int, default=100_000, help="over which memory is looked at (100,000)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the seconds and requests")
    parser.add_argument("--print", action="store_true", help="only print what was measured last")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    seconds, requests = arguments.seconds // share, arguments.requests // share
    file = drive.CACHE / "result.json"
    for part in () if arguments.print else arguments.parts:
        found = _measure(part, arguments.family, seconds, requests)
        file.write_text(json.dumps(_kept(file) | {part: found}, indent=1))
    print(tables(_kept(file)))


def _kept(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.exists() else {}


def _measure(part: str, family: str, seconds: int, requests: int) -> dict[str, Any]:
    if part in ("api", "bursts"):
        # Not where only the function is measured: the local cloud takes a while to import.
        from benchmarks.load import api

        return api.measure(seconds) if part == "api" else api.measure_bursts()
    from benchmarks.serving import models

    (case,), rows = models.build([family])
    if part == "speed":
        return environment.measure_speed(case, rows, seconds)
    return environment.measure_memory(case, rows, requests)


def tables(result: dict[str, Any]) -> str:
    """Return what was measured as the tables of docs/load.md."""
    lines: list[str] = []
    if "speed" in result or "api" in result:
        lines += ["| | requests | a second | p50 ms | p99 ms | p99.9 ms |", "|---|--:|--:|--:|--:|--:|"]
    for part, where in (("speed", "one environment"), ("api", "API on the local cloud")):
        if part not in result:
            continue
        found = result[part]
        for name, speed in found["speed"].items():
            lines.append(_row(f"{where}, {name}", f"{found['requests'][name]:,}", speed))
        compared = found["ratios"] if part == "speed" else {"Slipcast": found["ratios"]}
        for name, ratio in compared.items():
            cells = [f"{middle:.2f} ({low:.2f}–{high:.2f})" for middle, low, high in (ratio[key] for key in FIGURES)]
            lines.append(f"| {where}, **{name} ÷ bare** | | {' | '.join(cells)} |")
    if "memory" in result:
        found = result["memory"]
        lines += ["", "| | requests | PSS first | PSS last | RSS last | bytes a request (95 %) |"]
        lines += ["|---|--:|--:|--:|--:|--:|"]
        for name, grown in found["memory"].items():
            lines.append(
                f"| {name} | {grown['requests']:,.0f} | {grown['first']:.1f} MiB | {grown['pss']:.1f} MiB | "
                f"{grown['rss']:.1f} MiB | {grown['bytes']:.1f} ({grown['low']:.1f} to {grown['high']:.1f}) |"
            )
    if {"memory", "api", "bursts"} & set(result):
        lines += ["", "| | answers by status |", "|---|---|"]
    if "memory" in result:
        lines.append(f"| one environment, 1 % malformed | {_counted(result['memory']['statuses'])} |")
    if "api" in result:
        lines.append(f"| API, 1 % malformed | {_counted(result['api']['malformed'])} |")
    for name, counted in result.get("bursts", {}).items():
        lines.append(f"| API, {name} | {_counted(counted)} |")
    return "\n".join(lines)


def _row(name: str, requests: str, speed: dict[str, float]) -> str:
    cells = [f"{speed[key]:.0f}" if key == "a second" else f"{speed[key]:.2f}" for key in FIGURES]
    return f"| {name} | {requests} | {' | '.join(cells)} |"


def _counted(statuses: dict[str, int]) -> str:
    return ", ".join(f"{status}: {count:,}" for status, count in statuses.items())


if __name__ == "__main__":
    main()
