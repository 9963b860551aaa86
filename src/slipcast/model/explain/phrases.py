"""Human-readable reasons, with the schedule's own column names where it has them."""

import math
from calendar import month_name
from collections.abc import Mapping
from typing import Any, NamedTuple

from slipcast.features.row import MISSING
from slipcast.model.explain.contributions import Contributions, Reason, top

# Plain words for features that are not columns of a schedule, or whose own name is not known.
_PLAIN = {
    "baseline_duration_days": "planned duration in days",
    "log_budget": "budget",
    "total_float_days": "total float in days",
    "predecessor_count": "number of predecessors",
    "project_slip_days": "project slip so far",
    "project_gap_days": "days since the project's last finish",
    "location_late_rate": "late rate of the location above that of all",
    "activity_name_late_rate": "late rate of such activities above that of all",
    "project_late_rate": "late rate of the project above that of all",
    "project_mean_slip": "mean slip of the project above that of all, in days",
    "finish_season": "month of the planned finish",
    "phase": "phase",
    "work_type": "work type",
    "location": "location",
    # Of a forecast from a data date.
    "elapsed": "days since the start",
    "elapsed_share": "share of the planned duration that has passed",
    "to_finish": "days to the planned finish",
    "to_start": "days to the planned start",
    "at_start": "probability of delay at the start",
}
# Features of a forecast that are known as of its data date.
_NOW = "now_"
_COLUMNS = {"log_budget": "budget"}
# Columns read in the file's own unit and converted to days.
_IN_DAYS = ("baseline_duration_days", "total_float_days")
_SEASON = ("finish_season_sin", "finish_season_cos")
_LONGEST = 80


class Described(NamedTuple):
    """A reason in words.

    Attributes
    ----------
    feature
        name of the feature
    name, value
        what a planner calls it, and its value
    effect
        its contribution
    """

    feature: str
    name: str
    value: str
    effect: float


def sentence(
    found: Contributions, features: Mapping[str, Any], own_names: Mapping[str, str] | None = None, count: int = 3
) -> str:
    """Return the largest contributions as text: ``project slip so far 45 (+0.62); Budget 5000 (-0.11)``.

    Parameters
    ----------
    found, features
        contributions of an activity, and its features
    own_names
        canonical column → name in the user's schedule
    count
        how many
    """
    return "; ".join(
        f"{item.name} {item.value} ({item.effect:+.2f})" for item in described(found, features, own_names, count)
    )


def described(
    found: Contributions, features: Mapping[str, Any], own_names: Mapping[str, str] | None = None, count: int = 3
) -> list[Described]:
    """Return the largest contributions in words; parameters are those of `sentence`."""
    merged, values = _one_season(found, features)
    return [
        Described(reason.feature, _name(reason.feature, own_names or {}), _value(reason), reason.contribution)
        for reason in top(merged, values, count)
    ]


def _one_season(found: Contributions, features: Mapping[str, Any]) -> tuple[Contributions, Mapping[str, Any]]:
    """Merge sine and cosine of the month into one reason."""
    if not all(name in found.features for name in _SEASON):
        return found, features
    others = {name: value for name, value in found.features.items() if name not in _SEASON}
    season = math.fsum(found.features[name] for name in _SEASON)
    sine, cosine = (features[name] for name in _SEASON)
    month = None
    if sine is not None and cosine is not None:
        month = month_name[round(math.atan2(sine, cosine) / math.tau * 12) % 12 or 12]
    return Contributions(found.base, {**others, "finish_season": season}), {**features, "finish_season": month}


def _name(feature: str, own_names: Mapping[str, str]) -> str:
    own = own_names.get(_COLUMNS.get(feature, feature))
    if own is None:
        bare = feature.removeprefix(_NOW)
        plain = _PLAIN.get(bare, bare.replace("_", " "))
        return plain if bare == feature else f"{plain}, as of the data date"
    return f"{_short(own)} in days" if feature in _IN_DAYS else _short(own)


def _value(reason: Reason) -> str:
    value = reason.value
    if value is None or value == MISSING or value != value:
        return "unknown"
    if isinstance(value, str):
        return _short(value)
    number = math.expm1(value) if reason.feature == "log_budget" else value
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
