"""Replay: logged requests are sent to the live and to the new version before the new one serves anybody."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from slipcast.features.activity import AHEAD_OF_ALL
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL, MISSING
from slipcast.metrics import hypothesis_tests
from slipcast.release.canary import ALPHA, MIN_FOR_SCORES, SLACK_MS

# Durations are not compared with fewer pairs than this: one busy moment of the machine would decide.
MIN_FOR_LATENCY = 10
# Tolerance for scores read from a log.
SAME = 1e-6


@dataclass(frozen=True)
class Limits:
    """Tolerated differences of a new version from the live one on the same requests.

    Attributes
    ----------
    max_latency_ratio
        limit of the median duration: this times the live version's, plus `canary.SLACK_MS`
    max_score_shift
        largest difference of the mean scores
    """

    max_latency_ratio: float
    max_score_shift: float


@dataclass(frozen=True)
class Answer:
    """Answer of a version to a replayed request; `milliseconds` within the function."""

    status: int
    body: Any
    milliseconds: float


@dataclass(frozen=True)
class Verdict:
    """Result of the replay.

    Attributes
    ----------
    passed
        whether the new version may get traffic
    why
        in words
    requests, predictions
        compared ones, among those that the live version answered
    shift
        mean of new score minus live score; None with fewer than `canary.MIN_FOR_SCORES` predictions
    distance
        largest distance of the two distributions of scores; None in the same case
    faithful
        share of the live version's replayed scores that equal the logged ones; None if it logged none
    median_ms
        of the live and of the new version; None without requests
    missing, added
        parts of an answer that only the live version gives, or only the new one
    failed
        failed answers of the new version, with the request's id
    """

    passed: bool
    why: str
    requests: int
    predictions: int
    shift: float | None
    distance: float | None
    faithful: float | None
    median_ms: tuple[float, float] | None
    missing: list[str]
    added: list[str]
    failed: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON-able fields."""
        return asdict(self)


