"""Policy of the stack's owner, from the environment variables that template.yaml sets."""

from evaluate.settings import Settings
from slipcast.evaluation.assessment import Policy
from slipcast.evaluation.forecast import Bounds


def from_settings(settings: Settings) -> Policy:
    """Return the policy: costs, limits and ages."""
    columns = (name.strip() for name in settings.fairness_columns.split(","))
    return Policy(
        missed_delay_cost=settings.missed_delay_cost,
        false_alarm_cost=settings.false_alarm_cost,
        fairness_columns=tuple(dict.fromkeys(name for name in columns if name)),
        max_gaps={
            "selection_rate": settings.max_selection_rate_gap,
            "false_negative_rate": settings.max_false_negative_rate_gap,
            "calibration_gap": settings.max_calibration_gap,
        },
        max_model_age_days=settings.max_model_age_days,
        non_inferiority_margin=settings.non_inferiority_margin,
        forecast=Bounds(settings.min_forecast_coverage, settings.max_forecast_coverage),
    )
