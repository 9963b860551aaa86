"""Forecasts written back into files of scheduling tools, and as tables for spreadsheets."""

from slipcast.reports.export.files import FORMATS, NotTheFileError, exported

__all__ = ["FORMATS", "NotTheFileError", "exported"]
