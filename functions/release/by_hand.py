"""Promotion that a person asks for in MLflow: its alias ``champion`` is moved to a version that was released before."""

from typing import Any

from slipcast.contracts import Chosen
from slipcast_aws import topic
from slipcast_aws.release import promotion, traffic, versions
from slipcast_aws.release.versions import ReleaseError
from slipcast_aws.settings import setting


def choose(event: dict[str, Any], function: str) -> Chosen:
    """Make ``event["version"]`` live if it still has the model ``event["sha256"]`` and gives its known answers.

    Returns
    -------
    Chosen
        ``outcome``: ``promoted``, ``live`` (it was already) or ``refused``; ``why``; ``live``: execution of the model
        that is live now, None if there is none
    """
    place = promotion.Place(function, setting("DATA_BUCKET"), setting("CONTROL_TABLE"))
    seen = traffic.current(function)
    live = versions.model_of(function, seen.version)
    present = None if live is None else live.execution
    if live is not None and live.sha256 == event["sha256"] and not seen.weights:
        return {"outcome": "live", "why": f"version {seen.version} is live already", "live": present}
    try:
        if seen.weights:
            raise ReleaseError("a release is under way; wait for its end, or end it by make rollback")
        if not event["version"]:
            raise ReleaseError(
                "it was never released: only a version that was live, or passed a release, can be chosen"
            )
        model = promotion.model_of(place, event["version"], "chosen in MLflow")
        if model.sha256 != event["sha256"]:
            raise ReleaseError(f"version {event['version']} has another model than the one registered in MLflow")
        why = promotion.promote(place, model, event["by"])
    except ReleaseError as error:
        why = f"{event['by']} was refused: {error}"
        promotion.audited(place, "refused by hand", event["version"] or "none", why)
        found: Chosen = {"outcome": "refused", "why": why, "live": present}
    else:
        found = {"outcome": "promoted", "why": why, "live": model.execution}
    outcome = found["outcome"]
    topic.publish(setting("TOPIC_ARN"), f"Slipcast: {outcome} by hand", why, outcome=f"{outcome}_by_hand")
    return found
