"""Why a file, or a profile, cannot be used."""


class ScheduleRefused(ValueError):
    """The file cannot be used; the message names file, row, column and remedy.

    Attributes
    ----------
    file, reason, remedy : str
    row : int or None
        Physical line in the file (row in a workbook); the first is 1.
    column : str or None
    """

    def __init__(self, file: str, reason: str, remedy: str, row: int | None = None, column: str | None = None) -> None:
        self.file, self.reason, self.remedy, self.row, self.column = file, reason, remedy, row, column
        where = file
        if row is not None:
            where += f", line {row}"
        if column is not None:
            where += f", column {column}"
        super().__init__(f"{where}: {reason}. {remedy}.")
