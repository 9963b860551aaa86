"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
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
    min_forecast_coverage: float
    max_forecast_coverage: float
