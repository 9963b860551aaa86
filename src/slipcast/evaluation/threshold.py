"""Cost of warnings at a threshold, compared with never and always warning."""

from typing import Any

import numpy as np

from slipcast.metrics.bootstrap import interval, multiplicities

# Thresholds at which the cost curve is drawn: every two hundredths.
CURVE = np.linspace(0, 1, 51)


def threshold_report(
    y: np.ndarray, p: np.ndarray, *, costs: tuple[float, float], seed: int, n_boot: int = 1000
) -> dict[str, Any]:
    """Measure the warnings at the threshold that the costs imply.

    Parameters
    ----------
    y
        outcomes of shape (n_activities,), 1 late
    p
        probabilities of the same activities
    costs
        cost of a missed delay and of a false alarm, any unit
    n_boot
        bootstrap samples for the interval

    Returns
    -------
    dict[str, Any]
        - ``value``: the threshold (`cost_threshold`).
        - ``missed_delay_cost``, ``false_alarm_cost``.
        - ``confusion``: [[on time without warning, on time with warning], [late without warning, late with warning]].
        - ``precision``, ``recall``, ``f1``: of the warnings; None where undefined.
        - ``cost_per_activity``: (missed delays * their cost + false alarms * their cost) / activities, with
          ``cost_ci``.
        - ``cost_never_warn``, ``cost_always_warn``: the same without a model.
        - ``curve``: [threshold, cost per activity] pairs (Drummond and Holte 2006 draw it over the costs instead).

    Raises
    ------
    ValueError
        If a cost is not positive.
    """
    missed_cost, false_cost = costs
    value = cost_threshold(missed_cost, false_cost)
    y, p = np.asarray(y), np.asarray(p)
    cost = _cost(y, p >= value, missed_cost, false_cost)
    samples = np.concatenate([weights @ cost / len(y) for weights in multiplicities(len(y), n_boot, seed)])
    warned = p >= value
    hits, alarms = int((warned & (y == 1)).sum()), int((warned & (y == 0)).sum())
    missed, quiet = int((~warned & (y == 1)).sum()), int((~warned & (y == 0)).sum())
    return {
        "value": value,
        "missed_delay_cost": missed_cost,
        "false_alarm_cost": false_cost,
        "confusion": [[quiet, alarms], [missed, hits]],
        "precision": hits / (hits + alarms) if hits + alarms else None,
        "recall": hits / (hits + missed) if hits + missed else None,
        # Defined as soon as there is a late or a warned activity: van Rijsbergen's F with equal weights.
        "f1": 2 * hits / (2 * hits + alarms + missed) if hits + alarms + missed else None,
        "cost_per_activity": float(cost.mean()),
        "cost_ci": interval(samples),
        "cost_never_warn": float(missed_cost * y.mean()),
        "cost_always_warn": float(false_cost * (1 - y.mean())),
        "curve": [[float(cut), float(_cost(y, p >= cut, missed_cost, false_cost).mean())] for cut in CURVE],
    }


def _cost(y: np.ndarray, warned: np.ndarray, missed_cost: float, false_cost: float) -> np.ndarray:
    """Return the cost of each activity."""
    return np.where(y == 1, missed_cost * ~warned, false_cost * warned).astype("float64")


def cost_threshold(missed_delay_cost: float, false_alarm_cost: float) -> float:
    """Return the probability from which a warning costs less than silence (Elkan 2001, equation 2).

    A warning is worth it when ``p * missed_delay_cost >= (1 - p) * false_alarm_cost``.

    Raises
    ------
    ValueError
        If a cost is not positive.

    Examples
    --------
    >>> cost_threshold(4, 1)
    0.2
    """
    if missed_delay_cost <= 0 or false_alarm_cost <= 0:
        raise ValueError(f"costs are {missed_delay_cost} and {false_alarm_cost}: both must be positive")
    return false_alarm_cost / (false_alarm_cost + missed_delay_cost)
