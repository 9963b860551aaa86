"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import number, setting


@dataclass(frozen=True)
class Settings:
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

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings of this function.

        Raises
        ------
        slipcast_aws.settings.SettingError
            If one is absent or cannot be read as its type.
        """
        return cls(
            predict_function=setting("PREDICT_FUNCTION"),
            data_bucket=setting("DATA_BUCKET"),
            control_table=setting("CONTROL_TABLE"),
            monitor_window_hours=number("MONITOR_WINDOW_HOURS"),
            calibration_tolerance=number("CALIBRATION_TOLERANCE"),
            redact_columns=setting("REDACT_COLUMNS"),
            id_salt=setting("ID_SALT"),
            drift_min_rows=int(number("DRIFT_MIN_ROWS")),
            drift_datapoints=int(number("DRIFT_DATAPOINTS")),
            drift_periods=int(number("DRIFT_PERIODS")),
            drift_false_alarms=number("DRIFT_FALSE_ALARMS"),
        )
