"""Canary analysis: comparison of the new version with the live one, and the decision that follows.

Requests are drawn at random by the alias's weights, so both versions see the same kind of traffic at the same time, and
any difference beyond chance is the new version's own. A check is broken when its effect is above a limit AND it is
significant; the level is shared by the checks and steps, and a tenth of it is used before the end of a step, so that
frequent looks cost little (after Haybittle 1971 and Peto 1976).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from slipcast.metrics import hypothesis_tests

Action = Literal["wait", "advance", "promote", "roll_back"]

CHECKS = ("errors", "errors_at_all", "refusals", "latency_median", "latency_p95", "score_mean", "score_distribution")
# Maximum probability that a version as good as the live one is rolled back by any check at the end of any step.
ALPHA = 0.05
INTERIM = 0.1
# Milliseconds by which a version may always be slower, regardless of the ratio: nobody notices them.
SLACK_MS = 5.0
# Distance of distributions beyond that of the replay: a quarter of the requests have other scores.
MAX_DISTANCE = 0.25
MIN_FOR_MEDIAN, MIN_FOR_P95, MIN_FOR_SCORES = 20, 100, 20
LOOKS = 20
# With too few requests at the end of a step, an excess of errors needs less significance: a false rollback is the safer
# error.
THIN_LEVEL = 0.2


@dataclass(frozen=True)
class Plan:
    """Plan of a canary: steps, durations and limits.

    Attributes
    ----------
    steps
        percentage of the requests that the new version answers, step by step
    min_requests
        requests that the new version must answer before a step ends
    min_seconds, max_seconds
        shortest and longest duration of a step, whatever the traffic
    max_error_rate
        largest excess of the new version's share of failed requests over the live one's, and its largest share
    max_latency_ratio
        limit of the new version's duration: this times the live version's median and 95th percentile, plus `SLACK_MS`
    max_score_shift
        largest difference of the mean score from the replay's prediction
    max_unpredicted_shift
        the same if there was no replay
    """

    steps: tuple[int, ...]
    min_requests: int
    min_seconds: float
    max_seconds: float
    max_error_rate: float
    max_latency_ratio: float
    max_score_shift: float
    max_unpredicted_shift: float


@dataclass
class Evidence:
    """Observations of a version during a step.

    Attributes
    ----------
    milliseconds
        duration of each answered request without cold starts; fewer than `answered` if not logged
    scores
        the scores of each answered request
    failed
        requests answered with 5xx
    refused
        requests answered with 4xx
    crashed
        invocations that ended without an answer (timeout, out of memory, no start)
    invocations
        as Lambda counts them; the log may be behind its count of crashes
    """

    milliseconds: list[float] = field(default_factory=list)
    scores: list[list[float]] = field(default_factory=list)
    failed: int = 0
    refused: int = 0
    crashed: int = 0
    invocations: int = 0

    @property
    def errors(self) -> int:
        """Return the number of requests that failed because of the version."""
        return self.failed + self.crashed

    @property
    def requests(self) -> int:
        """Return the number of requests with a known outcome."""
        return len(self.scores) + self.errors + self.refused

    @property
    def asked(self) -> int:
        """Return the number of requests that is the denominator of the error rate."""
        return max(self.requests, self.invocations)


@dataclass(frozen=True)
class Predicted:
    """Score differences predicted by the replay: new version minus live one on the same requests."""

    shift: float
    distance: float


@dataclass(frozen=True)
class Check:
    """Comparison; `value` and `limit` in its own unit, `p` None if there was too little data to test."""

    name: str
    value: float
    limit: float
    p: float | None
    broken: bool
    words: str


@dataclass(frozen=True)
class Judgement:
    """Decision on the next step, with reason and all numbers."""

    action: Action
    why: str
    thin: bool
    wait_seconds: int
    checks: list[Check]
    numbers: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the judgement as JSON-able fields."""
        return asdict(self)


