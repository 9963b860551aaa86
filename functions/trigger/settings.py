"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import number, setting


@dataclass(frozen=True)
class Settings:
    """Settings as they are during one call."""

    control_table: str
    state_machine_arn: str
    cooldown_minutes: float
    retrain_alarms: tuple[str, ...]

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
            state_machine_arn=setting("STATE_MACHINE_ARN"),
            cooldown_minutes=number("COOLDOWN_MINUTES"),
            retrain_alarms=tuple(setting("RETRAIN_ALARMS").split(",")),
        )
