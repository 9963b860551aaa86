"""Drift of a window of predictions against the training profile.

Something has drifted when the effect is larger than is tolerated AND significant after correction for the number of
tests, and an alarm asks for the same in two of three windows. The stability index alone cries wolf on small windows,
significance alone on large ones, and twenty features at 5 % each nearly always.

The correction is Holm's: one finding is enough to speak, so what has to be bounded is the chance of any finding where
nothing happened, and that holds for dependent features too. (Benjamini and Hochberg bound the share of false ones among
the findings, which is the same where there is no true one.) The level comes from the false alarms allowed: with K tests
at level a in each of M windows a month, a pair among three neighbours that finds the same comes about 2 M K a^2 times.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb
from typing import Any

import numpy as np
import pandas as pd

from slipcast.chance import Chance, described, moments, share_p_value
from slipcast.effects import holm, js_distance, psi, wasserstein
from slipcast.monitor_record import Bin, Drift, FeatureDrift, Finding
from slipcast.profile import coarse
from slipcast.sketch import Categories, Numbers, Sketch

SCORE = "score"
# Windows in 30 days: the monitor runs hourly. Windows that overlap speak less often, not more.
WINDOWS_A_MONTH = 720


@dataclass(frozen=True)
class Rule:
    """When a window counts as drifted, and when that is confirmed.

    Attributes
    ----------
    min_n : with fewer predictions the state is ``insufficient_data``
    psi_excess : index above what chance gives that is tolerated
    share_excess : additional share of missing, unseen or out-of-range values that is tolerated
    needed, of : so many of the last windows must find the same
    false_alarms_per_month : allowed where nothing happens, with hourly windows
    """

    min_n: int = 50
    psi_excess: float = 0.1
    share_excess: float = 0.05
    needed: int = 2
    of: int = 3
    false_alarms_per_month: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.of:
            raise ValueError(
                f"{self.needed} of {self.of} windows: of so many that are looked at at least one must drift"
            )
        if self.false_alarms_per_month <= 0:
            raise ValueError(f"{self.false_alarms_per_month} false alarms a month: a number above 0 was expected")

    def level(self, tests: int) -> float:
        """Return the level of each of `tests` tests in one window.

        The chance that a given test opens an alarm at a given window: it finds something then, and in `needed` - 1 of
        the `of` - 1 windows before.
        """
        ways = comb(self.of - 1, self.needed - 1)
        return float(
            min(0.5 / tests, (self.false_alarms_per_month / (WINDOWS_A_MONTH * tests * ways)) ** (1 / self.needed))
        )


class Reference:
    """A profile ready for comparison; `tests` lists what is looked at as (feature, what)."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.n = int(profile["n"])
        self.entries: dict[str, dict[str, Any]] = {**profile["features"], SCORE: profile["score"]}
        self.chance = {name: described(entry) for name, entry in self.entries.items()}
        self.counts = {name: np.array(entry["counts"], dtype="float64") for name, entry in self.entries.items()}
        self.sizes = {name: float(counts.sum()) for name, counts in self.counts.items()}
        self.seen = {(name, what): seen for name in self.entries for what, seen in self._shares(name)}
        self.tests = [(name, "distribution") for name in self.entries] + list(self.seen)

    def _shares(self, name: str) -> list[tuple[str, float]]:
        """Return the shares that are tested and how many of the reference's rows stand for chance."""
        entry = self.entries[name]
        if name == SCORE:
            return []
        if entry["kind"] == "numeric":
            found = [("missing", float(entry["counts"][-1]))]
            # A new value is as likely as any to be the smallest or the largest.
            return [*found, ("out_of_range", 2.0)] if entry.get("min") is not None else found
        found = [("missing", float(entry["missing"]))] if "missing" in entry else []
        # The chance of something new is the share of what was seen once (Good 1953).
        return [*found, ("unseen", float(entry["once"]))] if entry.get("seen") is not None else found

    def seasonal(self, name: str, months: np.ndarray) -> tuple[np.ndarray, float] | None:
        """Return what the window's months looked like in training: counts scaled to their effective number."""
        table = self.entries[name].get("seasonal")
        if table is None or not months.sum():
            return None
        counts, weights = np.array(table, dtype="float64"), months / months.sum()
        sizes = counts.sum(axis=1)
        if (sizes[weights > 0] == 0).any():
            return None
        used = weights > 0
        mixed = weights[used] @ (counts[used] / sizes[used, None])
        size = float(1 / np.sum(weights[used] ** 2 / sizes[used]))
        return mixed * size, size


