"""The network of a schedule file, for `slipcast.schedule`."""

import tempfile
from pathlib import Path

from slipcast.ingest.files.formats import open_upload
from slipcast.ingest.refusal import ScheduleRefused
from slipcast.schedule.network import Network
from slipcast.schedule.tables import network_of, read_folder


def read_rows(path: Path) -> dict[str, list[dict[str, str]]]:
    """Return the rows of the network's tables (`network_columns.TABLES`) of a file of P6 or MS Project.

    Raises
    ------
    ScheduleRefused
        If the file cannot be used, or is a table of text.
    """
    with tempfile.TemporaryDirectory() as folder:
        text = open_upload(path, path.name, workdir=Path(folder))
        if text.network is None:
            raise ScheduleRefused(
                path.name,
                "a table has no calendars and no schedule options: dates cannot be computed from it",
                "Export XER or XML from Primavera P6, or XML from MS Project",
            )
        return read_folder(text.network)


def read_network(path: Path) -> Network:
    """Return the network of a file of P6 or MS Project; raise `ScheduleRefused` if the file cannot be used."""
    rows = read_rows(path)
    try:
        return network_of(rows)
    except ValueError as error:
        remedy = "Schedule the project once (F9 in Primavera P6 and in MS Project)"
        raise ScheduleRefused(path.name, str(error), remedy) from error
