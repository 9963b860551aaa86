"""Releases: a model becomes a layer, a layer and a digest become a Lambda version, the alias points at a version.

The layer holds the model, so a version of the function is self-contained: no bucket has to answer when it starts. Every
step can be repeated: a crash between two steps leaves the alias unchanged, and the next run continues from there.
"""

import io
import json
import re
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from slipcast.features.activity import AHEAD_OF_ALL
from slipcast_aws import waiting
from slipcast_aws.waiting import Deadline

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

MODEL_FILE = "slipcast_model/model.json"
FORECAST_FILE = "slipcast_model/forecast.json"
ALIAS = "live"
# A version has 29 s to answer. The SDK retries throttling and 5xx, never 409 and 412.
_CONFIG = Config(connect_timeout=5, read_timeout=35, retries={"mode": "standard", "total_max_attempts": 4})
# Seconds for which a version that is throttled, or wakes up, is called again.
BUSY_SECONDS = 60
# Known answers may differ by rounding alone.
SAME = 1e-9
# Number of attempts to set the configuration while somebody else changes it.
UPDATES = 10


class ReleaseError(RuntimeError):
    """A new version cannot be published, or does not answer with the model that it should hold."""


@dataclass(frozen=True)
class LiveModel:
    """The model behind the alias; `trained_at` is ISO 8601, empty if the release did not record it."""

    version: str
    model_id: str
    sha256: str
    artefact_uri: str
    profile_uri: str
    dataset_id: str
    trained_at: str = ""
    execution: str = ""

    @property
    def forecast_uri(self) -> str:
        """Address of the model's forecast; the model's metadata say whether it has one, and with which digest."""
        return f"{self.artefact_uri.rsplit('/', 1)[0]}/forecast.json"

    @property
    def twin_uri(self) -> str:
        """Address of the held-out twin, if the model was fitted again for its release; its metadata pin the digest."""
        return twin_uri(self.artefact_uri)

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
    """Answer of a version: status, parsed body, server-side duration (None if unknown) and round-trip time."""

    status: int
    body: Any
    milliseconds: float | None
    around: float


def twin_uri(artefact_uri: str) -> str:
    """Return where the held-out twin of an artifact is."""
    return f"{artefact_uri.rsplit('/', 1)[0]}/twin.json"


@cache
def client() -> "LambdaClient":
    """Return the Lambda client of this execution environment."""
    return boto3.client("lambda", config=_CONFIG)


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


def _model(configuration: Mapping[str, Any]) -> LiveModel | None:
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


def layer_archive(artifact: bytes, forecast: bytes | None = None) -> bytes:
    """Return the zip file of a layer that holds the artifact and its forecast; equal files give the same bytes."""
    files = {MODEL_FILE: artifact} | ({} if forecast is None else {FORECAST_FILE: forecast})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@dataclass(frozen=True)
class Runtime:
    """Runtime of a version.

    Attributes
    ----------
    memory_mb
        memory of the function; its CPU share grows with it
    library
        ARN of the layer with scikit-learn
    needed
        whether the model needs that layer
    snap_start
        whether the version starts from a snapshot of its memory
    """

    memory_mb: int
    library: str
    needed: bool
    snap_start: bool


def publish(
    *,
    function: str,
    layer_name: str,
    bucket: str,
    layer_key: str,
    variables: dict[str, str],
    runtime: Runtime,
    deadline: Deadline,
) -> tuple[str, str]:
    """Publish a version of `function` that holds the model whose layer archive is at `layer_key`.

    Order: layer, configuration, version, wait until the version is active, which with SnapStart takes minutes. The
    alias is not touched. A repeated call finds the existing resources and continues from them.

    Parameters
    ----------
    variables
        the ``MODEL_*`` environment variables that pin the model; ``MODEL_SHA256`` among them
    runtime
        runtime of the version

    Returns
    -------
    tuple[str, str]
        version, layer ARN

    Raises
    ------
    ReleaseError
        If Lambda cannot change the function, or the version fails to start; with Lambda's reason.
    slipcast_aws.waiting.NotReadyError
        If Lambda is not ready at the deadline.
    """
    layer = _layer_version(layer_name, bucket, layer_key, variables["MODEL_SHA256"])
    version = _version(function, layer, variables, runtime, deadline)
    _wait_until_active(function, version, deadline)
    return version, layer


