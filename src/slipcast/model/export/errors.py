"""The error of an export."""


class ExportError(ValueError):
    """The pipeline contains a part that the scorer cannot repeat exactly."""
