"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """Settings as they are during one call.

    Attributes
    ----------
    max_file_megabytes
        Largest size of a dropped file, packed and unpacked.
    max_bad_share
        Share of bad rows above which a file is refused whole.
    on_schema_change
        ``warn`` or ``refuse``.
    tolerance_days
        Calendar days after the baseline finish that still count as on time.
    min_matured_rows
        Known outcomes below which nothing is trained.
    retrain_budget
        Trainings of a month that no person asks for.
    """

    data_bucket: str
    control_table: str
    predict_function: str
    max_file_megabytes: int
    max_bad_share: float
    on_schema_change: str
    tolerance_days: int
    min_matured_rows: int
    train_on_new_data: bool
    retrain_budget: int
    cooldown_minutes: float

    @property
    def max_bytes(self) -> int:
        """Largest size of a dropped file in bytes."""
        return self.max_file_megabytes * 1_000_000
