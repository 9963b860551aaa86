"""Settings of the function, from the environment variables that template.yaml gives."""

from dataclasses import dataclass
from typing import Self

from slipcast_aws.settings import setting


@dataclass(frozen=True)
class Settings:
    """Settings as they are during one call."""

    predict_function: str
    data_bucket: str
    topic_arn: str
    feature_table: str
    redact_columns: str
    id_salt: str

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
            topic_arn=setting("TOPIC_ARN"),
            feature_table=setting("FEATURE_TABLE"),
            redact_columns=setting("REDACT_COLUMNS"),
            id_salt=setting("ID_SALT"),
        )
