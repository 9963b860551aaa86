"""Whatever state machine is in the template: nothing without a limit, a second try and a way out; and nothing told.

What is particular to the pipeline is in test_state_machine.py.
"""

import pytest

from permissions.machines import definition, states
from permissions.template import MACHINES, Stack, of_type

STACK = Stack()
TASKS = {
    f"{machine}.{name}": state
    for machine in MACHINES
    for name, state in states(definition(machine, STACK))
    if state["Type"] == "Task"
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_ends_in_time(name):
    limit = TASKS[name].get("TimeoutSeconds")

    # A wait for a person has a limit that is computed, see test_approval.py.
    assert (isinstance(limit, int) and 0 < limit <= 900) or "waitForTaskToken" in TASKS[name]["Resource"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_tried_again_a_limited_number_of_times(name):
    # 0 is for errors of which another try can make nothing.
    tries = [retrier["MaxAttempts"] for retrier in TASKS[name].get("Retry", [])]

    assert any(tries)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_fails_for_any_reason_goes_somewhere(name):
    assert any("States.ALL" in catcher["ErrorEquals"] for catcher in TASKS[name]["Catch"])


@pytest.mark.parametrize("machine", MACHINES)
def test_failures_are_logged_and_traced_and_no_data_with_them(machine):
    properties = MACHINES[machine]["Properties"]

    assert properties["Logging"]["Level"] in ("ERROR", "ALL")
    # A task token is part of the data.
    assert properties["Logging"]["IncludeExecutionData"] is False
    assert properties["Tracing"] == {"Enabled": True}


@pytest.mark.parametrize("api", of_type("AWS::Serverless::Api"))
def test_an_api_logs_neither_keys_nor_bodies(api):
    properties = of_type("AWS::Serverless::Api")[api]["Properties"]
    described = str(properties.get("AccessLogSetting", {}).get("Format", ""))

    # The query of an approval's address holds its key.
    for told in ("identity.apiKey}", "identity.apiKey ", "requestOverride", "querystring", "authorizer"):
        assert told not in described
    assert not any(setting.get("DataTraceEnabled") for setting in properties.get("MethodSettings", []))
