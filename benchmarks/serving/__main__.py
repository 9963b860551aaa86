"""Measure and print: ``.venv/bin/python -m benchmarks.serving``; ``--quick`` for a tenth of the calls."""

import argparse
import os

# Lambda gives a function of this size one processor; two that wait for each other would only add noise.
os.environ["OMP_NUM_THREADS"] = "1"

import json
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

warnings.filterwarnings("ignore")

from benchmarks.serving import cold, crossover, evaluators, loopback, models, stages, warm  # noqa: E402 - the path is set above

PARTS = ("cold", "warm", "stages", "http", "own", "crossover", "evaluators")


def main() -> None:
    """Measure what is asked for, print it as tables, keep it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--families", nargs="+", choices=list(models.PARAMS), default=list(models.PARAMS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--json", type=Path, default=models.FOLDER / "result.json")
    arguments = parser.parse_args()
    share = 0.1 if arguments.quick else 1.0
    cases, rows = models.build(arguments.families)
    measures = {
        "cold": lambda case: cold.measure(case, rows, 3 if arguments.quick else 11),
        "warm": lambda case: warm.measure(case, rows, share),
        "stages": lambda case: stages.measure(case, rows, share),
        "http": lambda case: loopback.measure(case, rows, share),
        "own": lambda case: loopback.own(case, rows, share),
        "crossover": lambda case: crossover.measure(case, rows, 3 if arguments.quick else 9),
        "evaluators": lambda case: evaluators.measure(case, rows, share),
    }
    result: dict[str, dict[str, Any]] = {}
    for part in arguments.parts:
        for case in cases:
            print(f"\n{part}: {case.family}", flush=True)
            found = measures[part](case)
            result.setdefault(part, {})[case.family] = found
            _print(found)
            arguments.json.write_text(json.dumps(result, indent=1))


def _print(found: dict[Any, Any]) -> None:
    for name, values in found.items():
        cells = values.items() if isinstance(values, dict) else enumerate(values)
        print(f"  {name!s:>22}  " + "  ".join(f"{key} {_number(value)}" for key, value in cells), flush=True)


def _number(value: Any) -> str:
    if isinstance(value, tuple):
        return " / ".join(_number(item) for item in value)
    return f"{value:,}" if isinstance(value, int) else value if isinstance(value, str) else f"{value:.4g}"


if __name__ == "__main__":
    main()
