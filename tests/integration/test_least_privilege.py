"""No function may reach a part of a bucket or table that it never asks for. Runs after all other tests here.

With several workers none of them sees all calls: the run compares them when the workers have ended (conftest.py).
That it may reach what it does ask for is checked beside each of them (conftest.py), which actions it needs at all in
tests/infrastructure/test_least_privilege.py.
"""

import os

import pytest

from permissions.recording import RECORDER, never_asked_for
from permissions.template import FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_reach_nothing_that_it_never_asks_for(function):
    if "PYTEST_XDIST_WORKER" in os.environ:
        pytest.skip("compared when all workers have ended")
    if not RECORDER.complete:
        pytest.skip("needs the calls of all integration tests: pytest tests/integration")

    assert never_asked_for(function, RECORDER.asked.get(function, [])) == []
