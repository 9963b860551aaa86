"""MLflow: what is known of the registered model that the alias ``champion`` was given to by hand."""

from mlflow.tracking import MlflowClient

from slipcast_aws.tracking.mlflow_runs import MAX_TAG, model_name, registered
from slipcast_aws.tracking.registry_webhook import ALIAS


def released(version: str) -> dict[str, str]:
    """Return digest and Lambda version of a registered model; ``version`` is empty for one that was never released."""
    tags = MlflowClient().get_model_version(model_name(), version).tags
    number = tags.get("lambda_version", "") if tags.get("slipcast.release") == "released" else ""
    return {"sha256": tags.get("artefact_sha256", ""), "version": number}


def give_back(execution: str, version: str, why: str) -> None:
    """Give the alias back to the model of `execution`, and tag the refused version with the reason."""
    client = MlflowClient()
    _, before = registered(client, execution)
    client.set_registered_model_alias(model_name(), ALIAS, before)
    client.set_model_version_tag(model_name(), version, "slipcast.refused", why[:MAX_TAG])
