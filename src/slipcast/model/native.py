"""Descent through trees in compiled code, where it was built (``trees.c``, layers/build): 13 KB, no other library.

Everywhere else, also where the library cannot be loaded, `slipcast.model.evaluators` does the same in Python.
"""

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate, chain
from typing import Any

FILE = "_trees.so"
# int32 and uint8, as trees.c declares them.
_INT = "i"
# Not by pathlib, whose import takes 10 ms.
PLACE = f"{os.path.dirname(__file__)}/{FILE}"  # noqa: PTH120


@cache
def function() -> Any:
    """Return the compiled function, which is loaded once; None where there is none."""
    place = PLACE
    if not os.path.isfile(place) or array(_INT).itemsize != 4:  # noqa: PTH113
        return None
    # Imported here: most models are no trees.
    try:
        import ctypes

        found = ctypes.CDLL(place).slipcast_trees
    except (ImportError, OSError, AttributeError):
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    found.argtypes = (
        *(pointer, number, pointer, pointer, pointer, pointer, number),
        *(pointer, number, number, pointer, pointer),
    )
    found.restype = None
    return found


class Trees:
    """Trees in the form that the compiled function takes.

    Parameters
    ----------
    trees
        trees of an artifact (:mod:`slipcast.model.artifact`), at least one
    single_precision
        whether rows are rounded to float32 first
    """

    # An index that no array has is an exception in Python and anything at all in compiled code: all are checked here.
    def __init__(self, trees: Sequence[Mapping[str, Any]], *, single_precision: bool) -> None:
        self._descend = function()
        self._single = int(single_precision)
        lengths = [len(tree["feature"]) for tree in trees]
        for tree, length in zip(trees, lengths, strict=True):
            inside = min(tree["right"]) >= 0 and max(tree["right"]) < length and tree["feature"][-1] < 0
            if not inside or not len(tree["number"]) == len(tree["right"]) == length:
                raise ValueError("a tree of the model names a node that it does not have")
        self._columns = 1 + max(max(tree["feature"]) for tree in trees)
        roots = [0, *accumulate(lengths[:-1])]
        left = bytearray(sum(lengths))
        for root, tree in zip(roots, trees, strict=True):
            for node in tree.get("missing_left", ()):
                left[root + node] = 1
        self._count = len(roots)
        # The arrays stay here: the function gets their addresses alone.
        self._arrays = (
            array(_INT, roots),
            array(_INT, [*chain.from_iterable(tree["feature"] for tree in trees)]),
            array("d", [*chain.from_iterable(tree["number"] for tree in trees)]),
            array(_INT, [*chain.from_iterable(tree["right"] for tree in trees)]),
            array("B", left),
        )
        at = [each.buffer_info()[0] for each in self._arrays]
        self._model = (at[0], self._count, *at[1:])

    def sums(self, rows: Sequence[Sequence[float]]) -> "array[float]":
        """Return for each row the sum over the trees of the value of its leaf."""
        return self._run(array("d", chain.from_iterable(rows)), len(rows), None)

    def leaves(self, row: Iterable[float]) -> "array[int]":
        """Return for each tree the node of the leaf that a row falls into."""
        found = array(_INT, bytes(4 * self._count))
        self._run(array("d", row), 1, found)
        return found

    def _run(self, values: "array[float]", count: int, leaves: "array[int] | None") -> "array[float]":
        sums = array("d", bytes(8 * count))
        if count:
            if len(values) < count * self._columns:
                raise ValueError(f"the trees split by {self._columns} columns, a row has {len(values) // count}")
            self._descend(
                *self._model,
                self._single,
                values.buffer_info()[0],
                count,
                len(values) // count,
                sums.buffer_info()[0],
                None if leaves is None else leaves.buffer_info()[0],
            )
        return sums