def steps(text: str) -> tuple[int, ...]:
    """Return the percentages in a text such as ``10,50``; an empty one has none.

    Raises
    ------
    ValueError
        If one is not a whole number from 1 to 99, or the next is not larger.

    Examples
    --------
    >>> steps("10,50")
    (10, 50)
    >>> steps("")
    ()
    """
    found = tuple(int(item) for item in text.split(",")) if text.strip() else ()
    if any(not 0 < item < 100 for item in found) or list(found) != sorted(set(found)):
        raise ValueError(f"canary steps {text!r}: whole percentages from 1 to 99 were expected, each above the last")
    return found


def judge(
    plan: Plan, *, step: int, seconds: float, live: Evidence, new: Evidence, predicted: Predicted | None
) -> Judgement:
    """Decide on a step of a canary.

    Parameters
    ----------
    step
        its index in ``plan.steps``
    seconds
        since it began
    live, new
        observations of both versions since then
    predicted
        by the replay; None if there was nothing to replay
    """
    enough, over = new.requests >= plan.min_requests, seconds >= plan.max_seconds
    last_look = (enough and seconds >= plan.min_seconds) or over
    level = ALPHA / (len(CHECKS) * len(plan.steps)) * (1.0 if last_look else INTERIM)
    checks = _checks(plan, live, new, predicted, level)
    broken = [check for check in checks if check.broken]
    numbers = {
        "weight": plan.steps[step],
        "seconds": round(seconds, 1),
        "level": level,
        "live": _summary(live),
        "new": _summary(new),
        "predicted": None if predicted is None else asdict(predicted),
    }

    def judgement(action: Action, why: str, thin: bool = False) -> Judgement:
        return Judgement(action, why, thin, pause(plan, seconds), checks, numbers)

    share = f"at {plan.steps[step]} % of the requests"
    if broken:
        return judgement("roll_back", f"{share}: {'; '.join(check.words for check in broken)}")
    if not last_look:
        return judgement("wait", f"{share}: {new.requests} of {plan.min_requests} requests in {seconds:.0f} s")
    onward: Action = "advance" if step + 1 < len(plan.steps) else "promote"
    if enough:
        return judgement(onward, f"{share}: {new.requests} requests, nothing worse than with the live version")
    excess = checks[0]
    if new.errors and excess.value > excess.limit and (excess.p is None or excess.p < THIN_LEVEL):
        return judgement("roll_back", f"{share}: {excess.words}, and too few requests to excuse it", thin=True)
    seen = f"{new.requests} of {plan.min_requests} requests came in {seconds:.0f} s"
    basis = "the replay decides" if predicted else "known answers alone decide: there was nothing to replay"
    return judgement(onward, f"{share}: {seen}, nothing worse among them; {basis}", thin=True)


def pause(plan: Plan, seconds: float) -> int:
    """Return the seconds until the next look: `LOOKS` looks in the longest step, and one at its earliest end."""
    pause = max(plan.max_seconds / LOOKS, 2)
    for moment in (plan.min_seconds, plan.max_seconds):
        if seconds < moment:
            pause = min(pause, moment - seconds)
    return max(1, round(pause))


def _summary(evidence: Evidence) -> dict[str, Any]:
    values = [score for scores in evidence.scores for score in scores]
    known = evidence.milliseconds
    return {
        "requests": evidence.requests,
        "failed": evidence.failed,
        "crashed": evidence.crashed,
        "refused": evidence.refused,
        "predictions": len(values),
        "score_mean": sum(values) / len(values) if values else None,
        "median_ms": round(hypothesis_tests.quantile(known, 0.5), 3) if known else None,
        "p95_ms": round(hypothesis_tests.quantile(known, 0.95), 3) if known else None,
    }


def _checks(plan: Plan, live: Evidence, new: Evidence, predicted: Predicted | None, level: float) -> list[Check]:
    return [
        _more_often("errors", "failed", new.errors, new.asked, live.errors, live.asked, plan, level),
        _too_often(new, plan, level),
        _more_often("refusals", "refused", new.refused, new.requests, live.refused, live.requests, plan, level),
        _slower("latency_median", 0.5, MIN_FOR_MEDIAN, live, new, plan, level),
        _slower("latency_p95", 0.95, MIN_FOR_P95, live, new, plan, level),
        _mean(live, new, predicted, plan, level),
        _distribution(live, new, predicted, level),
    ]


