"""Path-dependent TreeSHAP in pure Python: exact Shapley values of the columns of a row, for a sum of trees.

The value of a set S of columns is the trees' expected value of the row when only S is known: at a split of another
column, both ways count, in the proportion of the training rows that went there (Lundberg et al. 2020, "From local
explanations to global understanding with explainable AI for trees", algorithm 1).

A leaf's share in that value is its own value times one factor for each column j on its path: o_j (1 if the row goes
towards the leaf at every split of j, else 0) where j is in S, and w_j (the share of the training rows that do) where it
is not. The Shapley value is the integral of the partial derivatives of the multilinear extension along its diagonal
(Owen 1972), for a leaf

    phi_j = value * integral over t in [0, 1] of (o_j - w_j) * product over i != j of (t * o_i + (1 - t) * w_i)

which is a polynomial of degree n_columns_on_path - 1 in t: a Gauss-Legendre rule of half as many nodes has no error but
rounding. The sums over leaves that share a part of their path are taken once, at the splits, as in Linear TreeSHAP (Yu
et al. 2022), which interpolates the same polynomials elsewhere.

With s = t / (1 - t) the factors are (1 - t) * w_i, times 1 + s / w_i where o_i is 1. The first part is the same for
every row and goes into the leaf, so that only splits in the row's direction cost a multiplication. `WIDTH` nodes of the
rule are carried at a time, written out: a loop over them takes three times as long.
"""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import batched
from operator import add, mul, sub, truediv
from typing import Any, NamedTuple

WIDTH = 5
_ONES = (1.0,) * WIDTH
# Shares of training rows below this would lose digits; no fitted tree has them.
_LEAST = 1e-12

Vector = tuple[float, ...]
Node = tuple[Any, ...]


class TreeShap:
    """Shapley values for the sum of trees times `scale`.

    Parameters
    ----------
    trees
        as an artifact holds them, with ``cover``
    scale
        factor for every leaf

    Attributes
    ----------
    expected
        mean of the sum over the training rows of each tree
    """

    def __init__(self, trees: Sequence[Mapping[str, Any]], scale: float = 1.0) -> None:
        self._trees = [_Tree(tree, scale) for tree in trees]
        self.expected = math.fsum(tree.expected for tree in self._trees)
        # Trees depend on which columns are missing, as each split sends a missing value one way.
        self._roots = lru_cache(maxsize=4)(self._build)

    def __call__(self, row: Sequence[float]) -> list[float]:
        """Return the contribution of each column of a prepared row (NaN: missing); their sum is value - `expected`."""
        missing = frozenset(column for column, value in enumerate(row) if value != value)
        # Open intervals exclude infinities, so clamp them.
        known = [0.0 if value != value else max(value, -sys.float_info.max) for value in row]
        phi = [0.0] * len(row)
        for root in self._roots(missing):
            _walk(root, _ONES, known, phi)
        return phi

    def _build(self, missing: frozenset[int]) -> list[Node]:
        return [root for tree in self._trees for root in tree.roots(missing)]


class _Tree:
    """Tree: its arrays with the training weight of every node."""

    def __init__(self, tree: Mapping[str, Any], scale: float) -> None:
        self.feature, self.number, self.right = tree["feature"], tree["number"], tree["right"]
        self.missing_left = frozenset(tree.get("missing_left", ()))
        self.scale = scale
        covers = reversed(tree["cover"])
        self.cover = [0.0] * len(self.feature)
        for node in reversed(range(len(self.feature))):
            leaf = self.feature[node] < 0
            self.cover[node] = next(covers) if leaf else self.cover[node + 1] + self.cover[self.right[node]]
        leaves = [node for node, column in enumerate(self.feature) if column < 0]
        total = math.fsum(self.cover[node] * self.number[node] for node in leaves)
        self.expected = scale * total / self.cover[0]

    def roots(self, missing: frozenset[int]) -> list[Node]:
        """Return the tree once for each `WIDTH` nodes of the rule that it needs; none if it has no split."""
        most = self._most_columns(0, frozenset())
        return [_Builder(self, missing, rule).node(0, {}) for rule in _rules(most)] if most else []

    def _most_columns(self, node: int, seen: frozenset[int]) -> int:
        if self.feature[node] < 0:
            return len(seen)
        seen = seen | {self.feature[node]}
        return max(self._most_columns(node + 1, seen), self._most_columns(self.right[node], seen))


