"""Reasons why a file, or a profile, cannot be used."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipcast.ingest.understanding import Column, QuarantinedRow


# Heading of the column of remarks in a workbook of `corrections`; no column of the schedule.
REMARKS = "Slipcast: to correct"


class ScheduleRefused(ValueError):
    """The file cannot be used; the message names file, row, column and remedy.

    Attributes
    ----------
    file, reason, remedy : str
    row : int or None
        Physical line in the file (row in a workbook); the first is 1.
    column : str or None
    understood
        Tuple
        Columns as far as the file was understood (`slipcast.ingest.understanding`).
    quarantined
        Tuple
        The first bad rows, if there are too many.
    missing
        Headings of columns that would make the table readable.
    """

    understood: Sequence["Column"] = ()
    quarantined: Sequence["QuarantinedRow"] = ()
    missing: Sequence[str] = ()

    def __init__(self, file: str, reason: str, remedy: str, row: int | None = None, column: str | None = None) -> None:
        self.file, self.reason, self.remedy, self.row, self.column = file, reason, remedy, row, column
        where = file
        if row is not None:
            where += f", line {row}"
        if column is not None:
            where += f", column {column}"
        super().__init__(f"{where}: {reason}. {remedy}.")

    def within(self, file: str, reason: str) -> "ScheduleRefused":
        """Return the refusal of the file that holds this one, with all that is known of this one."""
        outer = ScheduleRefused(file, reason, self.remedy, self.row, self.column)
        outer.understood, outer.quarantined, outer.missing = self.understood, self.quarantined, self.missing
        return outer