@dataclass(frozen=True)
class Counts:
    """Windows of `n` predictions each as counts.

    Attributes
    ----------
    bins : for each feature and the score counts of shape (..., n_bins)
    shares : for each (feature, what) counts of shape (...)
    months : predictions by month, shape (12,), all 0 where unknown
    together : how many of its own project a prediction stands among, 1 where unknown
    """

    n: int
    bins: Mapping[str, np.ndarray]
    shares: Mapping[tuple[str, str], np.ndarray]
    months: np.ndarray
    together: float = 1.0


class Verdicts:
    """What a rule says about windows of one size.

    Attributes
    ----------
    effect : of each test, shape (..., n_tests): excess of index or of share
    p_value : corrected by Holm, same shape
    found : whether each test finds drift, same shape: effect above what is tolerated, p-value below `alpha`
    alpha : level of the corrected p-values
    limit : effect that each test had to exceed, of shape (n_tests,): for an index the tolerance or what chance reaches
    psi, psi_chance, psi_limit : of each feature and the score, by name
    """

    def __init__(self, reference: Reference, counts: Counts, rule: Rule) -> None:
        self.tests, self.level = reference.tests, rule.level(len(reference.tests))
        self.alpha = self.level * len(self.tests)
        self.psi: dict[str, np.ndarray] = {}
        self.psi_chance: dict[str, float] = {}
        self.psi_limit: dict[str, float] = {}
        effects, p_values, limits, tolerated = [], [], [], []
        for name, what in reference.tests:
            # Activities of one project are alike: they count for fewer (design effect, Kish 1965).
            n = counts.n / (1 + (counts.together - 1) * reference.entries[name].get("alike", 0.0))
            if what == "distribution":
                effect, p_value = self._distribution(reference, counts, name, n, rule)
                limits.append(self.psi_limit[name] - self.psi_chance[name])
                tolerated.append(rule.psi_excess)
            else:
                effect, p_value = self._share(reference, counts, name, what, n, rule)
                limits.append(rule.share_excess)
                tolerated.append(rule.share_excess)
            effects.append(effect)
            p_values.append(p_value)
        self.effect = np.stack(effects, axis=-1)
        self.p_value = holm(np.stack(p_values, axis=-1))
        self.limit = np.array(limits)
        self.found = (self.effect > np.array(tolerated)) & (self.p_value < self.alpha)

    def _share(
        self, reference: Reference, counts: Counts, name: str, what: str, n: float, rule: Rule
    ) -> tuple[np.ndarray, np.ndarray]:
        observed, seen = np.asarray(counts.shares[name, what], dtype="float64"), reference.seen[name, what]
        rows = observed * (n / counts.n)
        effect = observed / counts.n - seen / reference.n
        p_value = share_p_value(rows, n, seen, reference.n)
        numeric = reference.entries[name]["kind"] == "numeric"
        season = reference.seasonal(name, counts.months) if what == "missing" and numeric else None
        if season is not None:
            usual, size = season
            effect = np.minimum(effect, observed / counts.n - usual[-1] / size)
            p_value = np.maximum(p_value, share_p_value(rows, n, usual[-1], size) ** (1 / rule.needed))
        return effect, p_value

    def _distribution(
        self, reference: Reference, counts: Counts, name: str, n: float, rule: Rule
    ) -> tuple[np.ndarray, np.ndarray]:
        window = counts.bins[name]
        found = np.asarray(psi(reference.counts[name], window))
        chance = Chance(reference.chance[name], n, reference.sizes[name])
        self.psi[name], self.psi_chance[name] = found, chance.mean
        self.psi_limit[name] = max(chance.mean + rule.psi_excess, chance.limit(self.level))
        effect, p_value = found - chance.mean, chance.p_value(found)
        season = reference.seasonal(name, counts.months) if (effect > rule.psi_excess).any() else None
        if season is not None:
            # What this time of the year always looked like is no drift. Its rarest bins are rarer than any of the
            # whole, so that chance has to be asked anew.
            usual, size = season
            expected = Chance(moments(usual, [n]), n, size, [n])
            against = np.asarray(psi(usual, window))
            effect = np.minimum(effect, against - expected.mean)
            # The sample of a month is small and the same from window to window: to find it unusual again is no second
            # piece of evidence, so that one has to weigh as much as all that are needed.
            p_value = np.maximum(p_value, expected.p_value(against) ** (1 / rule.needed))
        return effect, p_value


