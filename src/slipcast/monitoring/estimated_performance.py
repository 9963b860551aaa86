"""Performance without labels, from calibrated scores alone.

If three in ten activities with a score of .3 are late, the scores alone give the expected Brier score, AUC and late
rate (confidence-based performance estimation; Białek, Perrakis, Nannini, Kuberski 2024, arXiv:2401.08348). The estimate
detects a change in the mix of activities, but not a change in the relation between features and outcome. So it is
invalid if the calibration is known to be broken, or if the scores are outside the range that it was fitted to.
"""

from typing import Any

import numpy as np

from slipcast.monitoring.record import Estimated

GRID = 1_000
# Tolerated share of scores outside the calibration's range, in addition to the outermost hundredth.
MAX_OUTSIDE = 0.05


def histogram(scores: np.ndarray) -> np.ndarray:
    """Return the histogram of the scores, each at the nearest of 0, 1/`GRID`, ..., 1: shape (GRID + 1,)."""
    places = np.clip(np.rint(np.asarray(scores) * GRID), 0, GRID).astype("int64")
    return np.bincount(places, minlength=GRID + 1)


def expected(counts: np.ndarray) -> dict[str, float]:
    """Return ``brier``, ``auc`` and ``late_rate`` to expect of calibrated scores with this histogram.

    Brier: mean of p (1 - p). AUC: the share of pairs of a late and a timely activity, each as likely as its score says,
    in which the late one has the higher score, ties one half.

    Examples
    --------
    >>> expected(histogram(np.array([0.25, 0.75])))
    {'brier': 0.1875, 'auc': 0.75, 'late_rate': 0.5}
    """
    counts = np.asarray(counts, dtype="float64")
    p = np.arange(len(counts)) / (len(counts) - 1)
    late, timely = counts * p, counts * (1 - p)
    below = np.cumsum(timely) - timely
    pairs = late.sum() * timely.sum()
    area = float(np.sum(late * (below + timely / 2)) / pairs) if pairs > 0 else 0.5
    total = counts.sum()
    return {
        "brier": float(np.sum(counts * p * (1 - p)) / total),
        "auc": area,
        "late_rate": float(late.sum() / total),
    }


def estimate(
    calibration: dict[str, Any] | None,
    counts: np.ndarray,
    *,
    min_n: int,
    outside: int,
    scores_drifted: bool,
    miscalibrated: bool,
) -> Estimated:
    """Return the estimate for a window, or the reason why there is none.

    Parameters
    ----------
    calibration
        of the profile; None in profiles of earlier versions
    counts
        `histogram` of the window's scores
    outside
        number of scores outside ``low`` and ``high`` of the calibration
    scores_drifted
        whether the scores' distribution has drifted in the window
    miscalibrated
        whether labels have shown that the scores are not calibrated
    """
    n = int(counts.sum())
    if n < min_n:
        return Estimated("insufficient_data", f"{n} predictions, {min_n} are needed", n=n)
    if calibration is None:
        return Estimated("estimate_invalid", "the model's profile holds no calibration: train again", n=n)
    share = outside / n
    why = None
    if miscalibrated:
        why = "labels show that the scores are not calibrated"
    elif scores_drifted:
        why = "the distribution of the scores has drifted from the one that the calibration was fitted to"
    elif share > MAX_OUTSIDE:
        low, high = calibration["low"], calibration["high"]
        why = f"{share:.0%} of the scores lie outside {low:.2f} to {high:.2f}, where the calibration was fitted"
    if why:
        return Estimated("estimate_invalid", why, n=n, outside_share=share)
    found, before = expected(counts), expected(np.array(calibration["histogram"]))
    return Estimated(
        "ok",
        n=n,
        brier=found["brier"],
        auc=found["auc"],
        late_rate=found["late_rate"],
        reference_brier=before["brier"],
        reference_auc=before["auc"],
        outside_share=share,
    )
