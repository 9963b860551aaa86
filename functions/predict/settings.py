"""Settings of predict's functions, from the environment variables that template.yaml and a release give."""

import os
from functools import cache
from typing import NamedTuple


# Not `slipcast_aws.settings`: dataclasses take a tenth of a cold start.
class Settings(NamedTuple):
    """Environment variables by their names in lower case; empty where one of the functions has none of that name.

    ``model_*`` are what a release pins (`slipcast_aws.release.versions.LiveModel.variables`).
    """

    powertools_metrics_namespace: str
    powertools_service_name: str
    aws_lambda_function_version: str
    aws_lambda_initialization_type: str
    api_auth: str
    batch_function: str
    control_table: str
    data_bucket: str
    feature_table: str
    id_salt: str
    idempotency_table: str
    model_execution: str
    model_id: str
    model_path: str
    model_sha256: str
    model_trained_at: str
    model_uri: str
    predict_function: str
    redact_columns: str
    worth_a_call: str


_DEFAULTS = {
    "powertools_service_name": "service_undefined",
    "aws_lambda_function_version": "$LATEST",
    "api_auth": "api_key",
    # Number of tree nodes that a request visits; with fewer, the call takes longer than it saves. Measured by `python
    # -m benchmarks.serving --parts crossover`, with a margin for the call's duration on AWS, see docs/serving.md.
    "worth_a_call": "150000",
}


@cache
def settings() -> Settings:
    """Return the settings of this function, which are read once: they do not change while it runs."""
    return Settings(*(os.environ.get(name.upper(), _DEFAULTS.get(name, "")) for name in Settings._fields))
