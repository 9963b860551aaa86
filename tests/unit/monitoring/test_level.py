"""The level follows a portfolio whose late rate moved, in bounded steps, and stays where nothing moved."""

import numpy as np
import pandas as pd
import pytest

from slipcast.monitoring.level import MAX_OFFSET, MAX_STEP, MIN_LABELS, step
from slipcast.probability_arrays import shifted


def matured(n: int, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray, pd.Series, pd.Series]:
    """Return outcomes whose log-odds are `shift` off the model's, its probabilities, projects and days."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.1, 0.8, n)
    late = (rng.random(n) < shifted(p, shift)).astype(int)
    days = pd.Series(pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 300, n), unit="D"))
    return late, p, pd.Series([f"P{i // 2}" for i in range(n)]), days


def test_a_level_that_moved_is_followed_and_the_steps_are_bounded():
    late, p, projects, days = matured(600, -0.9, 1)
    offset, steps = 0.0, []
    while (found := step(late, p, offset, projects, days)) is not None:
        steps.append(found.size)
        offset = found.offset
        assert len(steps) < 10

    assert len(steps) > 1
    assert all(-MAX_STEP <= size < 0 for size in steps)
    assert abs(float(shifted(p, offset).mean() - late.mean())) < 0.05
    assert abs(float(p.mean() - late.mean())) > 0.1


def test_all_steps_together_are_bounded():
    late, p, projects, days = matured(2000, -3.0, 2)
    found = step(late, p, -MAX_OFFSET + 0.2, projects, days)

    assert found is not None
    assert found.offset == pytest.approx(-MAX_OFFSET)
    assert step(late, p, -MAX_OFFSET, projects, days) is None


def test_where_the_level_is_right_looking_often_makes_no_steps():
    taken = 0
    for seed in range(40):
        late, p, projects, days = matured(500, 0.0, 100 + seed)
        looks = (step(late[:n], p[:n], 0.0, projects[:n], days[:n]) for n in range(MIN_LABELS, 501, 50))
        taken += any(found is not None for found in looks)

    assert taken <= 4


def test_few_labels_and_one_outcome_alone_make_no_step():
    late, p, projects, days = matured(MIN_LABELS - 1, -2.0, 3)

    assert step(late, p, 0.0, projects, days) is None
    assert step(np.zeros(200, int), np.full(200, 0.5), 0.0, pd.Series(["P"] * 200), pd.Series([days[0]] * 200)) is None
