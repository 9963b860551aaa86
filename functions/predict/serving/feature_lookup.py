"""Point-in-time features of a request's activities, from the feature store, if the model needs any."""

from collections.abc import Mapping, Sequence
from typing import Any

from predict.settings import settings


def with_history(activities: Sequence[dict[str, Any]], names: tuple[str, ...]) -> Sequence[Mapping[str, Any]]:
    """Return the activities with the point-in-time features `names`.

    If the store does not answer, the features are unknown, as for a new key, and a metric counts it: the prediction is
    less accurate, but it is given.
    """
    table = settings().feature_table
    if not names or not table or all(activity.get("history") is not None for activity in activities):
        return activities
    from slipcast_aws.serving import feature_store

    try:
        return feature_store.with_history(table, activities, names)
    except _outages() as error:
        from aws_lambda_powertools import Logger, Metrics
        from aws_lambda_powertools.metrics import MetricUnit

        Logger().error("the feature store did not answer", error=str(error))
        metrics = Metrics()
        metrics.add_metric("FeatureStoreFailed", MetricUnit.Count, 1)
        metrics.flush_metrics()
        return activities


def _outages() -> tuple[type[Exception], ...]:
    """Return what the store and the SDK raise: asked for only when something was raised, importing it takes 0.2 s."""
    from botocore.exceptions import BotoCoreError, ClientError

    from slipcast_aws.serving.feature_store import FeatureStoreError

    return FeatureStoreError, ValueError, BotoCoreError, ClientError
