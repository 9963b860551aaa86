"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """Settings as they are during one call."""

    predict_function: str
    data_bucket: str
    control_table: str
    monitor_window_hours: float
    calibration_tolerance: float
    redact_columns: str
    id_salt: str
    drift_min_rows: int
    drift_datapoints: int
    drift_periods: int
    drift_false_alarms: float
