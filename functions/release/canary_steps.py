"""Steps of a canary: set a weight, judge the traffic, roll back."""

from datetime import UTC, datetime
from typing import Any

from release import evidence, record
from slipcast.contracts import CanaryStep, ModelRef, RolledBack
from slipcast.release import canary
from slipcast_aws.release import traffic
from slipcast_aws.settings import number, setting


def plan() -> canary.Plan:
    """Return the canary's plan, from the settings of this function."""
    return canary.Plan(
        steps=canary.steps(setting("CANARY_STEPS")),
        min_requests=int(number("CANARY_MIN_REQUESTS")),
        min_seconds=number("CANARY_MIN_MINUTES") * 60,
        max_seconds=number("CANARY_MAX_MINUTES") * 60,
        max_error_rate=number("CANARY_MAX_ERROR_RATE"),
        max_latency_ratio=number("MAX_LATENCY_RATIO"),
        max_score_shift=number("CANARY_MAX_SCORE_SHIFT"),
        max_unpredicted_shift=number("MAX_SCORE_SHIFT"),
    )


def weigh(event: dict[str, Any], model: ModelRef, function: str) -> CanaryStep:
    """Give the new version the weight of the step ``event["index"]``."""
    version, live, index = event["version"], event["previous"], event["index"]
    percent = plan().steps[index]
    record.keep(version, live, model)
    before = traffic.weigh(function, version=version, live=live, percent=percent, first=index == 0)
    stale = [other for other in before.weights if other != version]
    why = f"{percent} % of the requests to version {version}, the others to version {live}"
    if stale:
        why += f"; version {', '.join(stale)} had a weight that a release without end left behind"
    record.audit(model["execution"], f"canary {percent} %", version, why)
    return {
        "action": "wait",
        "index": index,
        "weight": percent,
        # In the log's time format.
        "started_at": _now().isoformat(timespec="milliseconds"),
        "wait_seconds": canary.pause(plan(), 0.0),
        "why": why,
        "notes": event["notes"],
    }


def judge(event: dict[str, Any], model: ModelRef, function: str) -> CanaryStep:
    """Compare the traffic of both versions since the step began and decide what to do next."""
    version, live = event["version"], event["previous"]
    step: CanaryStep = event["canary"]
    seen = traffic.current(function)
    if seen.version != live or version not in seen.weights:
        return {**step, "action": "roll_back", "why": "somebody else moved the alias during the canary"}
    began, now = datetime.fromisoformat(step["started_at"]), _now()
    found = evidence.gather(setting("DATA_BUCKET"), function, (live, version), began, now)
    verdict = canary.judge(
        plan(),
        step=step["index"],
        seconds=(now - began).total_seconds(),
        live=found[live],
        new=found[version],
        predicted=canary.Predicted(**event["predicted"]) if event.get("predicted") else None,
    )
    record.write(model["execution"], {"steps": {str(step["index"]): {"at": now.isoformat(), **verdict.as_dict()}}})
    return {
        **step,
        "action": verdict.action,
        "index": step["index"] + (verdict.action == "advance"),
        "wait_seconds": verdict.wait_seconds,
        "why": verdict.why,
        "notes": [*step["notes"], verdict.why] if verdict.action in ("advance", "promote") else step["notes"],
    }


def roll_back(event: dict[str, Any], model: ModelRef, function: str) -> RolledBack:
    """Remove the new version's weight in one update, and record why.

    If the version has no weight, nothing changes: it got no traffic yet, or somebody else ended its canary.
    """
    version, why, outcome = event["version"], event["why"], event["outcome"]
    withdrawn = traffic.withdraw(function, version=version)
    live = traffic.current(function).version
    if live == version:
        # The alias was moved, and only a later step failed.
        return {"version": version, "live": live, "withdrawn": False, "why": why}
    record.write(model["execution"], {"version": version, "previous": live, "outcome": outcome, "why": why})
    record.audit(model["execution"], outcome, version, why)
    record.track(model["execution"], "rollback", version=version, previous=live, outcome=outcome, why=why)
    return {"version": version, "live": live, "withdrawn": withdrawn, "why": why}


def _now() -> datetime:
    return datetime.now(UTC)
