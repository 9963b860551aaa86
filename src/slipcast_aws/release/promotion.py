"""Promotion of a version that exists already, by a person: with ``make promote`` or by MLflow's alias ``champion``."""

from datetime import UTC, datetime
from typing import NamedTuple

from slipcast.contracts import ReleaseRecord
from slipcast_aws import storage
from slipcast_aws.control import audit, releases
from slipcast_aws.release import traffic, versions
from slipcast_aws.release.versions import LiveModel, ReleaseError
from slipcast_aws.tracking import outbox


class Place(NamedTuple):
    """Names of a stack's resources."""

    function: str
    bucket: str
    table: str


def promote(place: Place, model: LiveModel, by: str) -> str:
    """Make the version of a model live after it has given its known answers; return what was done.

    Parameters
    ----------
    model
        as `model_of` returns it

    Raises
    ------
    ReleaseError
        If the version does not answer as it should, or is live already.
    """
    version, seen = model.version, traffic.current(place.function)
    if seen.version == version and not seen.weights:
        raise ReleaseError(f"version {version} is live already")
    golden = storage.read_json(f"{model.artefact_uri.rsplit('/', 1)[0]}/golden.json")
    versions.verify(function=place.function, version=version, sha256=model.sha256, golden=golden)
    if seen.version != version:
        kept: ReleaseRecord = {"previous": seen.version, "execution": model.execution, "model": model.variables()}
        releases.put_release(place.table, version, kept)
    traffic.change(place.function, seen, version=version)
    said = f"version {version} (model {model.model_id}) is live instead of version {seen.version}, by {by}"
    audited(place, "promoted by hand", version, said)
    champion(place, model, said)
    return said


def model_of(place: Place, version: str, which: str) -> LiveModel:
    """Return the model of a version.

    Raises
    ------
    ReleaseError
        If there is no such version, or it has none; `which` says in words which version it is.
    """
    model = versions.model_of(place.function, version)
    if model is None:
        raise ReleaseError(f"version {version}, the one {which}, has no model: there is nothing to go to")
    return model


def audited(place: Place, what: str, version: str, said: str) -> None:
    """Add a person's change of the live version to the audit trail."""
    audit.audit(
        place.table,
        identity=f"{what.replace(' ', '-')}-{version}",
        record={"what": "release", "outcome": what, "version": version, "detail": said},
    )


def champion(place: Place, model: LiveModel, said: str) -> None:
    """Add the model that is live now to MLflow's outbox: its alias ``champion`` follows."""
    now = datetime.now(UTC)
    record = {"kind": "release", "execution": model.execution, "version": model.version, "model_id": model.model_id}
    name = f"{now:%Y%m%dT%H%M%S%f}-by-hand"
    outbox.put(place.bucket, name, {**record, "why": said, "at": now.isoformat(timespec="seconds")})
