"""No function may reach a part of a bucket or table that it never asks for. Runs after all other tests here.

That it may reach what it does ask for is checked beside each of them (conftest.py), which actions it needs at all in
tests/infrastructure/test_least_privilege.py.
"""

import pytest
from permissions.call_graph import reached
from permissions.indirect import PREFIXES_OF_PACKAGES
from permissions.recording import RECORDER, unused
from permissions.template import FUNCTIONS


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_reach_nothing_that_it_never_asks_for(function):
    if not RECORDER.complete:
        pytest.skip("needs the calls of all integration tests: pytest tests/integration")
    own = [prefix for package, prefix in PREFIXES_OF_PACKAGES.items() if package in reached(function)]
    found = unused(function, RECORDER.asked.get(function, []))

    assert [line for line in found if not any(f"/{prefix}" in line for prefix in own)] == []
