"""Manual change of the live model: rollback to the previous one, or promotion of an earlier version.

``slipcast rollback`` and ``slipcast promote VERSION``. Each moves the alias in one update and leaves an entry in
the audit trail, a message on the topic and a record for MLflow.
"""

import logging
from dataclasses import dataclass

from botocore.exceptions import ClientError

from slipcast_aws import topic
from slipcast_aws.control import releases
from slipcast_aws.release import promotion, traffic, versions
from slipcast_aws.release.versions import ReleaseError
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

    @property
    def release(self) -> promotion.Place:
        """Return the names that a promotion needs."""
        return promotion.Place(self.function, self.bucket, self.table)


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
        promotion.audited(place.release, "canary ended", seen.version, said)
        _tell(place, "canary ended", said)
        return said
    known = releases.release(place.table, seen.version)
    if known is None:
        raise ReleaseError(
            f"it is not on record which version was live before version {seen.version}: make promote VERSION=<number>"
        )
    model = promotion.model_of(place.release, known["previous"], f"before version {seen.version}")
    traffic.change(place.function, seen, version=model.version)
    said = f"version {model.version} (model {model.model_id}) is live again instead of version {seen.version}, by {by}"
    promotion.audited(place.release, "rolled back by hand", model.version, said)
    promotion.champion(place.release, model, said)
    _tell(place, "rolled back by hand", said)
    _track(place)
    return said


def promote(place: Place, version: str, by: str) -> str:
    """Make a version live after it has given its known answers; return what was done.

    Raises
    ------
    ReleaseError
        If there is no such version, it has no model, does not answer as it should, or is live already.
    """
    said = promotion.promote(place.release, promotion.model_of(place.release, version, "to promote"), by)
    _tell(place, "promoted by hand", said)
    _track(place)
    return said


def _tell(place: Place, what: str, said: str) -> None:
    topic.publish(place.topic, f"Slipcast: {what}", said, outcome=what.replace(" ", "_"))


def _track(place: Place) -> None:
    """Request logging to MLflow now instead of within the hour."""
    try:
        versions.client().invoke(FunctionName=place.track, InvocationType="Event", Payload=b"{}")
    except ClientError as error:
        logger.warning("the record for MLflow waits in the outbox, the next hour asks again: %s", error)
