"""Overlap of a new file with the dataset so far: activities under other ids, and rows that left the source."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slipcast.datasets import labels
from slipcast.datasets.database import connect, literal, one_row

# What makes two rows of different ids the same activity. Dates of one activity agree to the day in every export of it.
FINGERPRINT = ("phase", "start", "baseline_finish")
# None of these may differ where both know it, and one has to be the same; names are edited.
FURTHER = ("work_type", "location", "budget")
# Fewer are chance: two phases may well begin and end on the same days.
MIN_ROWS, MIN_SHARE = 5, 0.05
EXAMPLES = 3


@dataclass(frozen=True)
class OtherIds:
    """Activities of a file that the dataset seems to know under other ids.

    Attributes
    ----------
    rows, of
        such activities, and all of the file whose id is new
    examples
        pairs of id here and id there
    """

    rows: int
    of: int
    examples: list[tuple[str, str]]

    @property
    def note(self) -> str | None:
        """Sentence for the report; None if it may be chance."""
        if self.rows < MIN_ROWS or self.rows < MIN_SHARE * self.of:
            return None
        pairs = "; ".join(f"{here} here, {there} there" for here, there in self.examples)
        return (
            f"{self.rows:,} of {self.of:,} new activities ({self.rows / self.of:.0%}) look like ones that the dataset "
            f"knows under other ids: same phase, start, baseline finish and more ({pairs}). They count twice, "
            "in training and in the holdout. Drop the file with the ids of before (key or columns of the profile), or "
            "start with an empty dataset"
        )


@dataclass(frozen=True)
class Vanished:
    """Activities that an earlier file of the series had and this one has not; the dataset keeps them.

    Attributes
    ----------
    rows, of
        such activities, and all that the series had
    matured, late
        those of them with a known outcome, and the late ones
    kept_matured, kept_late
        the same of those that this file still has
    """

    rows: int
    of: int
    matured: int
    late: int
    kept_matured: int
    kept_late: int

    @property
    def note(self) -> str | None:
        """Sentence for the report; None if nothing left."""
        if not self.rows:
            return None
        said = f"{self.rows:,} of {self.of:,} activities that earlier files of this series had are not in this one"
        if not self.matured:
            return f"{said}; none of them has a known outcome, and they stay open in the dataset"
        rates = f"{self.late / self.matured:.0%} of them were late"
        if self.kept_matured:
            rates += f", of those that are still in the file {self.kept_late / self.kept_matured:.0%}"
        return (
            f"{said}; {self.matured:,} had matured ({rates}). The dataset keeps them: to learn from what a source "
            "still shows is to learn from the survivors"
        )


def other_ids(before: Path, new: Path, workdir: Path) -> OtherIds:
    """Return the activities of `new` that `before` seems to know under other ids.

    Parameters
    ----------
    before, new
        Parquet files of the dataset before the file, and of the file
    workdir
        for what does not fit into memory
    """
    with connect(workdir) as database:
        old, now = (f"read_parquet({literal(str(path))})" for path in (before, new))
        columns = [
            {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()} for table in (old, now)
        ]
        if not all({*FINGERPRINT, "project_id", "activity_id"} <= names for names in columns):
            return OtherIds(0, 0, [])
        both = [name for name in FURTHER if all(name in names for names in columns)]
        same = " AND ".join(f"o.{name} = n.{name}" for name in FINGERPRINT)
        agree = (
            " AND ".join(f"(o.{name} IS NULL OR n.{name} IS NULL OR o.{name} = n.{name})" for name in both) or "true"
        )
        known = " OR ".join(f"o.{name} = n.{name}" for name in both) or "false"
        ids = "project_id = {0}.project_id AND k.activity_id = {0}.activity_id"
        fresh = f"(SELECT * FROM {now} AS f WHERE NOT EXISTS (SELECT 1 FROM {old} AS k WHERE k.{ids.format('f')}))"
        left = f"(SELECT * FROM {old} AS g WHERE NOT EXISTS (SELECT 1 FROM {now} AS k WHERE k.{ids.format('g')}))"
        pairs = (
            f"SELECT n.activity_id AS here, min(o.activity_id) AS there FROM {fresh} AS n JOIN {left} AS o "
            f"ON {same} WHERE ({agree}) AND ({known}) GROUP BY n.project_id, n.activity_id"
        )
        of = int(one_row(database.execute(f"SELECT count(*) FROM {fresh}"))[0])
        rows = int(one_row(database.execute(f"SELECT count(*) FROM ({pairs})"))[0])
        examples = database.execute(f"{pairs} ORDER BY here LIMIT {EXAMPLES}").fetchall() if rows else []
    return OtherIds(rows, of, [(str(here), str(there)) for here, there in examples])


def vanished(before: Path, new: Path, workdir: Path, *, source: str, tolerance_days: int) -> Vanished:
    """Return the activities of a series that its new file no longer has.

    Parameters
    ----------
    before, new
        as for `other_ids`
    source
        the series
    tolerance_days
        calendar days after the baseline finish that still count as on time
    """
    with connect(workdir) as database:
        old, now = (f"read_parquet({literal(str(path))})" for path in (before, new))
        names = {row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {old}").fetchall()}
        if "source" not in names:
            return Vanished(0, 0, 0, 0, 0, 0)
        _, matured, late = labels.rule(tolerance_days, names)
        counts: Sequence[int] = one_row(
            database.execute(
                "SELECT count(*) FILTER (gone), count(*), count(*) FILTER (gone AND matured), "
                "count(*) FILTER (gone AND matured AND late), count(*) FILTER (NOT gone AND matured), "
                "count(*) FILTER (NOT gone AND matured AND late) FROM ("
                f"SELECT coalesce({matured}, false) AS matured, {late} AS late, NOT EXISTS (SELECT 1 FROM {now} AS n "
                "WHERE n.project_id = o.project_id AND n.activity_id = o.activity_id) AS gone "
                f"FROM {old} AS o WHERE source = {literal(source)} "
                f"AND data_date <= (SELECT max(data_date) FROM {now}))"
            )
        )
    return Vanished(*(int(value) for value in counts))
