"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """Settings as they are during one call."""

    data_bucket: str
    api_auth: str
