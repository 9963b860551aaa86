"""Pruning of versions of the predict function, and of model layers, that are no longer needed."""

from typing import TYPE_CHECKING

from slipcast.contracts import Pruned
from slipcast_aws.release import traffic
from slipcast_aws.release import versions as releases

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import FunctionConfigurationTypeDef


def prune(function: str, layer_name: str, *, keep: int, protected: set[str]) -> Pruned:
    """Delete all but the last `keep` released versions and the model layers that only the deleted ones had.

    Versions of the alias stay, whatever their age, as do `protected` versions and the first one, which has no model and
    belongs to CloudFormation. Lambda itself refuses to delete a version that an alias names.

    Returns
    -------
    dict[str, list[str]]
        ``versions`` and ``layers`` (ARNs) that were deleted
    """
    client = releases.client()
    versions = _versions(function)
    released = sorted((int(item["Version"]) for item in versions if _has_model(item)), reverse=True)
    seen = traffic.current(function)
    needed = {seen.version, *seen.weights, *protected, *map(str, released[:keep])}
    gone = [str(number) for number in reversed(released) if str(number) not in needed]
    for version in gone:
        client.delete_function(FunctionName=function, Qualifier=version)
    used = {layer["Arn"] for item in versions if item["Version"] not in gone for layer in item.get("Layers", [])}
    layers = [arn for arn in _layers(layer_name) if arn not in used]
    for arn in layers:
        client.delete_layer_version(LayerName=layer_name, VersionNumber=int(arn.rsplit(":", 1)[1]))
    return {"versions": gone, "layers": layers}


def _layers(layer_name: str) -> list[str]:
    pages = releases.client().get_paginator("list_layer_versions").paginate(LayerName=layer_name)
    return [item["LayerVersionArn"] for page in pages for item in page["LayerVersions"]]


def _versions(function: str) -> "list[FunctionConfigurationTypeDef]":
    pages = releases.client().get_paginator("list_versions_by_function").paginate(FunctionName=function)
    return [item for page in pages for item in page["Versions"]]


def _has_model(configuration: "FunctionConfigurationTypeDef") -> bool:
    variables = configuration.get("Environment", {}).get("Variables", {})
    return configuration["Version"] != "$LATEST" and bool(variables.get("MODEL_SHA256"))
