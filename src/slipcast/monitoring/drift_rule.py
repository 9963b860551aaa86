"""Drift rule: the conditions under which a window of predictions counts as drifted."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from slipcast.monitoring.distances import holm, psi
from slipcast.monitoring.null_distribution import Chance, described, moments, share_p_value
from slipcast.monitoring.record import What

SCORE = "score"
# Windows in 30 days: the monitor runs hourly. Overlapping windows give alarms less often, not more.
WINDOWS_A_MONTH = 720


@dataclass(frozen=True)
class Rule:
    """Conditions for a drifted window and for its confirmation.

    Attributes
    ----------
    min_n
        with fewer predictions the state is ``insufficient_data``
    psi_excess
        tolerated excess of the index over its mean without drift
    share_excess
        tolerated additional share of missing, unseen or out-of-range values
    needed, of
        `needed` of the last `of` windows must have the same finding
    false_alarms_per_month
        allowed number of false alarms without drift, with hourly windows
    """

    min_n: int = 50
    psi_excess: float = 0.1
    share_excess: float = 0.05
    needed: int = 2
    of: int = 3
    false_alarms_per_month: float = 1.0

    def __post_init__(self) -> None:
        if not 1 <= self.needed <= self.of:
            raise ValueError(f"{self.needed} of {self.of} windows: `needed` must be between 1 and `of`")
        if self.false_alarms_per_month <= 0:
            raise ValueError(f"{self.false_alarms_per_month} false alarms a month: a number above 0 was expected")

    def level(self, tests: int) -> float:
        """Return the level of each of `tests` tests in one window.

        A test opens an alarm at a window if it has a finding then, and in `needed` - 1 of the `of` - 1 windows before;
        the level is set by the probability of this event.
        """
        ways = comb(self.of - 1, self.needed - 1)
        return float(
            min(0.5 / tests, (self.false_alarms_per_month / (WINDOWS_A_MONTH * tests * ways)) ** (1 / self.needed))
        )


class Reference:
    """Profile ready for comparison; `tests` lists the tests as (feature, what)."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.n = int(profile["n"])
        self.entries: dict[str, dict[str, Any]] = {**profile["features"], SCORE: profile["score"]}
        self.chance = {name: described(entry) for name, entry in self.entries.items()}
        self.counts = {name: np.array(entry["counts"], dtype="float64") for name, entry in self.entries.items()}
        self.sizes = {name: float(counts.sum()) for name, counts in self.counts.items()}
        self.seen = {(name, what): seen for name in self.entries for what, seen in self._shares(name)}
        self.tests: list[tuple[str, What]] = [(name, "distribution") for name in self.entries]
        self.tests += self.seen

    def _shares(self, name: str) -> list[tuple[What, float]]:
        """Return the tested shares, each with the number of reference rows from which chance is estimated."""
        entry = self.entries[name]
        if name == SCORE:
            return []
        if entry["kind"] == "numeric":
            found: list[tuple[What, float]] = [("missing", float(entry["counts"][-1]))]
            # A new value has the same probability as any other to be the smallest or the largest.
            return [*found, ("out_of_range", 2.0)] if entry.get("min") is not None else found
        found = [("missing", float(entry["missing"]))] if "missing" in entry else []
        # The probability of a new value is the share of values seen once (Good 1953).
        return [*found, ("unseen", float(entry["once"]))] if entry.get("seen") is not None else found

    def seasonal(self, name: str, months: np.ndarray) -> tuple[np.ndarray, float] | None:
        """Return the training distribution of the window's months: scaled counts and their effective number."""
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
    bins
        for each feature and the score counts of shape (..., n_bins)
    shares
        for each (feature, what) counts of shape (...)
    months
        predictions by month, shape (12,), all 0 where unknown
    together
        mean number of predictions of the same project for a prediction, 1 if unknown
    """

    n: int
    bins: Mapping[str, np.ndarray]
    shares: Mapping[tuple[str, str], np.ndarray]
    months: np.ndarray
    together: float = 1.0


class Verdicts:
    """Verdicts of a rule on windows of one size.

    Attributes
    ----------
    effect
        of each test, shape (..., n_tests): excess of index or of share
    p_value
        corrected by Holm, same shape
    found
        whether each test finds drift, same shape: effect above what is tolerated, p-value below `alpha`
    alpha
        level of the corrected p-values
    limit
        effect that each test had to exceed, of shape (n_tests,): for an index the tolerance or the limit of chance
    psi, psi_chance, psi_limit
        of each feature and the score, by name
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
        self, reference: Reference, counts: Counts, name: str, what: What, n: float, rule: Rule
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
            # A usual seasonal pattern is not drift. The rarest bins of a month are rarer than those of the whole year,
            # so the null distribution is computed again.
            usual, size = season
            expected = Chance(moments(usual, [n]), n, size, [n])
            against = np.asarray(psi(usual, window))
            effect = np.minimum(effect, against - expected.mean)
            # The sample of a month is small and the same from window to window: a second finding is not independent
            # evidence, so a single one must be as strong as all needed ones together.
            p_value = np.maximum(p_value, expected.p_value(against) ** (1 / rule.needed))
        return effect, p_value


def confirmed(found: np.ndarray, rule: Rule) -> np.ndarray:
    """Return for each window and test whether enough of the last windows, including this one, have the finding.

    Parameters
    ----------
    found
        shape (n_windows, n_tests), in the order of time; windows without a verdict have no finding

    Examples
    --------
    >>> confirmed(np.array([[True], [False], [True]]), Rule(needed=2, of=3)).ravel().tolist()
    [False, False, True]
    """
    padded = np.concatenate([np.zeros((rule.of - 1, *found.shape[1:]), dtype="int64"), found.astype("int64")])
    return found & (sum(padded[at : at + len(found)] for at in range(rule.of)) >= rule.needed)


def _share(count: float, n: float) -> float:
    return float(count) / n if n else 0.0
