"""The error of an export."""


class ExportError(ValueError):
    """The pipeline holds something that the scorer cannot repeat exactly."""
