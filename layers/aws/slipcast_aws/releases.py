"""Releases: a model becomes a layer, a layer and a digest become a Lambda version, the alias points at a version.

The layer holds the model, so a version of the function is complete in itself: no bucket has to answer when it starts.
Every step can be repeated: a crash between two steps leaves the alias where it was and the next run goes on from there.
"""

import io
import json
import re
import time
import zipfile
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

MODEL_FILE = "slipcast_model/model.json"
ALIAS = "live"
POLLING = {"Delay": 1, "MaxAttempts": 240}


class ReleaseError(RuntimeError):
    """A new version does not answer as the model that it should hold."""


@dataclass(frozen=True)
class LiveModel:
    """The model behind the alias; `trained_at` is ISO 8601, empty where a release did not note it."""

    version: str
    model_id: str
    sha256: str
    artefact_uri: str
    profile_uri: str
    dataset_id: str
    trained_at: str = ""
    execution: str = ""

    def variables(self) -> dict[str, str]:
        """Return the environment variables that pin the model to a version."""
        return {
            "MODEL_SHA256": self.sha256,
            "MODEL_ID": self.model_id,
            "MODEL_URI": self.artefact_uri,
            "MODEL_PROFILE_URI": self.profile_uri,
            "MODEL_DATASET_ID": self.dataset_id,
            "MODEL_TRAINED_AT": self.trained_at,
            "MODEL_EXECUTION": self.execution,
        }


@dataclass(frozen=True)
class Answer:
    """What a version answered: status, parsed body, milliseconds by its own account (or None) and until it was here."""

    status: int
    body: Any
    milliseconds: float | None
    around: float


@cache
def client():
    """Return the Lambda client of this execution environment."""
    return boto3.client("lambda")


def live_model(function: str) -> LiveModel | None:
    """Return the model that the alias ``live`` of `function` serves; None before the first release."""
    configuration = client().get_function_configuration(FunctionName=function, Qualifier=ALIAS)
    return _model(configuration)


def model_of(function: str, version: str) -> LiveModel | None:
    """Return the model of a version of `function`; None if it has none.

    Raises
    ------
    ReleaseError
        If there is no such version.
    """
    try:
        return _model(client().get_function_configuration(FunctionName=function, Qualifier=version))
    except client().exceptions.ResourceNotFoundException as error:
        raise ReleaseError(f"there is no version {version} of {function}: it was pruned, or never made") from error


def _model(configuration: dict[str, Any]) -> LiveModel | None:
    variables = configuration.get("Environment", {}).get("Variables", {})
    if not variables.get("MODEL_SHA256"):
        return None
    return LiveModel(
        version=configuration["Version"],
        model_id=variables["MODEL_ID"],
        sha256=variables["MODEL_SHA256"],
        artefact_uri=variables["MODEL_URI"],
        profile_uri=variables["MODEL_PROFILE_URI"],
        dataset_id=variables["MODEL_DATASET_ID"],
        trained_at=variables.get("MODEL_TRAINED_AT", ""),
        execution=variables.get("MODEL_EXECUTION", ""),
    )


def layer_archive(artefact: bytes) -> bytes:
    """Return the zip file of a layer that holds `artefact`, the same bytes for the same artefact."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(MODEL_FILE, date_time=(1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100644 << 16
        archive.writestr(entry, artefact, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(frozen=True)
class Runtime:
    """What a version runs with.

    Attributes
    ----------
    memory_mb : memory of the function, which its processor goes with
    library : ARN of the layer with scikit-learn
    needed : whether the model needs that layer
    snap_start : whether the version starts from a snapshot of its memory
    """

    memory_mb: int
    library: str
    needed: bool
    snap_start: bool


def publish(
    *, function: str, layer_name: str, bucket: str, layer_key: str, variables: dict[str, str], runtime: Runtime
) -> tuple[str, str]:
    """Publish a version of `function` that holds the model whose layer archive is at `layer_key`.

    Order: layer, configuration, wait until it is active, version. The alias is not touched.

    Parameters
    ----------
    variables : the ``MODEL_*`` environment variables that pin the model; ``MODEL_SHA256`` among them
    runtime : what the version runs with

    Returns
    -------
    version, layer ARN
    """
    layer = _layer_version(layer_name, bucket, layer_key, variables["MODEL_SHA256"])
    current = client().get_function_configuration(FunctionName=function)
    found = _settings(current)
    wanted = {
        "Layers": _layers(found["Layers"], layer, runtime),
        "Environment": {"Variables": {**found["Environment"]["Variables"], **variables}},
        "MemorySize": runtime.memory_mb,
        "SnapStart": {"ApplyOn": "PublishedVersions" if runtime.snap_start else "None"},
    }
    changed = {name: value for name, value in wanted.items() if value != found[name]}
    # A repeated release that changes nothing must not count as a change.
    if changed:
        client().update_function_configuration(FunctionName=function, RevisionId=current["RevisionId"], **changed)
    # The second version of this waiter needs leave to download the function's code.
    client().get_waiter("function_updated").wait(FunctionName=function, WaiterConfig=POLLING)
    # Without a change since the last version Lambda answers with that one: a repeated release makes no second.
    version = client().publish_version(FunctionName=function, Description=f"model {variables['MODEL_ID']}")["Version"]
    client().get_waiter("published_version_active").wait(FunctionName=function, Qualifier=version, WaiterConfig=POLLING)
    return version, layer


def _settings(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return what a release may change, in the form in which it is set."""
    return {
        "Layers": [item["Arn"] for item in configuration.get("Layers", [])],
        "Environment": {"Variables": configuration.get("Environment", {}).get("Variables", {})},
        "MemorySize": configuration["MemorySize"],
        "SnapStart": {"ApplyOn": configuration.get("SnapStart", {}).get("ApplyOn", "None")},
    }


