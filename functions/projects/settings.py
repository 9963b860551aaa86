"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """Settings as they are during one call."""

    data_bucket: str
    control_table: str
    state_machine_arn: str
    api_auth: str
    predict_function: str
    approve_function: str
    prepare_function: str
    topic_arn: str
    public_base_url: str
    max_file_megabytes: float

    @property
    def max_bytes(self) -> int:
        """Return the bytes that a file may have."""
        return round(self.max_file_megabytes * 1_000_000)
