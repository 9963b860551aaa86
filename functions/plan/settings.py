"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
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
