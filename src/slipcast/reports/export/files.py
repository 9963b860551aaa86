"""Formats of an export: what they are called, whether they need the user's own file, and who writes them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from slipcast.reports.export import tables, xer, xml
from slipcast.reports.export.fields import NotTheFileError, forecasts


class Format(NamedTuple):
    """A format.

    Attributes
    ----------
    suffix
        of the file's name
    media_type
        of an answer
    into
        whether the forecast is written into the user's own file
    """

    suffix: str
    media_type: str
    into: bool


FORMATS = {
    "xer": Format(".xer", "application/octet-stream", True),
    "pmxml": Format(".xml", "application/xml", True),
    "mspdi": Format(".xml", "application/xml", True),
    "csv": Format(".csv", "text/csv; charset=utf-8", False),
    "xlsx": Format(".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", False),
}
_WRITERS = {"xer": xer.write, "pmxml": xml.write_pmxml, "mspdi": xml.write_mspdi}
__all__ = ["FORMATS", "Format", "NotTheFileError", "exported"]


def exported(name: str, columns: Mapping[str, Any], head: Mapping[str, Any], own: bytes | None = None) -> bytes:
    """Return the forecast of a project in a format.

    Parameters
    ----------
    name
        one of `FORMATS`
    columns
        activities column by column, as they are stored
    head
        ``name``, ``data_date`` and ``completion`` of the project
    own
        the user's file, for a format that is written into it

    Raises
    ------
    NotTheFileError
        If there is no such file, or it is not of the format or the project.
    """
    if not FORMATS[name].into:
        return tables.to_csv(columns) if name == "csv" else tables.to_xlsx(columns, head)
    if own is None:
        raise NotTheFileError("the forecast is written into the file that you exported: name it")
    return _WRITERS[name](own, forecasts(columns), str(head["name"]))
