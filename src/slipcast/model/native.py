"""Descent through trees in compiled code, where it was built (``trees.c``, layers/build): 13 KB, no other library.

Everywhere else, also where the library cannot be loaded, `slipcast.model.evaluators` does the same in Python.
"""

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

FILE = "_trees.so"
# int32 and uint8, as trees.c declares them.
_INT = "i"
# Not by pathlib, whose import takes 10 ms.
PLACE = f"{os.path.dirname(__file__)}/{FILE}"  # noqa: PTH120


@cache
def library() -> Any:
    """Return the library with the compiled functions, which is loaded once; None where there is none."""
    place = PLACE
    if not os.path.isfile(place) or array(_INT).itemsize != 4:  # noqa: PTH113
        return None
    # Imported here: most models are no trees.
    try:
        import ctypes

        loaded = ctypes.CDLL(place)
        found, columns = loaded.slipcast_trees, loaded.slipcast_columns
    except (ImportError, OSError, AttributeError):
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int
    found.argtypes = (
        *(pointer, number, pointer, pointer, pointer, pointer, number),
        *(pointer, number, number, pointer, pointer),
    )
    found.restype = None
    columns.argtypes, columns.restype = (pointer, number, number, pointer, pointer), number
    return loaded


class Trees:
    """Trees in the form that the compiled function takes.

    Parameters
    ----------
    trees
        trees of an artifact (:mod:`slipcast.model.artifact`), at least one
    single_precision
        whether rows are rounded to float32 first

    Raises
    ------
    ValueError
        If a tree names a node that it does not have: a descent would read anything at all.
    """

    def __init__(self, trees: Sequence[Mapping[str, Any]], *, single_precision: bool) -> None:
        self._single = int(single_precision)
        compiled = library()
        self._descend = compiled.slipcast_trees
        roots, feature, number, right = array(_INT), array(_INT), array("d"), array(_INT)
        missing: list[int] = []
        for tree in trees:
            root = len(feature)
            roots.append(root)
            feature.fromlist(tree["feature"])
            number.fromlist(tree["number"])
            right.fromlist(tree["right"])
            missing += [root + node for node in tree.get("missing_left", ())]
        left = bytearray(len(feature))
        for node in missing:
            left[node] = 1
        self._count = len(roots)
        # The arrays stay here: the function gets their addresses alone.
        self._arrays = (roots, feature, number, right, array("B", left))
        at = [each.buffer_info()[0] for each in self._arrays]
        self._model = (at[0], self._count, *at[1:])
        whole = len(feature) == len(number) == len(right)
        self._columns = compiled.slipcast_columns(at[0], self._count, len(feature), at[1], at[3]) if whole else -1
        if self._columns < 0:
            raise ValueError("a tree of the model names a node that it does not have")

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
