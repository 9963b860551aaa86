"""Probabilities and log-odds of arrays: `probability` has the same for numbers, where NumPy is not at hand."""

import numpy as np

from slipcast.probability import CLIP


def expits(values: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-value)) of each value without overflow.

    Examples
    --------
    >>> expits(np.array([-2.0, 0.0, 2.0])).round(3).tolist()
    [0.119, 0.5, 0.881]
    """
    power = np.exp(-np.abs(values))
    array: np.ndarray = np.where(values >= 0, 1.0, power) / (1.0 + power)
    return array


def log_odds(p: np.ndarray, clip: float = CLIP) -> np.ndarray:
    """Return log(p / (1 - p)) of probabilities held in [clip, 1 - clip].

    Examples
    --------
    >>> log_odds(np.array([0.0, 0.5, 0.9])).round(3).tolist()
    [-13.816, 0.0, 2.197]
    """
    held = np.clip(p, clip, 1 - clip)
    values: np.ndarray = np.log(held / (1 - held))
    return values


def level_shift(logits: np.ndarray, rate: float) -> float:
    """Return what has to be added to log-odds so that the mean probability becomes `rate`, within [-5, 5]."""
    low, high = -5.0, 5.0
    for _ in range(50):
        middle = (low + high) / 2
        if float(np.mean((1 + np.tanh((logits + middle) / 2)) / 2)) < rate:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def shifted(p: np.ndarray, offset: float) -> np.ndarray:
    """Return probabilities with `offset` added to their log-odds; 0 changes no bit."""
    p = np.asarray(p, dtype="float64")
    if not offset:
        return p
    return (1 + np.tanh((log_odds(p) + offset) / 2)) / 2
