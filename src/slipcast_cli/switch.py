"""Manual change of the live model: rollback to the previous one, or promotion of an earlier version.

``slipcast rollback`` and ``slipcast promote VERSION``. Each moves the alias in one update and leaves an entry in
the audit trail, a message on the topic and a record for MLflow.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
from botocore.exceptions import ClientError

from slipcast.contracts import ReleaseRecord
from slipcast_aws import storage
from slipcast_aws.control import audit, releases
from slipcast_aws.release import traffic, versions
from slipcast_aws.release.versions import LiveModel, ReleaseError
from slipcast_aws.tracking import outbox
from slipcast_cli.stack import DeployedStack

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Names of a stack's resources."""

    function: str
    bucket: str
    table: str
    topic: str
    track: str


def place_of(stack: DeployedStack) -> Place:
    """Return the resource names of a deployed stack, from its outputs."""
    return Place(
        function=stack.output("PredictFunctionName"),
        bucket=stack.output("DataBucketName"),
        table=stack.output("ControlTableName"),
        topic=stack.output("TopicArn"),
        track=f"{stack.name}-track",
    )


def rollback(place: Place, by: str) -> str:
    """Roll back: end the canary if there is one, else make the previous version live; return what was done.

    Raises
    ------
    ReleaseError
        If the previous version is unknown, has no model or no longer exists.
    """
    seen = traffic.current(place.function)
    if seen.weights:
        traffic.change(place.function, seen, version=seen.version)
        ended = ", ".join(seen.weights)
        said = f"the canary of version {ended} was ended by {by}, version {seen.version} answers all requests"
        _record(place, "canary ended", seen.version, said)
        return said
    known = releases.release(place.table, seen.version)
    if known is None:
        raise ReleaseError(
            f"it is not on record which version was live before version {seen.version}: make promote VERSION=<number>"
        )
    model = _model(place, known["previous"], f"before version {seen.version}")
    traffic.change(place.function, seen, version=model.version)
    said = f"version {model.version} (model {model.model_id}) is live again instead of version {seen.version}, by {by}"
    _record(place, "rolled back by hand", model.version, said)
    _champion(place, model, said)
    return said


def promote(place: Place, version: str, by: str) -> str:
    """Make a version live after it has given its known answers; return what was done.

    Raises
    ------
    ReleaseError
        If there is no such version, it has no model, does not answer as it should, or is live already.
    """
    seen = traffic.current(place.function)
    if seen.version == version and not seen.weights:
        raise ReleaseError(f"version {version} is live already")
    model = _model(place, version, "to promote")
    golden = storage.read_json(f"{model.artefact_uri.rsplit('/', 1)[0]}/golden.json")
    versions.verify(function=place.function, version=version, sha256=model.sha256, golden=golden)
    if seen.version != version:
        kept: ReleaseRecord = {"previous": seen.version, "execution": model.execution, "model": model.variables()}
        releases.put_release(place.table, version, kept)
    traffic.change(place.function, seen, version=version)
    said = f"version {version} (model {model.model_id}) is live instead of version {seen.version}, by {by}"
    _record(place, "promoted by hand", version, said)
    _champion(place, model, said)
    return said


def _model(place: Place, version: str, which: str) -> LiveModel:
    model = versions.model_of(place.function, version)
    if model is None:
        raise ReleaseError(f"version {version}, the one {which}, has no model: there is nothing to go to")
    return model


def _record(place: Place, what: str, version: str, said: str) -> None:
    audit.audit(
        place.table,
        identity=f"{what.replace(' ', '-')}-{version}",
        record={"what": "release", "outcome": what, "version": version, "detail": said},
    )
    boto3.client("sns").publish(
        TopicArn=place.topic,
        Subject=f"Slipcast: {what}",
        Message=said,
        MessageAttributes={"outcome": {"DataType": "String", "StringValue": what.replace(" ", "_")}},
    )


def _champion(place: Place, model: LiveModel, said: str) -> None:
    """Add the new champion to MLflow's outbox, and request logging now instead of within the hour."""
    now = datetime.now(UTC)
    record = {"kind": "release", "execution": model.execution, "version": model.version, "model_id": model.model_id}
    name = f"{now:%Y%m%dT%H%M%S%f}-by-hand"
    outbox.put(place.bucket, name, {**record, "why": said, "at": now.isoformat(timespec="seconds")})
    try:
        versions.client().invoke(FunctionName=place.track, InvocationType="Event", Payload=b"{}")
    except ClientError as error:
        logger.warning("the record for MLflow waits in the outbox, the next hour asks again: %s", error)
