"""The smoke test that operators run against AWS, run against the local cloud."""

import json

import pytest

pytestmark = pytest.mark.e2e


def test_a_deployed_stack_passes_its_smoke_test(stack):
    # The other tests' files are in this stack: on AWS the test would leave it alone.
    said = stack.run(
        "slipcast_cli.smoke", "--stack", stack.env["SLIPCAST_STACK"], "--mix", "--alarms", "--every", "0.5", "--json"
    )

    result = json.loads(said)
    assert result["ok"], said
    passing = {item["check"] for item in result["checks"] if item["status"] == "pass"}
    assert {"execution", "api", "alarms", "topic", "alarm test"} <= passing
