"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import number, setting


@dataclass(frozen=True)
class Settings:
    """Settings as they are during one call."""

    control_table: str
    data_bucket: str
    feature_table: str
    tolerance_days: int

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings of this function.

        Raises
        ------
        slipcast_aws.settings.SettingError
            If one is absent or cannot be read as its type.
        """
        return cls(
            control_table=setting("CONTROL_TABLE"),
            data_bucket=setting("DATA_BUCKET"),
            feature_table=setting("FEATURE_TABLE"),
            tolerance_days=int(number("TOLERANCE_DAYS")),
        )
