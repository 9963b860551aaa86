"""Earned schedule: the time at which the plan had earned what is earned by now."""

import math

import numpy as np

# Times times activities that are held in memory at once.
AT_ONCE = 4_000_000
# Days below which an activity is a milestone.
SHORTEST = 1e-6


def earned_schedule(start: np.ndarray, finish: np.ndarray, weight: np.ndarray, earned: float) -> float:
    """Return the time at which the plan had earned the share `earned` (Lipke 2003, "Schedule is different").

    Parameters
    ----------
    start, finish
        planned start and finish of each activity, in days, shape (n_activities,); value is earned evenly between them
    weight
        planned value of each activity, shape (n_activities,)
    earned
        share of the total planned value, from 0 to 1

    Examples
    --------
    >>> earned_schedule(np.array([0.0, 10.0]), np.array([10.0, 30.0]), np.array([1.0, 1.0]), 0.75)
    20.0
    """
    times = np.unique(np.concatenate([start, finish]))
    length = finish - start
    milestone = length < SHORTEST
    whole = np.where(milestone, 1.0, length)
    shares = []
    # In pieces: a large network has as many times as activities, and their product would not fit into memory.
    for moment in np.array_split(times, math.ceil(len(times) * len(start) / AT_ONCE)):
        passed = moment[:, None]
        spread = np.clip((passed - start) / whole, 0, 1)
        # A milestone earns all at once: the plan has two values on its day.
        before = np.where(milestone, passed > finish, spread) @ weight
        after = np.where(milestone, passed >= finish, spread) @ weight
        shares.append(np.stack([before, after], axis=1).ravel())
    planned = np.maximum.accumulate(np.concatenate(shares) / weight.sum())
    at = np.repeat(times, 2)
    # Where the plan earns nothing for a while, the earliest time counts.
    place = int(np.searchsorted(planned, earned - 1e-12))
    if place == 0:
        return float(at[0])
    if place == len(at):
        return float(at[-1])
    rise = planned[place] - planned[place - 1]
    return float(at[place - 1] + (earned - planned[place - 1]) / rise * (at[place] - at[place - 1]))
