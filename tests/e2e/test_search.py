"""A search with more tasks than one execution holds, on a file without dates."""

from pathlib import Path

import pytest

from slipcast.training.candidates import load_candidates

EXPORTS = Path(__file__).resolve().parents[2] / "examples" / "exports"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def distributed(stack):
    """The stack, its search distributed however few tasks there are."""
    name = stack.env["SLIPCAST_STACK"] + "-plan"
    before = stack.lambdas.get_function_configuration(FunctionName=name)["Environment"]
    stack.lambdas.update_function_configuration(
        FunctionName=name, Environment={"Variables": before["Variables"] | {"INLINE_TASKS": "0"}}
    )
    yield stack
    stack.lambdas.update_function_configuration(FunctionName=name, Environment=before)


def test_a_distributed_search_finds_what_an_inline_one_does_and_releases_nothing_without_dates(distributed):
    stack = distributed
    before, live = stack.executions(), stack.live_version()
    stack.drop("schedule_management.csv", (EXPORTS / "schedule_management.csv").read_bytes())
    execution = stack.new_execution(before)
    passed = list(stack.states_passed(execution))
    outcome = stack.outcome(execution)

    assert outcome["status"] == "SUCCEEDED", outcome
    assert outcome["output"]["outcome"] == "kept"
    assert passed.count("SearchDistributed") == 2
    assert "SearchInline" not in passed
    assert stack.live_version() == live
    evaluation = stack.document(f"reports/{outcome['name']}/evaluation.json")
    # Its labels are random: the gate has to see that, beside the lack of dates.
    assert any(reason.startswith("no signal") for reason in evaluation["decision"]["reasons"])
    assert evaluation["protocol"] == "paper"
    assert evaluation["search"]["mode"] == "distributed"
    assert evaluation["search"]["tasks"]["failed"] == 0
    found = {item["family"] for item in (*evaluation["candidates"], *evaluation["failed"])}
    assert found == {candidate.name for candidate in load_candidates()}
    assert f"reports/{outcome['name']}/report.html" in stack.keys(f"reports/{outcome['name']}/")
