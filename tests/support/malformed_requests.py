"""Requests for predictions that are wrong in one way each: every one is the caller's fault, so a 4xx answers it."""

import json
from typing import Any

JSON = {"Content-Type": "application/json"}


def malformed(activity: dict[str, Any]) -> list[dict[str, Any]]:
    """Return requests made of a good activity: ``name``, ``body`` as text, ``headers``."""
    without = {name: value for name, value in activity.items() if name != "start"}
    bodies = {
        "no JSON": "{",
        "empty": "",
        "null": "null",
        "a number": "17",
        "a list": json.dumps([activity]),
        "deep": "[" * 5_000 + "]" * 5_000,
        "a lone surrogate": json.dumps(activity | {"activity_id": "\ud800"}),
        "not a number": json.dumps(activity | {"budget": float("nan")}),
        "a day as people write it": json.dumps(activity | {"start": "01/03/2022"}),
        "no such day": json.dumps(activity | {"start": "2023-02-30"}),
        "a budget in words": json.dumps(activity | {"budget": "a lot"}),
        "an unknown key of history": json.dumps(activity | {"history": {"moon_phase": 1}}),
        "no start": json.dumps(without),
        "an object for a text": json.dumps(activity | {"phase": {"name": "Design"}}),
        "a text without end": json.dumps(activity | {"phase": "x" * 100_000}),
        "a number without end": json.dumps(activity)[:-1] + ', "predecessor_count": ' + "9" * 5_000 + "}",
        "no activities": json.dumps({"activities": []}),
        "activities that are none": json.dumps({"activities": "A1"}),
        "too many": json.dumps({"activities": [{}] * 10_001}),
    }
    found = [{"name": name, "body": body, "headers": JSON} for name, body in bodies.items()]
    good = json.dumps(activity)
    found.append({"name": "another media type", "body": good, "headers": {"Content-Type": "text/csv"}})
    return found
