"""Drift of a window of predictions against the training profile.

A feature has drifted when the effect is larger than tolerated AND significant after correction for the number of tests,
and an alarm requires the same in two of three windows. The stability index alone gives false alarms on small windows,
significance alone on large ones, and twenty features at 5 % each nearly always.

The correction is Holm's: one finding is enough to report drift, so the probability of any finding without drift must be
bounded, and Holm's bound holds for dependent features too. (Benjamini and Hochberg bound the share of false findings,
which is the same if there is no true one.) The level comes from the false alarms allowed: with K tests at level a in
each of M windows a month, two of three neighbouring windows agree by chance about 2 M K a^2 times.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from slipcast.monitoring.distances import js_distance, wasserstein
from slipcast.monitoring.drift_rule import SCORE, Counts, Reference, Rule, Verdicts, _share
from slipcast.monitoring.record import Bin, Drift, FeatureDrift, Finding
from slipcast.monitoring.reference_profile import coarse
from slipcast.monitoring.window import Categories, Numbers, Sketch


def assess(
    profile: Mapping[str, Any], sketch: Sketch, rule: Rule | None = None, earlier: Sequence[Mapping[str, Any]] = ()
) -> Drift:
    """Compare a window with the profile.

    Parameters
    ----------
    earlier
        earlier windows that do not overlap, newest first: ``until``, ``state`` and ``findings``, a list of
        ``feature:what``; only the first ``of`` - 1 count
    """
    shown = {name: entry for name, entry in profile["features"].items() if name not in sketch.hidden}
    rule, reference = rule or Rule(), Reference({**profile, "features": shown})
    before = [dict(item) for item in earlier[: rule.of - 1]]
    common: dict[str, Any] = {
        **{"n": sketch.n, "min_n": rule.min_n, "needed": rule.needed, "of": rule.of, "earlier": before},
        "alpha": rule.level(len(reference.tests)) * len(reference.tests),
        "false_alarms_per_month": rule.false_alarms_per_month,
    }
    if sketch.n < max(rule.min_n, 1):
        return Drift(state="insufficient_data", confirmed=False, **common)
    verdict = Verdicts(reference, counts_of(reference, sketch), rule)
    times = {f"{name}:{what}": 1 for name, what in verdict.tests}
    for item in before:
        for finding in item["findings"]:
            times[finding] = times.get(finding, 0) + 1
    features = {name: _describe(reference, sketch, verdict, name, times, rule) for name in reference.entries}
    ranked = sorted((name for name in features if features[name].drifted), key=lambda name: -_strength(features[name]))
    own = [name for name in ranked if name != SCORE]
    score = features.pop(SCORE)
    return Drift(
        state="drift" if ranked else "ok",
        confirmed=any(({**features, SCORE: score})[name].confirmed for name in ranked),
        drifted=ranked,
        confirmed_features=[name for name in ranked if ({**features, SCORE: score})[name].confirmed],
        max_psi=max(item.psi for item in (*features.values(), score)),
        drifted_share=len(own) / len(features) if features else 0.0,
        features=features,
        score=score,
        **common,
    )


def compare(profile: Mapping[str, Any], features: pd.DataFrame, scores: np.ndarray, rule: Rule | None = None) -> Drift:
    """Compare a table of predictions with the profile: one window without earlier ones.

    Parameters
    ----------
    features
        DataFrame of shape (n_predictions, n_features), as the model saw them
    scores
        probabilities of shape (n_predictions,)
    """
    sketch = Sketch(profile)
    sketch.add(features, scores)
    return assess(profile, sketch, rule)


def findings_of(drift: Drift) -> list[str]:
    """Return the findings of a window as ``feature:what``, the form that `assess` takes for earlier windows."""
    items = {**drift.features, **({SCORE: drift.score} if drift.score else {})}
    return [f"{name}:{finding.what}" for name, item in items.items() for finding in item.findings]


def counts_of(reference: Reference, sketch: Sketch) -> Counts:
    """Return the statistics of a window as the counts that a rule uses."""
    bins, quality = {}, {}
    for name in reference.entries:
        counted = sketch.score if name == SCORE else sketch.features[name]
        bins[name] = _bins(reference, name, counted)
        if isinstance(counted, Numbers):
            quality[name, "missing"] = counted.counts[-1]
            quality[name, "out_of_range"] = np.array(counted.below + counted.above)
        else:
            quality[name, "missing"], quality[name, "unseen"] = np.array(counted.missing), np.array(counted.unseen)
    return Counts(sketch.n, bins, quality, sketch.months, sketch.typical_project())


def _bins(reference: Reference, name: str, counted: Numbers | Categories) -> np.ndarray:
    if isinstance(counted, Categories):
        return counted.counts
    return coarse(counted.counts, counted.edges, np.array(reference.entries[name]["edges"]))


def _describe(
    reference: Reference, sketch: Sketch, verdict: Verdicts, name: str, times: Mapping[str, int], rule: Rule
) -> FeatureDrift:
    entry, n = reference.entries[name], sketch.n
    counted = sketch.score if name == SCORE else sketch.features[name]
    window = _bins(reference, name, counted)
    places = [at for at, test in enumerate(verdict.tests) if test[0] == name]
    findings = [
        Finding(
            verdict.tests[at][1],
            float(verdict.effect[at]),
            float(verdict.limit[at]),
            float(verdict.p_value[at]),
            _words(reference, verdict, at, counted, n),
        )
        for at in places
        if verdict.found[at]
    ]
    distance = mean = unseen = outside = None
    if isinstance(counted, Numbers):
        known = n - int(counted.counts[-1])
        missing, missing_before = counted.counts[-1], entry["counts"][-1]
        distance = _wasserstein(entry, counted)
        mean = counted.total / known if known else None
        outside = _share(counted.below + counted.above, n) if counted.limits else None
    else:
        missing, missing_before = counted.missing, entry.get("missing", 0)
        unseen = None if counted.seen is None else _share(counted.unseen, n)
    return FeatureDrift(
        kind=entry["kind"],
        drifted=bool(findings),
        confirmed=any(times[f"{name}:{finding.what}"] >= rule.needed for finding in findings),
        findings=findings,
        psi=float(verdict.psi[name]),
        psi_chance=verdict.psi_chance[name],
        psi_limit=verdict.psi_limit[name],
        js_distance=float(js_distance(reference.counts[name], window)),
        wasserstein=distance,
        p_value=float(verdict.p_value[places[0]]),
        mean=mean,
        reference_mean=entry.get("mean"),
        missing_share=_share(missing, n),
        reference_missing_share=_share(missing_before, reference.sizes[name]),
        unseen_share=unseen,
        out_of_range_share=outside,
        bins=_side_by_side(entry, reference.counts[name], window),
    )


def _wasserstein(entry: Mapping[str, Any], counted: Numbers) -> float | None:
    fine = np.array(entry.get("fine", entry)["counts"], dtype="float64")
    if not entry.get("sd") or not fine[:-1].sum() or not counted.counts[:-1].sum():
        return None
    known = counted.counts[:-1].sum()
    distance = wasserstein(
        fine[:-1],
        counted.counts[:-1],
        counted.edges,
        (entry["min"], entry["max"]),
        (counted.low, counted.high),
        (entry["mean"], counted.total / known),
    )
    result: float | None = distance / entry["sd"]
    return result


def _side_by_side(entry: Mapping[str, Any], reference: np.ndarray, window: np.ndarray) -> list[Bin]:
    if entry["kind"] == "categorical":
        labels = [*entry["categories"], "(other)"]
    else:
        edges = [f"{edge:.4g}" for edge in entry["edges"]]
        inner = [f"{low} to {high}" for low, high in pairwise(edges)]
        labels = [f"≤ {edges[0]}", *inner, f"> {edges[-1]}", "(missing)"] if edges else ["any", "(missing)"]
    r, w = reference / max(reference.sum(), 1), window / max(window.sum(), 1)
    return [Bin(label, float(a), float(b)) for label, a, b in zip(labels, r, w, strict=True)]


def _strength(item: FeatureDrift) -> float:
    return max(finding.effect / finding.limit for finding in item.findings)


def _words(reference: Reference, verdict: Verdicts, at: int, counted: Numbers | Categories, n: int) -> str:
    name, what = verdict.tests[at]
    if what == "distribution":
        chance, limit = verdict.psi_chance[name], verdict.psi_limit[name]
        return f"PSI {float(verdict.psi[name]):.2f} where chance gives {chance:.2f} and up to {limit:.2f} is tolerated"
    before = reference.seen[name, what] / reference.n
    if what == "missing":
        count = counted.counts[-1] if isinstance(counted, Numbers) else counted.missing
        return f"missing in {count / n:.0%} of the window, {before:.0%} of the reference"
    if isinstance(counted, Categories):
        examples = ", ".join(value[:60] for value, _ in counted.new.most_common(3))
        return f"{counted.unseen / n:.0%} have a value that training did not know, such as {examples}"
    if counted.limits is None:
        raise ValueError(f"the profile has no limits of {name}")
    low, high = counted.limits
    return f"{(counted.below + counted.above) / n:.0%} lie outside {low:.4g} to {high:.4g}, where all of training was"
