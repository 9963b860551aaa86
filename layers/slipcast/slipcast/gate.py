"""The gate: whether a challenger goes live."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from slipcast.evaluation import auc, brier, interval, resamples

RULE = (
    "A challenger is released if its holdout AUC is not suspiciously high, its Brier score beats the training late "
    "rate with a probability of at least {p_min:.0%} and its AUC's 95 % interval lies above .5, and, where a champion "
    "is live, its Brier score on the same holdout is lower with a probability of at least {p_min:.0%} (paired "
    "bootstrap) and its AUC is not lower by more than {auc_loss}."
)

# The champion is scored by another evaluator than the challenger: the same forest differs from itself in the last bits.
NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Decision:
    """The gate's answer, with every number behind it."""

    release: bool
    rule: str
    reasons: list[str]
    numbers: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as JSON-able fields."""
        return asdict(self)


def decide(
    y: np.ndarray,
    challenger_p: np.ndarray,
    champion_p: np.ndarray | None,
    train_late_rate: float,
    *,
    seed: int,
    n_boot: int = 2000,
    min_probability: float = 0.95,
    max_auc: float = 0.95,
    max_auc_loss: float = 0.01,
) -> Decision:
    """Compare a challenger with chance and with the champion on the same holdout.

    Parameters
    ----------
    y : outcomes of shape (n_activities,), 1 late
    challenger_p, champion_p : probabilities of the same activities; no champion before the first release
    train_late_rate : what somebody without a model would predict: the share of late activities in training
    n_boot : paired bootstrap samples: each is scored by both models
    min_probability : share of samples in which the challenger must have the lower Brier score
    max_auc : above it, a column that knows the outcome is suspected and nothing is released
    max_auc_loss : AUC that a better calibrated challenger may lose
    """
    samples = resamples(len(y), n_boot, seed)
    aucs = np.array([auc(y[rows], challenger_p[rows]) for rows in samples])
    gain_prior = _gains(y, challenger_p, np.full(len(y), train_late_rate), samples)
    numbers: dict[str, Any] = {
        "n": len(y),
        "challenger_auc": auc(y, challenger_p),
        "challenger_auc_ci": interval(aucs),
        "challenger_brier": brier(y, challenger_p),
        "prior_brier": brier(y, np.full(len(y), train_late_rate)),
        "probability_better_than_prior": float(np.mean(gain_prior > NEGLIGIBLE)),
    }
    reasons = _against_chance(numbers, max_auc, min_probability)
    if champion_p is not None:
        gains = _gains(y, challenger_p, champion_p, samples)
        numbers |= {
            "champion_auc": auc(y, champion_p),
            "champion_brier": brier(y, champion_p),
            "brier_gain": brier(y, champion_p) - brier(y, challenger_p),
            "brier_gain_ci": interval(gains),
            "probability_better_than_champion": float(np.mean(gains > NEGLIGIBLE)),
        }
        reasons += _against_champion(numbers, max_auc_loss, min_probability)
    release = not reasons
    if release:
        reasons = [_why_released(numbers)]
    rule = RULE.format(p_min=min_probability, auc_loss=max_auc_loss)
    return Decision(release, rule, reasons, numbers)


def _gains(y: np.ndarray, p: np.ndarray, other: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Return, for each sample, by how much the Brier score of `p` is lower than that of `other`."""
    return ((other - y) ** 2 - (p - y) ** 2)[samples].mean(axis=1)


def _against_chance(numbers: dict[str, Any], max_auc: float, min_probability: float) -> list[str]:
    reasons = []
    if numbers["challenger_auc"] > max_auc:
        reasons.append(
            f"suspected leakage: AUC {numbers['challenger_auc']:.3f} is above {max_auc}, "
            "look for a column that is written after the activity's start"
        )
    low, beats = numbers["challenger_auc_ci"][0], numbers["probability_better_than_prior"]
    if low <= 0.5 or beats < min_probability:
        reasons.append(
            f"no signal: AUC {numbers['challenger_auc']:.3f} (95 % interval from {low:.3f}), "
            f"Brier {numbers['challenger_brier']:.4f} against {numbers['prior_brier']:.4f} of the training late rate "
            f"(lower with probability {beats:.2f})"
        )
    return reasons


def _against_champion(numbers: dict[str, Any], max_auc_loss: float, min_probability: float) -> list[str]:
    reasons = []
    if numbers["probability_better_than_champion"] < min_probability:
        reasons.append(
            f"not better than the champion: Brier {numbers['challenger_brier']:.4f} against "
            f"{numbers['champion_brier']:.4f}, lower with probability {numbers['probability_better_than_champion']:.2f}"
        )
    if numbers["champion_auc"] - numbers["challenger_auc"] > max_auc_loss:
        reasons.append(
            f"ranks worse than the champion: AUC {numbers['challenger_auc']:.3f} against {numbers['champion_auc']:.3f}"
        )
    return reasons


def _why_released(numbers: dict[str, Any]) -> str:
    if "champion_brier" not in numbers:
        return (
            f"first model with signal: AUC {numbers['challenger_auc']:.3f}, Brier {numbers['challenger_brier']:.4f} "
            f"against {numbers['prior_brier']:.4f} of the training late rate"
        )
    return (
        f"better than the champion: Brier {numbers['challenger_brier']:.4f} against {numbers['champion_brier']:.4f} "
        f"(lower with probability {numbers['probability_better_than_champion']:.2f}), "
        f"AUC {numbers['challenger_auc']:.3f} against {numbers['champion_auc']:.3f}"
    )
