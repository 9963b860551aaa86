"""What a state machine asks of AWS, read from its definition."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from permissions.actions import Need, needs
from permissions.template import ACCOUNT, MACHINES, REGION, ROOT, Stack

OPTIMISED = re.compile(r"arn:aws:states:::(?:aws-sdk:)?(\w+):(\w+)((?:\.\w+)*(?::2)?)")
# Log delivery has no resources to name: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
LOGGING = [
    f"logs:{name}"
    for name in (
        *("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries"),
        *("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"),
    )
]
# https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
TRACING = [
    f"xray:{name}" for name in ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
]


def definition(machine: str, stack: Stack) -> dict[str, Any]:
    """Return a machine's definition with its substitutions made."""
    properties = MACHINES[machine]["Properties"]
    text = (ROOT / properties["DefinitionUri"]).read_text(encoding="utf-8")
    given = stack.resolve(properties.get("DefinitionSubstitutions", {}))
    return yaml.safe_load(re.sub(r"\$\{(\w+)\}", lambda found: str(given[found[1]]), text))


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all states by name, those within maps and parallel branches too."""
    for name, state in machine["States"].items():
        yield name, state
        for inside in [state[key] for key in ("ItemProcessor", "Iterator") if key in state] + state.get("Branches", []):
            yield from states(inside)


def needs_of(machine: str, stack: Stack) -> list[Need]:
    """Return everything that a machine's role is asked for."""
    found = []
    for name, state in states(definition(machine, stack)):
        if state["Type"] == "Task":
            found += _task(name, state)
        elif state["Type"] == "Map" and state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            found += _children(stack.name(machine))
    properties = MACHINES[machine]["Properties"]
    if properties.get("Logging", {}).get("Level", "OFF") != "OFF":
        found += [Need(action, "*") for action in LOGGING]
    if properties.get("Tracing", {}).get("Enabled"):
        found += [Need(action, "*") for action in TRACING]
    return found


def _task(name: str, state: dict[str, Any]) -> list[Need]:
    given = state.get("Arguments") or {
        key.removesuffix(".$"): value for key, value in state.get("Parameters", {}).items()
    }
    matched = OPTIMISED.fullmatch(state["Resource"])
    if matched is None:
        raise NotImplementedError(f"{name}: no idea of {state['Resource']}")
    service, operation, pattern = matched.groups()
    if ".sync" in pattern:
        raise NotImplementedError(f"{name}: say in tests/permissions/machines.py what {service}.sync asks for besides")
    found = needs(service, operation, given)
    for need in found:
        if "{%" in need.resource + str(need.context) or "$." in need.resource:
            raise NotImplementedError(f"{name}: on what {need.action} is asked is known at run time only")
    return found


def _children(name: str) -> list[Need]:
    """https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html

    It names the machine's own executions for Describe and Stop, those of a Map Run for Redrive. The ARNs of children
    are of the second form.
    """
    own = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{name}:00000000-0000-0000-0000-000000000000"
    child = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:{name}/label:00000000-0000-0000-0000-000000000000"
    return [
        Need("states:StartExecution", f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"),
        *(Need(f"states:{action}Execution", own) for action in ("Describe", "Stop")),
        *(Need(f"states:{action}Execution", child) for action in ("Describe", "Stop", "Redrive")),
    ]