@cache
def _rules(columns: int) -> list[tuple[Vector, Vector]]:
    """Return a Gauss-Legendre rule on [0, 1], exact for `columns` on a path, as (nodes, weights) of `WIDTH` each."""
    count = WIDTH * math.ceil(columns / (2 * WIDTH))
    rule = [_legendre(count, index) for index in range(count)]
    rules: list[tuple[Vector, Vector]] = []
    for part in batched(rule, WIDTH, strict=True):
        nodes, weights = zip(*part, strict=True)
        rules.append((nodes, weights))
    return rules


def _legendre(count: int, index: int) -> tuple[float, float]:
    """Return one root of the Legendre polynomial of degree `count`, moved to [0, 1], and its weight (Newton)."""
    x = math.cos(math.pi * (index + 0.75) / (count + 0.5))
    for _ in range(100):
        before, value = 1.0, x
        for degree in range(2, count + 1):
            before, value = value, ((2 * degree - 1) * x * value - (degree - 1) * before) / degree
        slope = count * (x * value - before) / (x * x - 1)
        step = value / slope
        x -= step
        if abs(step) < 1e-15:
            break
    return (x + 1) / 2, 1 / ((1 - x * x) * slope * slope)


class _Builder:
    """Builder of nested tuples from a tree: for `WIDTH` nodes of the rule, all values that do not depend on the row.

    A leaf is a vector: its value with the constant part of the factors. A split is ::

        (twig, column, threshold, low, high, repeated, to_left, to_right, ...)

    where `low` < value <= `high` says whether the row went towards this split at the earlier splits of its column
    (`repeated`: there are such). In a twig both children are leaves, so that the result is a sum of two constants.
    """

    def __init__(self, tree: _Tree, missing: frozenset[int], rule: tuple[Vector, Vector]) -> None:
        self.tree = tree
        self.missing = missing
        nodes, weights = rule
        self.s = tuple(t / (1 - t) for t in nodes)
        # Term of the derivative for a column on a leaf's path, independent of the row's direction.
        self.cold = tuple(-weight / (1 - t) for t, weight in zip(nodes, weights, strict=True))
        self.leaf = tuple(1 - t for t in nodes)

    def node(self, place: int, known: Mapping[int, "_Known"]) -> Node:
        """Return a node; `known` holds for each column the interval given by the splits above."""
        tree = self.tree
        if tree.feature[place] < 0:
            value, depth = tree.scale * tree.number[place] * tree.cover[place] / tree.cover[0], len(known)
            return tuple([value * base**depth for base in self.leaf])
        column, threshold = tree.feature[place], self._threshold(place)
        earlier = known.get(column, _NOTHING)
        low, high = earlier.low, earlier.high
        sides = []
        for child, interval in (
            (place + 1, (low, min(high, threshold))),
            (tree.right[place], (max(low, threshold), high)),
        ):
            share = max(earlier.share * tree.cover[child] / tree.cover[place], _LEAST)
            factor = tuple([1 + s / share for s in self.s])
            # Term of the derivative if the row goes this way: share * f * (1 - t) is t + (1 - t) * share.
            gain = tuple([c - c / (share * f * base) for c, f, base in zip(self.cold, factor, self.leaf, strict=True)])
            below = self.node(child, {**known, column: _Known(*interval, share, factor, gain)})
            # The contribution of the column's earlier split is subtracted.
            sides.append((below, _over(factor, earlier.factor), _minus(gain, earlier.gain)))
        left, right = sides
        away, loss = _over(_ONES, earlier.factor), _minus(self.cold, earlier.gain)
        head = (column, threshold, low, high, column in known)
        if _is_leaf(left[0]) and _is_leaf(right[0]):
            both = _plus(left[0], right[0])
            return (True, *head, _twig(left, right[0], away, loss), _twig(right, left[0], away, loss), both)
        return (False, *head, _fork(left, right[0]), _fork(right, left[0]), away, loss)

    def _threshold(self, place: int) -> float:
        """Return the threshold for rows whose missing values are 0: moved so that they go to their side."""
        if self.tree.feature[place] not in self.missing:
            value: float = self.tree.number[place]
            return value
        return math.inf if place in self.tree.missing_left else -math.inf


