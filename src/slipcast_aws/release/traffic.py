"""Traffic: versions and weights to which the alias ``live`` sends requests.

Each change is one conditional update (``RevisionId``) of the alias: it is atomic, and of two concurrent updates the
later one fails with `MovedError`. The state is read before each update, so that a repeated call finds its work done.
"""

from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from slipcast_aws.release import versions
from slipcast_aws.release.versions import ALIAS, ReleaseError

ATTEMPTS = 5


@dataclass(frozen=True)
class Traffic:
    """The alias as it was read: main version, weights in [0, 1] of further versions, its revision."""

    version: str
    weights: dict[str, float] = field(default_factory=dict)
    revision_id: str = ""


class MovedError(ReleaseError):
    """Somebody else changed the alias; nothing was done."""


def current(function: str) -> Traffic:
    """Return the current traffic of the alias."""
    alias = versions.client().get_alias(FunctionName=function, Name=ALIAS)
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Traffic(alias["FunctionVersion"], dict(weights), alias["RevisionId"])


def change(function: str, seen: Traffic, *, version: str, weights: dict[str, float] | None = None) -> None:
    """Change the traffic in one update, if the alias is still as it was `seen`.

    Raises
    ------
    MovedError
        If somebody else changed it in between.
    """
    try:
        versions.client().update_alias(
            FunctionName=function,
            Name=ALIAS,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights or {}},
            RevisionId=seen.revision_id,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "PreconditionFailedException":
            raise MovedError(f"another release moved the alias while version {version} was released") from error
        raise


def weigh(function: str, *, version: str, live: str, percent: int, first: bool) -> Traffic:
    """Send `percent` of the requests to `version`, the others to `live`, and return the traffic before.

    The first step replaces the weight of a release that crashed; later steps continue from their own weight.

    Raises
    ------
    MovedError
        If another version than `live` is live, or somebody removed the weight of this release.
    """
    seen = current(function)
    _expect(seen, version, live)
    if not first and version not in seen.weights:
        raise MovedError(f"version {version} has no weight any more: somebody ended its canary")
    wanted = {version: percent / 100}
    if seen.weights != wanted:
        change(function, seen, version=live, weights=wanted)
    return seen


def promote(function: str, *, version: str, live: str, canary: bool) -> Traffic:
    """Send all requests to `version` and return the traffic before; a repeat changes nothing.

    Parameters
    ----------
    live
        version that was live when the release began
    canary
        whether `version` must have a weight, as at the end of a canary

    Raises
    ------
    MovedError
        If another version than `live` is live, or somebody removed the weight of this release.
    """
    seen = current(function)
    if seen.version == version and not seen.weights:
        return seen
    _expect(seen, version, live)
    if canary and version not in seen.weights:
        raise MovedError(f"version {version} has no weight any more: somebody ended its canary")
    change(function, seen, version=version)
    return seen


def withdraw(function: str, *, version: str) -> bool:
    """Remove the weight of `version` and return whether it had one; the main version stays."""
    for attempt in range(ATTEMPTS):
        seen = current(function)
        if version not in seen.weights:
            return False
        rest = {other: weight for other, weight in seen.weights.items() if other != version}
        try:
            change(function, seen, version=seen.version, weights=rest)
        except MovedError:
            if attempt + 1 == ATTEMPTS:
                raise
            continue
        return True
    return False


def _expect(seen: Traffic, version: str, live: str) -> None:
    if seen.version != live:
        raise MovedError(
            f"version {seen.version} is live, the release of version {version} began with version {live}: "
            "another release moved the alias"
        )
