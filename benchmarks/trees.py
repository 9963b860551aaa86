"""Evaluating trees: the interpreter, the compiled descent, a table of thresholds and generated code, in turn.

    python -m benchmarks.trees

prints for a forest and for boosting of 300 trees, made up so that nothing has to be fitted: milliseconds until the
model is ready, microseconds for one row (always another one, as requests are) and for a row of 1,000, and the largest
difference from the interpreter. What a way needs besides is in docs/serving.md.
"""

import functools
import math
import operator
import random
import statistics
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from layers.build import native as compile_native
from slipcast.model import evaluators, native

TREES, COLUMNS, ROWS = 300, 60, 1000
DEPTH = {"forest": 9, "boosting": 5}
Way = Callable[[list[list[float]]], Sequence[float]]


def tree(rng: random.Random, depth: int) -> dict[str, list[Any]]:
    """Return a tree in the artifact's form that is nearly full down to `depth`."""
    made: dict[str, list[Any]] = {"feature": [], "number": [], "right": [], "missing_left": []}

    def grow(left: int) -> None:
        place = len(made["feature"])
        leaf = left == 0 or rng.random() < 0.1
        made["feature"].append(-1 if leaf else rng.randrange(COLUMNS))
        # As histograms have them: 255 thresholds for a column.
        made["number"].append(rng.random() if leaf else rng.randrange(-127, 128) / 50)
        made["right"].append(0)
        if not leaf:
            grow(left - 1)
            made["right"][place] = len(made["feature"])
            grow(left - 1)

    grow(depth)
    return made


def interpreter(trees: Sequence[Mapping[str, Any]]) -> Way:
    """Return what is used where nothing is compiled."""
    native.PLACE = "/nowhere"
    native.library.cache_clear()
    return evaluators._sums(trees, single_precision=False)


def compiled(trees: Sequence[Mapping[str, Any]], library: str) -> Way:
    """Return `slipcast.model.native`."""
    native.PLACE = library
    native.library.cache_clear()
    return evaluators._sums(trees, single_precision=False)


def tuples(trees: Sequence[Mapping[str, Any]]) -> Way:
    """Return a descent through nested tuples, with local variables only."""

    def nested(made: Mapping[str, Any], node: int) -> Any:
        if made["feature"][node] < 0:
            return made["number"][node]
        left, right = nested(made, node + 1), nested(made, made["right"][node])
        return made["feature"][node], made["number"][node], left, right

    roots = [nested(made, 0) for made in trees]

    def total(row: list[float]) -> float:
        found = 0.0
        for node in roots:
            while type(node) is tuple:
                column, threshold, left, right = node
                node = left if row[column] <= threshold else right
            found += node
        return found

    return lambda rows: [total(row) for row in rows]


def generated(trees: Sequence[Mapping[str, Any]]) -> Way:
    """Return one generated function for each tree: nested conditions on local variables."""

    def source(made: Mapping[str, Any], node: int) -> str:
        if made["feature"][node] < 0:
            return repr(made["number"][node])
        left, right = source(made, node + 1), source(made, made["right"][node])
        return f"({left} if r[{made['feature'][node]}] <= {made['number'][node]!r} else {right})"

    text = "".join(f"def f{number}(r): return {source(made, 0)}\n" for number, made in enumerate(trees))
    names: dict[str, Any] = {}
    exec(compile(text, "trees", "exec"), names)  # noqa: S102 - of numbers made above
    functions = [names[f"f{number}"] for number in range(len(trees))]
    return lambda rows: [sum(function(row) for function in functions) for row in rows]


def bit_vectors(trees: Sequence[Mapping[str, Any]]) -> Way:
    """Return QuickScorer on Python's integers: a bit for each leaf, one mask for each column and place of its value.

    Source: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression
    trees", SIGIR 2015. A false comparison takes the leaves of its left side away; of each tree the lowest bit that is
    left is the leaf.
    """
    values: list[float] = []
    by_column: dict[int, dict[float, int]] = {}
    starts = []
    for made in trees:
        starts.append(len(values))

        def leaves(node: int, made: Mapping[str, Any] = made) -> tuple[int, int]:
            first = len(values)
            if made["feature"][node] < 0:
                values.append(made["number"][node])
                return first, first + 1
            _, middle = leaves(node + 1)
            _, end = leaves(made["right"][node])
            away = ((1 << (middle - first)) - 1) << first
            masks = by_column.setdefault(made["feature"][node], {})
            masks[made["number"][node]] = masks.get(made["number"][node], 0) | away
            return first, end

        leaves(0)
    columns = []
    for column, masks in sorted(by_column.items()):
        thresholds = sorted(masks)
        gone = [0]
        for threshold in thresholds:
            gone.append(gone[-1] | masks[threshold])
        columns.append((column, thresholds, gone))
    ones = sum(1 << start for start in starts)
    everything = (1 << len(values)) - 1
    width = (len(values) + 7) // 8

    def total(row: list[float]) -> float:
        gone = functools.reduce(
            operator.or_, [masks[bisect_left(thresholds, row[column])] for column, thresholds, masks in columns]
        )
        left = everything & ~gone
        # A tree has a leaf that is left, so no borrow goes beyond its own bits: one bit of each tree stays.
        lowest = left & ~(left - ones)
        found = 0.0
        for place, byte in enumerate(lowest.to_bytes(width, "little")):
            while byte:
                found += values[place * 8 + (byte & -byte).bit_length() - 1]
                byte &= byte - 1
        return found

    return lambda rows: [total(row) for row in rows]


def measure(build: Callable[[], Way], rows: list[list[float]], expected: Sequence[float]) -> tuple[float, ...]:
    """Return ms until it is ready, us for one row and for one of many, and the largest difference."""
    began = time.process_time()
    way = build()
    ready = (time.process_time() - began) * 1e3
    found = way(rows[:100])
    ones = []
    for row in rows[:200]:
        began = time.process_time()
        way([row])
        ones.append(time.process_time() - began)
    began = time.process_time()
    way(rows)
    many = (time.process_time() - began) / len(rows)
    worst = max(math.fabs(a - b) for a, b in zip(found, expected, strict=False))
    return ready, statistics.median(ones) * 1e6, many * 1e6, worst


def main() -> None:
    """Print the table."""
    sys.setrecursionlimit(10_000)
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/{native.FILE}"
        compile_native.build(Path(library), "x86_64")
        for kind, depth in DEPTH.items():
            rng = random.Random(1)
            trees = [tree(rng, depth) for _ in range(TREES)]
            rows = [[rng.gauss(0, 1) for _ in range(COLUMNS)] for _ in range(ROWS)]
            expected = interpreter(trees)(rows[:100])
            ways = {"interpreter": interpreter, "nested tuples": tuples, "generated code": generated}
            ways |= {"bit vectors": bit_vectors} if kind == "boosting" else {}
            ways["compiled"] = functools.partial(compiled, library=library)
            print(f"{kind}, {sum(len(made['feature']) for made in trees):,} nodes")
            for name, build in ways.items():
                numbers = measure(functools.partial(build, trees), rows, expected)
                print(f"  {name:<16}" + "".join(f"{number:>10.3g}" for number in numbers), flush=True)


if __name__ == "__main__":
    main()
