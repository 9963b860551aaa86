"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import number, setting


@dataclass(frozen=True)
class Settings:
    """Settings as they are during one call."""

    data_bucket: str
    random_seed: int
    search_budget_seconds: float
    tolerated_failure_share: float
    tolerance_days: int
    holdout_months: int
    paper_protocol: bool
    train_memory_mb: float
    inline_tasks: int

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
            random_seed=int(number("RANDOM_SEED")),
            search_budget_seconds=number("SEARCH_BUDGET_SECONDS"),
            tolerated_failure_share=number("TOLERATED_FAILURE_SHARE"),
            tolerance_days=int(number("TOLERANCE_DAYS")),
            holdout_months=int(number("HOLDOUT_MONTHS")),
            paper_protocol=setting("PAPER_PROTOCOL") == "true",
            train_memory_mb=number("TRAIN_MEMORY_MB"),
            inline_tasks=int(number("INLINE_TASKS")),
        )
