"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass

from slipcast_aws.settings import FunctionSettings


@dataclass(frozen=True)
class Settings(FunctionSettings):
    """Settings as they are during one call."""

    predict_function: str
    data_bucket: str
    topic_arn: str
    feature_table: str
    redact_columns: str
    id_salt: str
