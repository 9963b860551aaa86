"""Point-in-time features of a request's activities, from the feature store, if the model needs any."""

import os
from collections.abc import Sequence
from typing import Any


def with_history(activities: Sequence[dict[str, Any]], names: tuple[str, ...]) -> Sequence[dict[str, Any]]:
    """Return the activities with the point-in-time features `names`.

    If the store does not answer, the features are unknown, as for a new key, and a metric counts it: the prediction is
    less accurate, but it is given.
    """
    table = os.environ.get("FEATURE_TABLE")
    if not names or not table or all(activity.get("history") is not None for activity in activities):
        return activities
    from slipcast_aws.serving import feature_store

    try:
        return feature_store.with_history(table, activities, names)
    except (feature_store.FeatureStoreError, ValueError, *_of_the_sdk()) as error:
        from aws_lambda_powertools import Logger, Metrics
        from aws_lambda_powertools.metrics import MetricUnit

        Logger().error("the feature store did not answer", error=str(error))
        metrics = Metrics()
        metrics.add_metric("FeatureStoreFailed", MetricUnit.Count, 1)
        metrics.flush_metrics()
        return activities


def _of_the_sdk() -> tuple[type[Exception], ...]:
    """Return the exceptions of the SDK; imported only after an exception, because importing takes 0.2 s."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError
