"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import number, setting


@dataclass(frozen=True)
class Settings:
    """Settings as they are during one call."""

    data_bucket: str
    predict_function: str
    tolerance_days: int
    missed_delay_cost: float
    false_alarm_cost: float
    fairness_columns: str
    max_selection_rate_gap: float
    max_false_negative_rate_gap: float
    max_calibration_gap: float
    max_model_age_days: float
    non_inferiority_margin: float

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings of this function.

        Raises
        ------
        slipcast_aws.settings.SettingError
            If one is absent or cannot be read as its type.
        """
        return cls(
            data_bucket=setting("DATA_BUCKET"),
            predict_function=setting("PREDICT_FUNCTION"),
            tolerance_days=int(number("TOLERANCE_DAYS")),
            missed_delay_cost=number("MISSED_DELAY_COST"),
            false_alarm_cost=number("FALSE_ALARM_COST"),
            fairness_columns=setting("FAIRNESS_COLUMNS"),
            max_selection_rate_gap=number("MAX_SELECTION_RATE_GAP"),
            max_false_negative_rate_gap=number("MAX_FALSE_NEGATIVE_RATE_GAP"),
            max_calibration_gap=number("MAX_CALIBRATION_GAP"),
            max_model_age_days=number("MAX_MODEL_AGE_DAYS"),
            non_inferiority_margin=number("NON_INFERIORITY_MARGIN"),
        )
