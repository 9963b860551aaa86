"""Gate: the decision whether a challenger goes live."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from slipcast.metrics.bootstrap import interval, resamples
from slipcast.metrics.scores import auc, brier, resampled_auc

RULE = (
    "A challenger is kept out by any broken limit: leakage, fairness, a protocol without the order of time, no "
    "signal (its Brier score must beat the training late rate with a probability of at least {p_min:.0%} and its "
    "AUC's 95 % interval lie above .5). Otherwise it is released if no model is live, or none that can be read; if "
    "it is better than the champion: Brier score on the same holdout lower with a probability of at least "
    "{p_min:.0%} (paired bootstrap); or if it is needed (drift alarm, a champion older than the limit, a better "
    "forecast of dates) and not worse: Brier score higher by less than {margin:g} with a probability of at least "
    "{p_min:.0%}. Against a champion, its AUC may not be lower by more than {auc_loss:g}."
)

# Champion and challenger are scored by different evaluators: even the same forest differs in the last bits.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Limit:
    """Limit that is checked independently of the comparison.

    Attributes
    ----------
    name
        what is limited
    value
        measured value; None if there is no number
    limit
        allowed value; None if there is no number
    broken
        whether it keeps the challenger out
    why
        problem and remedy, if it is broken
    """

    name: str
    value: float | None
    limit: float | None
    broken: bool
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return ``name``, ``value``, ``limit`` and ``broken``."""
        return {"name": self.name, "value": self.value, "limit": self.limit, "broken": self.broken}


@dataclass(frozen=True)
class Decision:
    """Decision of the gate, with all its numbers.

    Attributes
    ----------
    release
        whether the challenger goes live
    rule
        the rule in words
    reasons
        reasons for the release, or all reasons against it
    numbers
        numbers that the rule compared
    limits
        ``name``, ``value``, ``limit``, ``broken`` of each limit
    needed
        reason why a challenger that is not worse is enough; None if it must be better
    """

    release: bool
    rule: str
    reasons: list[str]
    numbers: dict[str, Any]
    limits: list[dict[str, Any]] = field(default_factory=list)
    needed: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as JSON-able fields."""
        return asdict(self)


def need(
    reason: str, champion_age_days: float | None, max_age_days: float, better_forecast: str | None = None
) -> str | None:
    """Return the reason why a model that is only not worse is enough; None if there is none.

    Parameters
    ----------
    reason
        reason of the execution; ``alarm`` is the monitor's drift alarm
    champion_age_days
        days since the champion was trained; None without a champion or if unknown
    max_age_days
        age from which a champion is replaced
    better_forecast
        reason why the release brings a better forecast of dates; None if it does not

    Examples
    --------
    >>> need("schedule", 200, 180)
    'the champion is 200 days old, more than 180'
    >>> need("schedule", 20, 180) is None
    True
    """
    if reason == "alarm":
        return "drift alarm"
    if champion_age_days is not None and champion_age_days > max_age_days:
        return f"the champion is {champion_age_days:.0f} days old, more than {max_age_days:g}"
    return better_forecast


def decide(
    y: np.ndarray,
    challenger_p: np.ndarray,
    champion_p: np.ndarray | None,
    train_late_rate: float,
    *,
    seed: int,
    limits: list[Limit] | None = None,
    needed: str | None = None,
    margin: float = 0.005,
    n_boot: int = 2000,
    min_probability: float = 0.95,
    max_auc_loss: float = 0.01,
    unreadable: str | None = None,
    better_forecast: bool = False,
) -> Decision:
    """Compare a challenger with chance and with the champion on the same holdout.

    "Not worse" is non-inferiority: the upper one-sided 95 % bound of (challenger's Brier score - champion's) lies below
    the margin (Blackwelder 1982), here by the paired bootstrap.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    challenger_p, champion_p
        probabilities of the same activities; no champion before the first release
    train_late_rate
        share of late activities in training: the prediction without a model
    limits
        limits that were checked elsewhere; signal is checked here
    needed
        as `need` returns it
    margin
        Brier score that a needed challenger may be worse by
    n_boot
        paired bootstrap samples: each is scored by both models
    min_probability
        share of samples in which the challenger must have the lower Brier score
    max_auc_loss
        AUC that a better calibrated challenger may lose
    unreadable
        why there are no probabilities of a champion that is live: a challenger with signal replaces it
    better_forecast
        whether the release brings a better forecast of dates: then the same probabilities are not worse
    """
    samples = resamples(len(y), n_boot, seed)
    aucs = resampled_auc(y, challenger_p, samples)
    gain_prior = _gains(y, challenger_p, np.full(len(y), train_late_rate), samples)
    numbers: dict[str, Any] = {
        "n": len(y),
        "challenger_auc": auc(y, challenger_p),
        "challenger_auc_ci": interval(aucs),
        "challenger_brier": brier(y, challenger_p),
        "prior_brier": brier(y, np.full(len(y), train_late_rate)),
        "probability_better_than_prior": float(np.mean(gain_prior > NEGLIGIBLE)),
    }
    checked = [*(limits or []), *_signal(numbers, min_probability)]
    # Two limits may be broken for the same reason.
    against = list(dict.fromkeys(limit.why for limit in checked if limit.broken))
    signal = (
        f"AUC {numbers['challenger_auc']:.3f}, Brier {numbers['challenger_brier']:.4f} against "
        f"{numbers['prior_brier']:.4f} of the training late rate"
    )
    welcome = [f"first model with signal: {signal}"]
    if unreadable is not None:
        welcome = [f"{unreadable}; it is replaced by a model with signal: {signal}"]
    if champion_p is not None:
        gains = _gains(y, challenger_p, champion_p, samples)
        numbers |= {
            "champion_auc": auc(y, champion_p),
            "champion_brier": brier(y, champion_p),
            "brier_gain": brier(y, champion_p) - brier(y, challenger_p),
            "brier_gain_ci": interval(gains),
            "probability_better_than_champion": float(np.mean(gains > NEGLIGIBLE)),
            "brier_loss_upper_bound": float(np.quantile(-gains, min_probability)),
            "non_inferiority_margin": margin,
            "max_prediction_difference": float(np.abs(challenger_p - champion_p).max()),
        }
        welcome, against_champion = _against_champion(
            numbers, needed, margin, max_auc_loss, min_probability, better_forecast
        )
        against += against_champion
    return Decision(
        not against,
        RULE.format(p_min=min_probability, margin=margin, auc_loss=max_auc_loss),
        against or welcome,
        numbers,
        [limit.as_dict() for limit in checked],
        needed,
    )


def _gains(y: np.ndarray, p: np.ndarray, other: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return, for each sample, by how much the Brier score of `p` is lower than that of `other`."""
    values: np.ndarray = ((other - y) ** 2 - (p - y) ** 2)[samples].mean(axis=1)
    return values


