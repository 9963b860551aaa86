"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import number, setting


@dataclass(frozen=True)
class Settings:
    """Settings as they are during one call."""

    data_bucket: str
    measured_rows: int

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
            measured_rows=int(number("MEASURED_ROWS")),
        )