def requests(rows: Iterable[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Return the last `limit` logged requests in a form that can be sent again.

    Parameters
    ----------
    rows
        lines of the prediction log; duplicates are allowed; those of activities that were late already are left out:
        no model gave their answer

    Returns
    -------
    list[dict[str, Any]]
        ``request_id``, ``model_version``, ``activities`` with the features that were logged, ``scores``
    """
    own = {row["prediction_id"]: row for row in rows if row.get("stage") != "already_late"}
    ordered = sorted(own.values(), key=lambda row: (row["at"], row["request_id"], _number(row["prediction_id"])))
    groups = [list(group) for _, group in groupby(ordered, key=lambda row: row["request_id"])]
    return [
        {
            "request_id": group[0]["request_id"],
            "model_version": group[0]["model_version"],
            "activities": [activity(row) for row in group],
            "scores": [row["score"] for row in group],
        }
        for group in groups[-limit:]
        if limit
    ]


def activity(row: dict[str, Any]) -> dict[str, Any]:
    """Return an activity that has the features of a line of the prediction log, looked up ones included."""
    found = row["features"]
    given: dict[str, Any] = {
        "activity_id": row["activity_id"],
        # If duration and history are given, nothing is computed from the start date.
        "start": row["at"][:10],
        **AHEAD_OF_ALL,
        "baseline_duration_days": found.get("baseline_duration_days"),
        "budget": _budget(found.get("log_budget")),
        "total_float_days": found.get("total_float_days"),
        "predecessor_count": found.get("predecessor_count"),
        **{name: found.get(name) for name in CATEGORICAL if found.get(name) != MISSING},
        # Given even if empty, so that the feature store is not used.
        "history": {name: found[name] for name in HISTORY if found.get(name) is not None},
    }
    return {name: value for name, value in given.items() if value is not None}


def _budget(logarithm: float | None) -> float | None:
    if logarithm is None:
        return None
    budget = math.expm1(logarithm)
    # Most budgets are whole numbers or have cents: the nearest such number has the same logarithm.
    nearest = round(budget, 2)
    return nearest if math.log1p(nearest) == logarithm else max(budget, 0.0)


def _number(prediction_id: str) -> int:
    tail = prediction_id.rpartition(":")[2]
    return int(tail) if tail.isdigit() else 0


def schema(body: Any, path: str = "") -> dict[str, set[str]]:
    """Return the kinds of value at each path of an answer, items of a list under one path.

    Examples
    --------
    >>> schema({"predictions": [{"probability": 0.5}]})
    {'': {'object'}, 'predictions': {'list'}, 'predictions[]': {'object'}, 'predictions[].probability': {'number'}}
    """
    found: dict[str, set[str]] = {}
    if isinstance(body, dict):
        parts = [(f"{path}.{name}".lstrip("."), value) for name, value in body.items()]
    elif isinstance(body, list):
        parts = [(f"{path}[]", value) for value in body]
    else:
        parts = []
    kind = {dict: "object", list: "list", str: "text", bool: "boolean", type(None): "null"}.get(type(body), "number")
    found[path] = {kind}
    for inside, value in parts:
        for name, kinds in schema(value, inside).items():
            found.setdefault(name, set()).update(kinds)
    return found


def judge(replayed: Sequence[tuple[dict[str, Any], Answer, Answer]], limits: Limits) -> Verdict:
    """Compare what the live and the new version answered to the same requests.

    Parameters
    ----------
    replayed
        request (as `requests` returns it), answer of the live version, answer of the new one
    """
    # A request that the live version does not answer says nothing about the new one.
    pairs = [(asked, live, new) for asked, live, new in replayed if live.status == 200]
    answered = [(asked, live, new) for asked, live, new in pairs if new.status == 200]
    failed = [f"{asked['request_id']}: {new.status}" for asked, _, new in pairs if new.status != 200]
    missing, added = _schemas(answered)
    reasons = []
    if failed:
        reasons.append(f"{len(failed)} of {len(pairs)} requests that the live version answers failed ({failed[0]})")
    if missing:
        reasons.append(f"answers lack {', '.join(missing)}")
    both = [(_scores(live.body), _scores(new.body), asked) for asked, live, new in answered] if not missing else []
    if any(len(live) != len(new) for live, new, _ in both):
        reasons.append("answers do not have as many predictions")
        both = []
    slower, medians = _latency(answered, limits)
    shift, distance, predictions = _shift(both)
    if slower:
        reasons.append(slower)
    if shift is not None and abs(shift) > limits.max_score_shift:
        reasons.append(f"mean score {shift:+.3f} from the live version's, {limits.max_score_shift:.3f} allowed")
    said = f"{len(pairs)} logged requests replayed" if pairs else "no logged request to replay"
    return Verdict(
        passed=not reasons,
        why=f"{said}: {'; '.join(reasons)}" if reasons else said,
        requests=len(pairs),
        predictions=predictions,
        shift=shift,
        distance=distance,
        faithful=_faithful(pairs),
        median_ms=medians,
        missing=missing,
        added=added,
        failed=failed[:20],
    )


def _schemas(answered: Sequence[tuple[dict[str, Any], Answer, Answer]]) -> tuple[list[str], list[str]]:
    ours: dict[str, set[str]] = {}
    theirs: dict[str, set[str]] = {}
    for _, live, new in answered:
        for found, body in ((theirs, live.body), (ours, new.body)):
            for path, kinds in schema(body).items():
                found.setdefault(path, set()).update(kinds)
    # A field of another kind counts as missing: clients that read the old kind cannot read the new one.
    lost = [path for path, kinds in theirs.items() if path not in ours or not ours[path] <= kinds | {"null"}]
    return sorted(lost), sorted(ours.keys() - theirs.keys())


def _latency(answered: Sequence[tuple[dict[str, Any], Answer, Answer]], limits: Limits) -> tuple[str, Any]:
    if not answered:
        return "", None
    live = [before.milliseconds for _, before, _ in answered]
    new = [after.milliseconds for _, _, after in answered]
    medians = (round(hypothesis_tests.quantile(live, 0.5), 3), round(hypothesis_tests.quantile(new, 0.5), 3))
    limit = medians[0] * limits.max_latency_ratio + SLACK_MS
    slower = sum(n > o * limits.max_latency_ratio + SLACK_MS for o, n in zip(live, new, strict=True))
    # Sign test on pairs: for an equally fast version, at most half would be beyond the ratio.
    significant = hypothesis_tests.binomial(slower, len(answered), 0.5) < ALPHA
    if len(answered) < MIN_FOR_LATENCY or medians[1] <= limit or not significant:
        return "", medians
    return f"median duration of {medians[1]:.1f} ms, {limit:.1f} ms allowed", medians


def _scores(body: Any) -> list[float]:
    return [item["probability"] for item in body["predictions"]]


def _shift(both: Sequence[tuple[list[float], list[float], Any]]) -> tuple[float | None, float | None, int]:
    live = [score for scores, _, _ in both for score in scores]
    new = [score for _, scores, _ in both for score in scores]
    if len(live) < MIN_FOR_SCORES:
        return None, None, len(live)
    distance, _ = hypothesis_tests.kolmogorov_smirnov(new, live)
    return math.fsum(new) / len(new) - math.fsum(live) / len(live), distance, len(live)


def _faithful(pairs: Sequence[tuple[dict[str, Any], Answer, Answer]]) -> float | None:
    same = [
        math.isclose(logged, found, abs_tol=SAME)
        for asked, live, _ in pairs
        if asked["model_version"] == live.body.get("model", {}).get("version")
        for logged, found in zip(asked["scores"], _scores(live.body), strict=True)
    ]
    return sum(same) / len(same) if same else None