def _more_often(
    name: str, verb: str, events: int, n: int, live_events: int, live_n: int, plan: Plan, level: float
) -> Check:
    excess = (events / n if n else 0.0) - (live_events / live_n if live_n else 0.0)
    p = hypothesis_tests.fisher(events, n, live_events, live_n) if n and live_n else None
    words = f"{verb} {events} of {n} requests, the live version {live_events} of {live_n}"
    broken = excess > plan.max_error_rate and p is not None and p < level
    return Check(name, excess, plan.max_error_rate, p, broken, words)


def _too_often(new: Evidence, plan: Plan, level: float) -> Check:
    # Both versions may fail for the same external reason: then a release must wait.
    share = new.errors / new.asked if new.asked else 0.0
    p = hypothesis_tests.binomial(new.errors, new.asked, plan.max_error_rate) if new.asked else None
    words = f"failed {new.errors} of {new.asked} requests, more than {plan.max_error_rate:.1%}"
    return Check(
        "errors_at_all",
        share,
        plan.max_error_rate,
        p,
        p is not None and p < level and share > plan.max_error_rate,
        words,
    )


def _slower(name: str, share: float, least: int, live: Evidence, new: Evidence, plan: Plan, level: float) -> Check:
    ours, theirs = new.milliseconds, live.milliseconds
    if min(len(ours), len(theirs)) < least:
        return Check(name, 0.0, 0.0, None, False, f"too few durations for the {name}")
    limit = hypothesis_tests.quantile(theirs, share) * plan.max_latency_ratio + SLACK_MS
    value = hypothesis_tests.quantile(ours, share)
    # The quantile is above the limit if too many requests are above it: counts can be tested exactly.
    above = [sum(duration > limit for duration in durations) for durations in (ours, theirs)]
    p = hypothesis_tests.fisher(above[0], len(ours), above[1], len(theirs))
    what = "median" if share == 0.5 else f"{share:.0%} quantile"
    words = f"{what} of {value:.1f} ms, more than {limit:.1f} ms allowed by the live version's"
    return Check(name, value, limit, p, value > limit and p < level, words)


def _mean(live: Evidence, new: Evidence, predicted: Predicted | None, plan: Plan, level: float) -> Check:
    limit = plan.max_unpredicted_shift if predicted is None else plan.max_score_shift
    ours, theirs = [s for s in new.scores if s], [s for s in live.scores if s]
    if min(len(ours), len(theirs)) < MIN_FOR_SCORES:
        return Check("score_mean", 0.0, limit, None, False, "too few scores to compare")
    expected = 0.0 if predicted is None else predicted.shift
    found, error = hypothesis_tests.shift(ours, theirs)
    off = found - expected
    # Only a shift beyond the limit is tested.
    beyond = (abs(off) - limit) / error if error else math.inf
    p = hypothesis_tests.normal(beyond) / 2 if beyond > 0 else 1.0
    words = f"mean score {found:+.3f} from the live version's, {expected:+.3f} expected, {limit:.3f} more allowed"
    return Check("score_mean", off, limit, p, abs(off) > limit and p < level, words)


def _distribution(live: Evidence, new: Evidence, predicted: Predicted | None, level: float) -> Check:
    limit = MAX_DISTANCE + (predicted.distance if predicted else MAX_DISTANCE)
    # One score of each request, so that they are independent.
    ours, theirs = _one_each(new.scores), _one_each(live.scores)
    if min(len(ours), len(theirs)) < MIN_FOR_SCORES:
        return Check("score_distribution", 0.0, limit, None, False, "too few scores to compare")
    distance, p = hypothesis_tests.kolmogorov_smirnov(ours, theirs, limit)
    words = f"scores distributed otherwise: distance {distance:.2f}, at most {limit:.2f} expected"
    return Check("score_distribution", distance, limit, p, distance > limit and p < level, words)


def _one_each(scores: Sequence[Sequence[float]]) -> list[float]:
    return [values[number % len(values)] for number, values in enumerate(scores) if values]
