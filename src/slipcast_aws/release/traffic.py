"""Traffic: which versions the alias ``live`` sends requests to, and at which weights.

Whatever changes it is one conditional update (``RevisionId``) of the alias: it happens whole or not at all, and of two
at once the later one is told. Before each the state is read, so that a repeated call finds its work done.
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
    """Return where the alias sends requests now."""
    alias = versions.client().get_alias(FunctionName=function, Name=ALIAS)
    weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return Traffic(alias["FunctionVersion"], dict(weights), alias["RevisionId"])


def change(function: str, seen: Traffic, *, version: str, weights: dict[str, float] | None = None) -> None:
    """Send requests elsewhere, in one update, if the alias still is as it was `seen`.

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

    The first step takes the weight of a release that died; later ones go on from their own.

    Raises
    ------
    MovedError
        If another version than `live` is live, or somebody took the weight of this release away.
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
    """Send all requests to `version` and return the traffic before; again, it changes nothing.

    Parameters
    ----------
    live : version that the release began with
    canary : whether `version` must have a weight, as at the end of a canary

    Raises
    ------
    MovedError
        If another version than `live` is live, or somebody took the weight of this release away.
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
    """Take the weight of `version` away and return whether it had one; the main version stays."""
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
