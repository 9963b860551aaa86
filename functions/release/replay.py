"""Replay: the last logged requests, sent to both the live and the new version."""

import time
from datetime import UTC, datetime
from typing import Any, Literal

from release import evidence, record
from release.canary_steps import plan
from slipcast.contracts import ModelRef, Replayed
from slipcast.release import replay as shadow_replay
from slipcast_aws.release import traffic, versions
from slipcast_aws.settings import number, setting

# Seconds, of the five minutes that the state machine allows for this step.
SECONDS = 150


def shadow(event: dict[str, Any], model: ModelRef, function: str) -> Replayed:
    """Return how the release continues: ``promote`` (no live version to compare with), ``canary``, or ``stop``.

    Both versions answer the requests, without logging them as predictions.
    """
    version, live = event["version"], traffic.current(function).version
    limit = int(number("SHADOW_REQUESTS"))
    if live == version or versions.model_of(function, live) is None:
        return {
            "previous": live,
            "canary": {"index": 0},
            "notes": [],
            "predicted": None,
            "next": "promote",
            "why": "no model was live before",
        }
    asked = shadow_replay.requests(
        evidence.last_requests(setting("DATA_BUCKET"), datetime.now(UTC), limit) if limit else [], limit
    )
    verdict = shadow_replay.judge(
        _replay(function, live, version, asked),
        shadow_replay.Limits(number("MAX_LATENCY_RATIO"), number("MAX_SCORE_SHIFT")),
    )
    record.write(
        model["execution"],
        {"version": version, "previous": live, "model_id": model["model_id"], "shadow": verdict.as_dict()},
    )
    onward: Literal["promote", "canary", "stop"] = "stop"
    if verdict.passed:
        onward = "canary" if plan().steps else "promote"
    return {
        "previous": live,
        "canary": {"index": 0},
        "next": onward,
        "why": verdict.why,
        "notes": [verdict.why],
        "predicted": None if verdict.shift is None else {"shift": verdict.shift, "distance": verdict.distance},
    }


def _replay(function: str, live: str, version: str, asked: list[dict[str, Any]]) -> list[tuple[Any, Any, Any]]:
    """Call both versions in turn, so that a busy moment affects both; the first calls warm them up."""
    deadline = time.monotonic() + SECONDS
    replayed = []
    for number_, request in enumerate(asked):
        answers = {}
        order = (live, version) if number_ % 2 else (version, live)
        for each in (*order, *order) if not number_ else order:
            answers[each] = versions.ask(function, each, "POST", "/predictions", {"activities": request["activities"]})
        # An older live version does not report its duration: then the round-trip time of both counts.
        own = {each: found.milliseconds for each, found in answers.items() if found.milliseconds is not None}
        times = own if len(own) == len(answers) else {each: found.around for each, found in answers.items()}
        took = {each: shadow_replay.Answer(found.status, found.body, times[each]) for each, found in answers.items()}
        replayed.append((request, took[live], took[version]))
        if time.monotonic() > deadline:
            break
    return replayed
