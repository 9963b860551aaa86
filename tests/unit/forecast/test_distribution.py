"""Distribution of the finish: cdf, quantiles and means agree with each other."""

import math
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipcast.forecast.distribution import FinishDistribution

STEPS = st.lists(st.tuples(st.floats(0.5, 400), st.floats(0, 1)), min_size=1, max_size=15)


@st.composite
def distributions(draw):
    steps = draw(STEPS.filter(lambda steps: sum(rise for _, rise in steps) > 0.01))
    days = [0.0, *np.cumsum([width for width, _ in steps]).tolist()]
    rises = np.cumsum([rise for _, rise in steps])
    return FinishDistribution(days, [0.0, *(rises[:-1] / rises[-1]).tolist(), 1.0])


@given(finish=distributions(), level=st.floats(0.001, 1))
def test_a_quantile_is_where_the_cdf_reaches_its_level(finish, level):
    days = finish.quantile(level)
    assert finish.cdf(days) == pytest.approx(level, abs=1e-9)
    assert finish.cdf(days - 0.01 * days) <= level + 1e-9


@given(finish=distributions(), limit=st.floats(-100, 8000))
def test_expected_days_late_is_the_integral_of_the_probability_of_being_late(finish, limit):
    # A piecewise linear function is its own trapezoid between knots.
    grid = sorted({max(limit, 0.0), *(day for day in finish.days if day > limit)})
    area = np.trapezoid([finish.p_late(day) for day in grid], grid) if len(grid) > 1 else 0.0
    assert finish.expected_days_late(limit) == pytest.approx(area + max(-limit, 0.0), abs=1e-6)


@given(finish=distributions(), limits=st.tuples(st.floats(-100, 8000), st.floats(-100, 8000)))
def test_a_larger_tolerance_never_makes_lateness_more_probable(finish, limits):
    small, large = sorted(limits)
    assert finish.p_late(small) >= finish.p_late(large)
    assert finish.p_late(min(small, 0.0)) == finish.p_late(-75.0) == 1.0


@given(finish=distributions(), level=st.floats(0.01, 1))
def test_the_date_of_a_level_is_the_first_day_that_holds_it(finish, level):
    day = finish.finish_date(date(2026, 3, 31), level)
    number = (day - date(2026, 3, 31)).days
    assert number >= 1
    assert finish.cdf(number) >= level - 1e-9
    assert number == 1 or finish.cdf(number - 1) < level


def test_a_finish_on_a_whole_day_is_that_day():
    finish = FinishDistribution((0, 3, 30), (0, 0.3, 1))
    assert math.isclose(finish.quantile(0.1), 1.0)
    assert finish.finish_date(date(2026, 3, 31), 0.1) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("days", "probability"),
    [
        ((0,), (0,)),
        ((0, 1), (0, 0.5, 1)),
        ((1, 2), (0, 1)),
        ((0, 2, 2), (0, 0.5, 1)),
        ((0, 1, 2), (0, 0.6, 0.5)),
        ((0, 1), (0.1, 1)),
        ((0, 1), (0, 0.9)),
        ((0, 1, 2), (0, math.nan, 1)),
        ((0, math.nan), (0, 1)),
    ],
)
def test_what_is_no_distribution_is_refused(days, probability):
    with pytest.raises(ValueError, match=r"of a distribution|a distribution has"):
        FinishDistribution(days, probability)


@pytest.mark.parametrize("level", [0, -0.1, 1.1, math.nan])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(ValueError, match="a level lies above 0"):
        FinishDistribution((0, 1), (0, 1)).quantile(level)