class _Known(NamedTuple):
    """Column split on a path: its interval, the share of training rows within it, its factor and gain."""

    low: float
    high: float
    share: float
    factor: Vector
    gain: Vector


_NOTHING = _Known(-math.inf, math.inf, 1.0, _ONES, (0.0,) * WIDTH)


def _is_leaf(node: Node) -> bool:
    return len(node) == WIDTH


def _plus(a: Vector, b: Vector) -> Vector:
    return tuple(map(add, a, b))


def _minus(a: Vector, b: Vector) -> Vector:
    return tuple(map(sub, a, b))


def _times(a: Vector, b: Vector) -> Vector:
    return tuple(map(mul, a, b))


def _over(a: Vector, b: Vector) -> Vector:
    return tuple(map(truediv, a, b))


def _twig(hot: tuple[Vector, Vector, Vector], cold: Vector, away: Vector, loss: Vector) -> tuple[Vector, Vector]:
    leaf, factor, gain = hot
    towards, other = _times(leaf, factor), _times(cold, away)
    return _plus(towards, other), _plus(_times(towards, gain), _times(other, loss))


def _fork(hot: tuple[Node, Vector, Vector], cold: Node) -> tuple[Any, ...]:
    child, factor, gain = hot
    leaf = _is_leaf(child)
    return (child, cold, leaf, _is_leaf(cold), _times(child, factor) if leaf else factor, gain)


def _walk(
    node: Node,
    p: Vector,
    row: Sequence[float],
    phi: list[float],
    sumprod: Callable[[Vector, Vector], float] = math.sumprod,
) -> Vector:
    """Add a subtree's part to `phi`; return the sum over its leaves of value times factors, at each node of the rule.

    `p` is the product of the factors on the way to `node`.
    """
    p0, p1, p2, p3, p4 = p
    if node[0]:
        _, column, threshold, low, high, repeated, left, right, both = node
        value = row[column]
        if repeated and not low < value <= high:
            a0, a1, a2, a3, a4 = both
        else:
            (a0, a1, a2, a3, a4), gain = left if value <= threshold else right
            phi[column] += sumprod(p, gain)
        return p0 * a0, p1 * a1, p2 * a2, p3 * a3, p4 * a4
    _, column, threshold, low, high, repeated, left, right, away, loss = node
    value = row[column]
    if repeated and not low < value <= high:
        # The row left this path at an earlier split of the column, which has counted it already.
        first, second, first_leaf, second_leaf, _, _ = left
        if first_leaf:
            a0, a1, a2, a3, a4 = first
            a0, a1, a2, a3, a4 = p0 * a0, p1 * a1, p2 * a2, p3 * a3, p4 * a4
        else:
            a0, a1, a2, a3, a4 = _walk(first, p, row, phi)
        if second_leaf:
            b0, b1, b2, b3, b4 = second
            return a0 + p0 * b0, a1 + p1 * b1, a2 + p2 * b2, a3 + p3 * b3, a4 + p4 * b4
        b0, b1, b2, b3, b4 = _walk(second, p, row, phi)
        return a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4
    hot, cold, hot_leaf, cold_leaf, (a0, a1, a2, a3, a4), gain = left if value <= threshold else right
    a: Vector = (p0 * a0, p1 * a1, p2 * a2, p3 * a3, p4 * a4)
    if not hot_leaf:
        a = _walk(hot, a, row, phi)
    if repeated:
        b0, b1, b2, b3, b4 = away
        p = p0, p1, p2, p3, p4 = p0 * b0, p1 * b1, p2 * b2, p3 * b3, p4 * b4
    if cold_leaf:
        b0, b1, b2, b3, b4 = cold
        b: Vector = (p0 * b0, p1 * b1, p2 * b2, p3 * b3, p4 * b4)
    else:
        b = _walk(cold, p, row, phi)
    phi[column] += sumprod(a, gain) + sumprod(b, loss)
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return a0 + b0, a1 + b1, a2 + b2, a3 + b3, a4 + b4