def confirmed(found: np.ndarray, rule: Rule) -> np.ndarray:
    """Return for each window and test whether enough of the last windows, this one among them, found the same.

    Parameters
    ----------
    found : shape (n_windows, n_tests), in the order of time; windows without a verdict found nothing
    """
    padded = np.concatenate([np.zeros((rule.of - 1, *found.shape[1:]), dtype="int64"), found.astype("int64")])
    return found & (sum(padded[at : at + len(found)] for at in range(rule.of)) >= rule.needed)


def assess(
    profile: Mapping[str, Any], sketch: Sketch, rule: Rule | None = None, earlier: Sequence[Mapping[str, Any]] = ()
) -> Drift:
    """Compare a window with the profile.

    Parameters
    ----------
    earlier : of the windows before that do not overlap, newest first: ``until``, ``state`` and ``findings``, a list of
        ``feature:what``; of those only ``of`` - 1 count
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
    """Compare a table of predictions with the profile: one window, none before it.

    Parameters
    ----------
    features : DataFrame of shape (n_predictions, n_features), as the model saw them
    scores : probabilities of shape (n_predictions,)
    """
    sketch = Sketch(profile)
    sketch.add(features, scores)
    return assess(profile, sketch, rule)


def findings_of(drift: Drift) -> list[str]:
    """Return the findings of a window as ``feature:what``, as `assess` takes them of earlier windows."""
    items = {**drift.features, **({SCORE: drift.score} if drift.score else {})}
    return [f"{name}:{finding.what}" for name, item in items.items() for finding in item.findings]


def counts_of(reference: Reference, sketch: Sketch) -> Counts:
    """Return a sketch as the counts that a rule looks at."""
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
    numbers = isinstance(counted, Numbers)
    known = n - int(counted.counts[-1]) if numbers else n
    return FeatureDrift(
        kind=entry["kind"],
        drifted=bool(findings),
        confirmed=any(times[f"{name}:{finding.what}"] >= rule.needed for finding in findings),
        findings=findings,
        psi=float(verdict.psi[name]),
        psi_chance=verdict.psi_chance[name],
        psi_limit=verdict.psi_limit[name],
        js_distance=float(js_distance(reference.counts[name], window)),
        wasserstein=_wasserstein(entry, counted) if numbers else None,
        p_value=float(verdict.p_value[places[0]]),
        mean=counted.total / known if numbers and known else None,
        reference_mean=entry.get("mean"),
        missing_share=_share(counted.counts[-1] if numbers else counted.missing, n),
        reference_missing_share=_share(
            entry["counts"][-1] if numbers else entry.get("missing", 0), reference.sizes[name]
        ),
        unseen_share=None if numbers or counted.seen is None else _share(counted.unseen, n),
        out_of_range_share=_share(counted.below + counted.above, n) if numbers and counted.limits else None,
        bins=_side_by_side(entry, reference.counts[name], window),
    )


def _missing(entry: Mapping[str, Any]) -> float:
    return entry["counts"][-1] if entry["kind"] == "numeric" else entry.get("missing", 0)


def _share(count: float, n: float) -> float:
    return float(count) / n if n else 0.0


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
    return distance / entry["sd"]


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
    if what == "unseen":
        examples = ", ".join(value for value, _ in counted.new.most_common(3))
        return f"{counted.unseen / n:.0%} have a value that training did not know, such as {examples}"
    low, high = counted.limits
    return f"{(counted.below + counted.above) / n:.0%} lie outside {low:.4g} to {high:.4g}, where all of training was"
