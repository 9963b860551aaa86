"""Probabilities and log-odds: one limit, one logit, one expit, by the standard library."""

import math

# Probabilities are held in [CLIP, 1 - CLIP] before a logarithm is taken.
CLIP = 1e-6


def expit(value: float) -> float:
    """Return 1 / (1 + exp(-value)) without overflow.

    Examples
    --------
    >>> round(expit(2.0), 4)
    0.8808
    """
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    power = math.exp(value)
    return power / (1.0 + power)


def logit(probability: float, clip: float = CLIP) -> float:
    """Return log(p / (1 - p)) of a probability held in [clip, 1 - clip].

    Examples
    --------
    >>> round(logit(0.88), 4)
    1.9924
    """
    held = min(max(probability, clip), 1.0 - clip)
    return math.log(held / (1.0 - held))
