"""The smoke test that operators run against AWS, run against the local cloud."""

import json

import boto3
import pytest

from slipcast_cli import preflight

pytestmark = pytest.mark.e2e


def test_a_deployed_stack_passes_its_smoke_test(stack):
    # The other tests' files are in this stack: on AWS the test would leave it alone.
    said = stack.run("smoke", "--mix", "--alarms", "--every", "0.5", "--json")

    result = json.loads(said)
    assert result["ok"], said
    passing = {item["check"] for item in result["checks"] if item["status"] == "pass"}
    assert {"execution", "api", "alarms", "topic", "alarm test"} <= passing


def test_the_check_of_the_account_runs_where_the_local_cloud_answers(stack, monkeypatch):
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)

    found = list(preflight.Preflight(boto3.Session(), stack.env["SLIPCAST_STACK"]).run())

    passing = {item.check for item in found if item.status == "pass"}
    assert {"stack name", "parameters", "region", "credentials", "stack", "state machine"} <= passing, found