def _signal(numbers: dict[str, Any], min_probability: float) -> list[Limit]:
    low, beats = numbers["challenger_auc_ci"][0], numbers["probability_better_than_prior"]
    why = (
        f"no signal: AUC {numbers['challenger_auc']:.3f} (95 % interval from {low:.3f}), "
        f"Brier {numbers['challenger_brier']:.4f} against {numbers['prior_brier']:.4f} of the training late rate "
        f"(lower with probability {beats:.2f})"
    )
    return [
        Limit("signal: lower bound of the AUC, above", low, 0.5, low <= 0.5, why),
        Limit(
            "signal: probability of beating the late rate, at least",
            beats,
            min_probability,
            beats < min_probability,
            why,
        ),
    ]


def _against_champion(
    numbers: dict[str, Any],
    needed: str | None,
    margin: float,
    max_auc_loss: float,
    min_probability: float,
    better_forecast: bool,
) -> tuple[list[str], list[str]]:
    """Return the reasons for and against a release in comparison with the champion."""
    welcome, against = [], []
    better = numbers["probability_better_than_champion"]
    bound = numbers["brier_loss_upper_bound"]
    scores = f"Brier {numbers['challenger_brier']:.4f} against {numbers['champion_brier']:.4f}"
    if numbers["max_prediction_difference"] <= NEGLIGIBLE and not better_forecast:
        against.append(f"not better than the champion: it gives the same probabilities ({scores})")
    elif better >= min_probability:
        welcome.append(
            f"better than the champion: {scores} (lower with probability {better:.2f}), "
            f"AUC {numbers['challenger_auc']:.3f} against {numbers['champion_auc']:.3f}"
        )
    elif needed and bound < margin:
        welcome.append(
            f"needed ({needed}) and not worse than the champion: {scores}, higher by at most {bound:.4f} "
            f"at {min_probability:.0%}, allowed are {margin:g}"
        )
    else:
        against.append(f"not better than the champion: {scores} (lower with probability {better:.2f})")
        if needed:
            against.append(
                f"needed ({needed}), but perhaps worse than the champion: its Brier score may be higher by {bound:.4f} "
                f"at {min_probability:.0%}, allowed are {margin:g}"
            )
    if numbers["challenger_auc"] < numbers["champion_auc"] - max_auc_loss:
        against.append(
            f"ranks worse than the champion: AUC {numbers['challenger_auc']:.3f} against {numbers['champion_auc']:.3f}"
        )
    return welcome, against