def _layers(before: list[str], model: str, runtime: Runtime) -> list[str]:
    """Return the layers of the code, then scikit-learn's if the model needs it, then the model's."""
    ours = {arn.rsplit(":", 1)[0] for arn in (model, runtime.library)}
    kept = [arn for arn in before if arn.rsplit(":", 1)[0] not in ours]
    return [*kept, *([runtime.library] if runtime.needed else []), model]


def _layer_version(layer_name: str, bucket: str, key: str, sha256: str) -> str:
    """Return the ARN of the layer version for the model with digest `sha256`, publishing it if there is none."""
    for page in client().get_paginator("list_layer_versions").paginate(LayerName=layer_name):
        for item in page["LayerVersions"]:
            if item.get("Description") == sha256:
                return item["LayerVersionArn"]
    return client().publish_layer_version(
        LayerName=layer_name, Description=sha256, Content={"S3Bucket": bucket, "S3Key": key}
    )["LayerVersionArn"]


def verify(*, function: str, version: str, sha256: str, golden: dict[str, Any]) -> int:
    """Ask version `version` itself for the model it holds and for predictions with known answers.

    Parameters
    ----------
    golden : ``activities`` (requests) and ``scores`` (their probabilities by scikit-learn)

    Returns
    -------
    the number of predictions compared

    Raises
    ------
    ReleaseError
        If the version does not answer, holds another model or differs from scikit-learn by more than 1e-9.
    """
    model = _ask(function, version, "GET", "/model", None)
    if model.get("sha256") != sha256:
        raise ReleaseError(f"version {version} holds the model {model.get('sha256')}, {sha256} was published")
    answer = _ask(function, version, "POST", "/predictions", {"activities": golden["activities"]})
    found = [item["probability"] for item in answer["predictions"]]
    if len(found) != len(golden["scores"]):
        raise ReleaseError(f"version {version} answered {len(found)} of {len(golden['scores'])} known activities")
    differences = [abs(a - b) for a, b in zip(found, golden["scores"], strict=True)]
    # Not "any above": NaN is above nothing.
    if not all(difference <= 1e-9 for difference in differences):
        raise ReleaseError(f"version {version} differs from scikit-learn by {max(differences):.2e} on known activities")
    return len(found)


def _ask(function: str, version: str, method: str, path: str, body: Any) -> dict[str, Any]:
    answer = ask(function, version, method, path, body)
    if answer.status != 200:
        raise ReleaseError(f"version {version} answered {method} {path} with {json.dumps(answer.body)[:500]}")
    return answer.body


def ask(function: str, version: str, method: str, path: str, body: Any) -> Answer:
    """Ask one version of `function` as the API would, without being logged as a prediction."""
    request = {
        "httpMethod": method,
        "path": path,
        "resource": path,
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
        "body": None if body is None else json.dumps(body),
        # API Gateway writes the request context, no client can: only a release can ask without being logged.
        "requestContext": {"stage": "slipcast-verify", "requestId": f"verify-{version}", "path": path},
    }
    began = time.perf_counter()
    answer = client().invoke(FunctionName=function, Qualifier=version, Payload=json.dumps(request))
    payload = json.loads(answer["Payload"].read())
    around = (time.perf_counter() - began) * 1000
    if "FunctionError" in answer or not isinstance(payload, dict) or "statusCode" not in payload:
        return Answer(502, payload, None, around)
    try:
        found = json.loads(payload["body"])
    except (KeyError, TypeError, ValueError):
        found = payload.get("body")
    # Of an answer that went wrong, all that it says of itself is wanted.
    told = found if payload["statusCode"] == 200 else payload
    return Answer(payload["statusCode"], told, _duration(payload), around)


def _duration(payload: dict[str, Any]) -> float | None:
    """Return the milliseconds in a ``Server-Timing`` header; None where there is none."""
    for name, values in (payload.get("multiValueHeaders") or {}).items():
        if name.lower() == "server-timing" and (found := re.search(r";dur=([0-9.]+)", values[0])):
            return float(found[1])
    return None
