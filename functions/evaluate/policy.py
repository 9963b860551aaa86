"""Policy of the stack's owner, from the environment variables that template.yaml sets."""

from slipcast.evaluation.assessment import Policy
from slipcast_aws.settings import number, setting


def from_settings() -> Policy:
    """Return the policy: costs, limits and ages."""
    columns = (name.strip() for name in setting("FAIRNESS_COLUMNS").split(","))
    return Policy(
        missed_delay_cost=number("MISSED_DELAY_COST"),
        false_alarm_cost=number("FALSE_ALARM_COST"),
        fairness_columns=tuple(dict.fromkeys(name for name in columns if name)),
        max_gaps={
            "selection_rate": number("MAX_SELECTION_RATE_GAP"),
            "false_negative_rate": number("MAX_FALSE_NEGATIVE_RATE_GAP"),
            "calibration_gap": number("MAX_CALIBRATION_GAP"),
        },
        max_model_age_days=number("MAX_MODEL_AGE_DAYS"),
        non_inferiority_margin=number("NON_INFERIORITY_MARGIN"),
    )
