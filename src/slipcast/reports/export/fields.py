"""Fields that a forecast adds to an activity in a file of a scheduling tool. Standard library only."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class NotTheFileError(ValueError):
    """A file that is not of the format, or not of the project."""


class Forecast(NamedTuple):
    """Forecast of an activity, as it is written into a file.

    Attributes
    ----------
    probability
        probability of being late, from 0 to 1
    p50, p80
        days, ISO 8601
    days_late
        calendar days by which it is late already
    """

    probability: float | None
    p50: str | None
    p80: str | None
    days_late: int


def forecasts(columns: Mapping[str, Any]) -> dict[str, Forecast]:
    """Return the forecasts of the open activities of a project, by activity; `columns` as they are stored."""
    names = ("activity_id", "stage", "late_probability", "p50", "p80", "days_late")
    return {
        identifier: Forecast(probability, p50, p80, late)
        for identifier, stage, probability, p50, p80, late in zip(*(columns[name] for name in names), strict=True)
        if stage != "complete" and (probability is not None or p80)
    }


# Titles of the fields in the tools.
PROBABILITY, P50, P80, DAYS_LATE = (
    *("Slipcast late probability", "Slipcast P50 finish", "Slipcast P80 finish", "Slipcast days late"),
)
TITLES = (PROBABILITY, P50, P80, DAYS_LATE)


def values(found: Forecast) -> Iterable[tuple[str, float | int | str]]:
    """Return title and value of the fields that a forecast has."""
    for title, value in zip(TITLES, found, strict=True):
        if value is not None:
            yield title, value