def _version(function: str, layer: str, variables: dict[str, str], runtime: Runtime, deadline: Deadline) -> str:
    """Configure the function and publish exactly this configuration, even if others change it meanwhile.

    A concurrent change, such as an update of the stack, resets the settings of a release. So the version is published
    from a revision that was read and checked; if the revision has changed by then, Lambda refuses (412) and the attempt
    starts again.
    """
    updates = 0
    for _ in deadline.attempts(f"{function} to take the configuration of model {variables['MODEL_ID']}"):
        try:
            seen = client().get_function_configuration(FunctionName=function)
            if seen.get("LastUpdateStatus") == "InProgress" or seen.get("State") == "Pending":
                continue
            changed = _changes(seen, layer, variables, runtime)
            if seen.get("LastUpdateStatus") == "Failed" and (updates or not changed):
                why = f"{seen.get('LastUpdateStatusReasonCode')}, {seen.get('LastUpdateStatusReason')}"
                raise ReleaseError(f"Lambda could not update {function} ({why}): remove the cause and train again")
            if changed and updates == UPDATES:
                others = ", ".join(sorted(changed))
                raise ReleaseError(
                    f"{function} was configured {updates} times and is still different in {others}: something else "
                    "keeps changing it"
                )
            # A repeated release that changes nothing must not count as a change.
            if changed:
                updates += 1
                client().update_function_configuration(FunctionName=function, RevisionId=seen["RevisionId"], **changed)
                continue
            # Without a change since the last version Lambda returns that version: a repeated call publishes no second
            # one.
            return client().publish_version(
                FunctionName=function, Description=f"model {variables['MODEL_ID']}", RevisionId=seen["RevisionId"]
            )["Version"]
        except waiting.ERRORS as error:
            if not waiting.is_busy(error):
                raise
    raise AssertionError("attempts() ends by an error alone")


def _changes(seen: Mapping[str, Any], layer: str, variables: dict[str, str], runtime: Runtime) -> dict[str, Any]:
    """Return the settings that a function still needs for a model; empty if it has all of them."""
    found = _settings(seen)
    wanted = {
        "Layers": _layers(found["Layers"], layer, runtime),
        "Environment": {"Variables": {**found["Environment"]["Variables"], **variables}},
        "MemorySize": runtime.memory_mb,
        "SnapStart": {"ApplyOn": "PublishedVersions" if runtime.snap_start else "None"},
    }
    return {name: value for name, value in wanted.items() if value != found[name]}


