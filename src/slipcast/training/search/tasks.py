"""Tasks: a round divided into parts of about the same size, one for each Lambda invocation."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipcast.training.search.halving import Entry, Race

# Target seconds of a task: long compared with the start of a function, short compared with its limit of 900 s.
TASK_SECONDS = 60.0
MIN_SECONDS = 4.0
# Minimum number of tasks, even for a small search.
SPREAD = 8
# Maximum size of an atom as a share of a task; larger atoms are divided, so that tasks have equal sizes.
ATOM_SHARE = 0.25

Unit = tuple[str, int, int]


def cut(
    race: Race, entries: Sequence[Entry], share: float, speed: dict[str, float]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the tasks of a round, the longest first, and the number of atoms of each grain.

    The finest piece is one fit: family, point and fold. A family or a point that is small enough stays in one piece.
    Pieces are assigned by longest processing time (Graham 1969): the longest piece goes to the task with the least
    work.

    Returns
    -------
    tuple[list[dict[str, Any]], dict[str, int]]
        for each task ``units`` (``[family, point, fold]`` each) and ``seconds`` that it is expected to take; and the
        number of atoms by ``family``, ``point`` and ``fold``
    """
    folds = range(len(race.folds))

    def expected(unit: Unit) -> float:
        return race.fit_seconds(unit[0], race.folds[unit[2]] * share, speed)

    units = [(entry.family, entry.point, fold) for entry in entries for fold in folds]
    total = sum(map(expected, units))
    target = min(max(total / SPREAD, MIN_SECONDS), TASK_SECONDS)
    atoms, grain = _atoms(units, expected, target * ATOM_SHARE)
    largest = max(seconds for seconds, _ in atoms)
    bins = [_Bin() for _ in range(max(min(math.ceil(total / max(target, largest)), len(atoms)), 1))]
    for seconds, members in atoms:
        emptiest = min(bins, key=lambda each: each.seconds)
        emptiest.seconds += seconds
        emptiest.units += members
    bins.sort(key=lambda each: -each.seconds)
    return [{"units": [list(unit) for unit in each.units], "seconds": each.seconds} for each in bins], grain


@dataclass
class _Bin:
    seconds: float = 0.0
    units: list[Unit] = field(default_factory=list)


def _atoms(
    units: Sequence[Unit], expected: Callable[[Unit], float], limit: float
) -> tuple[list[tuple[float, list[Unit]]], dict[str, int]]:
    atoms: list[tuple[float, list[Unit]]] = []
    grain = {"family": 0, "point": 0, "fold": 0}
    for family in dict.fromkeys(unit[0] for unit in units):
        members = [unit for unit in units if unit[0] == family]
        for piece, name in _pieces(members, expected, limit):
            atoms.append((sum(map(expected, piece)), piece))
            grain[name] += 1
    atoms.sort(key=lambda atom: (-atom[0], atom[1]))
    return atoms, grain


def _pieces(members: list[Unit], expected: Callable[[Unit], float], limit: float) -> list[tuple[list[Unit], str]]:
    if sum(map(expected, members)) <= limit:
        return [(members, "family")]
    pieces: list[tuple[list[Unit], str]] = []
    for point in dict.fromkeys(unit[1] for unit in members):
        folds = [unit for unit in members if unit[1] == point]
        if sum(map(expected, folds)) <= limit:
            pieces.append((folds, "point"))
        else:
            pieces += [([unit], "fold") for unit in folds]
    return pieces
