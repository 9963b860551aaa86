"""Formats of an export: what they are called, whether they need the user's own file, and who writes them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from slipcast.reports import project
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
    "html": Format(".html", "text/html; charset=utf-8", False),
    "csv": Format(".csv", "text/csv; charset=utf-8", False),
    "xlsx": Format(".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", False),
}
_WRITERS = {"xer": xer.write, "pmxml": xml.write_pmxml, "mspdi": xml.write_mspdi}
__all__ = ["FORMATS", "Format", "NotTheFileError", "exported"]


def exported(
    name: str,
    columns: Mapping[str, Any],
    head: Mapping[str, Any],
    own: bytes | None = None,
    forecast: Mapping[str, Any] | None = None,
) -> bytes:
    """Return the forecast of a project in a format.

    Parameters
    ----------
    name
        one of `FORMATS`
    columns
        activities column by column, as they are stored
    head
        what a list says of the project
    own
        the user's file, for a format that is written into it
    forecast
        the part `sections.FORECAST`, for the page

    Raises
    ------
    NotTheFileError
        If there is no such file, or it is not of the format or the project.
    """
    if name == "html":
        return project.render(head, forecast or {}, columns).encode()
    if not FORMATS[name].into:
        return tables.to_csv(columns) if name == "csv" else tables.to_xlsx(columns, head)
    if own is None:
        raise NotTheFileError("the forecast is written into the file that you exported: name it")
    return _WRITERS[name](own, forecasts(columns), str(head["name"]))
