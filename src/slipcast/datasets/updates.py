"""Facts that the updates of a series tell of its columns: which values come with the finish of an activity."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from slipcast.datasets.database import connect, literal, one_row

# Dates are held together by the intake, a baseline stays what it was at first, and ids are no features.
COLUMNS = ("total_float_days", "predecessor_count", "budget", "phase", "work_type", "location")

type Fills = dict[str, dict[str, list[int]]]


def fills(before: Path, new: Path, workdir: Path) -> Fills:
    """Return, by column, how often a later update filled in what was missing.

    Parameters
    ----------
    before
        Parquet file of the dataset before the file
    new
        Parquet file of the schedule; activities whose data date is not later are left out
    workdir
        for what does not fit into memory

    Returns
    -------
    Fills
        by column ``changed`` and ``unchanged``: of the activities that were open before and had no value then, how
        many have one now, and how many they are; those that have finished since, and those that have not
    """
    with connect(workdir) as database:
        old, now = (f"read_parquet({literal(str(path))})" for path in (before, new))
        names = [
            {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()} for table in (old, now)
        ]
        columns = [name for name in COLUMNS if all(name in of for of in names)]
        if not columns:
            return {}
        counts = []
        for name in columns:
            for state in ("n.actual_finish IS NOT NULL", "n.actual_finish IS NULL"):
                was = f'FILTER (o."{name}" IS NULL AND {state}'
                counts += [f'count(*) {was} AND n."{name}" IS NOT NULL)', f"count(*) {was})"]
        found = one_row(
            database.execute(
                f"SELECT {', '.join(counts)} FROM {old} AS o JOIN {now} AS n USING (project_id, activity_id) "
                "WHERE o.actual_finish IS NULL AND n.data_date > o.data_date"
            )
        )
    numbers = [int(value) for value in found]
    return {
        name: {"changed": numbers[4 * place : 4 * place + 2], "unchanged": numbers[4 * place + 2 : 4 * place + 4]}
        for place, name in enumerate(columns)
    }


def added(so_far: Mapping[str, Mapping[str, Sequence[int]]], more: Fills) -> Fills:
    """Return the counts of two updates together.

    Examples
    --------
    >>> one = {"budget": {"changed": [3, 4], "unchanged": [0, 9]}}
    >>> added(one, one)
    {'budget': {'changed': [6, 8], 'unchanged': [0, 18]}}
    """
    return {
        name: {state: _sum(so_far, more, name, state) for state in ("changed", "unchanged")}
        for name in dict.fromkeys([*so_far, *more])
    }


def _sum(so_far: Mapping[str, Mapping[str, Sequence[int]]], more: Fills, name: str, state: str) -> list[int]:
    pairs = [counts[name][state] for counts in (so_far, more) if name in counts]
    return [sum(values) for values in zip(*pairs, strict=True)]
