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