def _wait_until_active(function: str, version: str, deadline: Deadline) -> None:
    """Wait until a version can be called; the snapshot of SnapStart is taken before that."""
    for _ in deadline.attempts(f"version {version} of {function} to become active"):
        try:
            found = client().get_function_configuration(FunctionName=function, Qualifier=version)
        except waiting.ERRORS as error:
            if not waiting.is_busy(error):
                raise
            continue
        state = found.get("State", "Active")
        # Inactive: its snapshot was not used for two weeks. A call activates it again.
        if state in ("Active", "Inactive"):
            return
        if state != "Pending":
            why = f"{found.get('StateReasonCode')}, {found.get('StateReason')}"
            snapshot = (found.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions"
            way = "; SnapStart=off releases it without a snapshot" if snapshot else ""
            raise ReleaseError(
                f"version {version} of {function} is {state} ({why}): the log group of {function} has what it printed "
                f"when it started{way}"
            )


def _settings(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a release may change, in the form of the update call."""
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
    """Check the model of version `version`, its predictions and its forecasts with known answers.

    Parameters
    ----------
    golden
        ``activities`` (requests) and ``scores`` (their probabilities by scikit-learn); of a model with a forecast also
        ``forecasts``, in it ``activities`` and ``answers`` (fields of `slipcast.forecast.serving.Forecast`)

    Returns
    -------
    int
        the number of predictions and forecasts compared

    Raises
    ------
    ReleaseError
        If the version does not answer, holds another model, or a number of an answer differs by more than 1e-9.
    """
    model = _ask(function, version, "GET", "/model", None)
    if model.get("sha256") != sha256:
        raise ReleaseError(f"version {version} holds the model {model.get('sha256')}, {sha256} was published")
    activities = [{**activity, **AHEAD_OF_ALL} for activity in golden["activities"]]
    answer = _ask(function, version, "POST", "/predictions", {"activities": activities})
    found = [item["probability"] for item in answer["predictions"]]
    if len(found) != len(golden["scores"]):
        raise ReleaseError(f"version {version} answered {len(found)} of {len(golden['scores'])} known activities")
    differences = [abs(a - b) for a, b in zip(found, golden["scores"], strict=True)]
    # Not "any > limit": every comparison with NaN is false.
    if not all(difference <= SAME for difference in differences):
        raise ReleaseError(f"version {version} differs from scikit-learn by {max(differences):.2e} on known activities")
    return len(found) + _verify_forecasts(function, version, golden.get("forecasts"))


def _verify_forecasts(function: str, version: str, known: Mapping[str, Any] | None) -> int:
    """Check the forecasts of a version; a model that has none, or was judged before it had, has no known ones."""
    if known is None:
        return 0
    answer = _ask(function, version, "POST", "/forecasts", {"activities": known["activities"]})
    found = answer["forecasts"]
    if len(found) != len(known["answers"]):
        raise ReleaseError(f"version {version} gave {len(found)} of {len(known['answers'])} known forecasts")
    for number, (given, expected) in enumerate(zip(found, known["answers"], strict=True)):
        for name, value in expected.items():
            if not _same((given or {}).get(name), value):
                raise ReleaseError(
                    f"version {version} differs in the known forecast {number}: {name} is {(given or {}).get(name)}, "
                    f"{value} was expected"
                )
    return len(found)


def _same(given: Any, expected: Any) -> bool:
    """Return whether two values of an answer are the same, numbers but for rounding."""
    if isinstance(expected, float) and isinstance(given, int | float):
        return abs(given - expected) <= SAME
    return bool(given == expected)


def _ask(function: str, version: str, method: str, path: str, body: Any) -> dict[str, Any]:
    answer = ask(function, version, method, path, body)
    if answer.status != 200:
        # The body says why; headers would fill the message.
        content = answer.body.get("body", answer.body) if isinstance(answer.body, dict) else answer.body
        raise ReleaseError(
            f"version {version} answered {method} {path} with {answer.status}: {json.dumps(content)[:500]}"
        )
    document: dict[str, Any] = answer.body
    return document


def ask(function: str, version: str, method: str, path: str, body: Any) -> Answer:
    """Call one version of `function` like the API, without logging a prediction.

    Raises
    ------
    slipcast_aws.waiting.NotReadyError
        If the version is throttled, or not awake, for `BUSY_SECONDS`.
    """
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
        # API Gateway writes the request context, clients cannot: only a release can call without being logged.
        "requestContext": {"stage": "slipcast-verify", "requestId": f"verify-{version}", "path": path},
    }
    answer, payload, around = _invoke(function, version, json.dumps(request))
    if "FunctionError" in answer or not isinstance(payload, dict) or "statusCode" not in payload:
        return Answer(502, payload, None, around)
    try:
        found = json.loads(payload["body"])
    except (KeyError, TypeError, ValueError):
        found = payload.get("body")
    # For a failed answer, keep its complete text.
    content = found if payload["statusCode"] == 200 else payload
    return Answer(payload["statusCode"], content, _duration(payload), around)


def _invoke(function: str, version: str, request: str) -> tuple[Mapping[str, Any], Any, float]:
    """Return Lambda's answer, its parsed payload, and the milliseconds of the attempt that was answered."""
    for _ in Deadline(BUSY_SECONDS).attempts(f"version {version} of {function} to take a request"):
        began = time.perf_counter()
        try:
            answer = client().invoke(FunctionName=function, Qualifier=version, Payload=request)
        except ClientError as error:
            if not waiting.is_busy(error):
                raise
            continue
        payload = json.loads(answer["Payload"].read())
        return answer, payload, (time.perf_counter() - began) * 1000
    raise AssertionError("attempts() ends by an error alone")


def _duration(payload: dict[str, Any]) -> float | None:
    """Return the milliseconds in a ``Server-Timing`` header; None where there is none."""
    for name, values in (payload.get("multiValueHeaders") or {}).items():
        if name.lower() == "server-timing" and (found := re.search(r";dur=([0-9.]+)", values[0])):
            return float(found[1])
    return None
