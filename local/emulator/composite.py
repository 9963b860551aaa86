"""Composite alarms of a template, created by CloudWatch's API: the emulator's CloudFormation refuses the type."""

import re
from collections.abc import Mapping
from typing import Any

TYPE = "AWS::CloudWatch::CompositeAlarm"
_REFERENCE = re.compile(r"\$\{([\w:]+)\}")


def requests(template: Mapping[str, Any], physical: Mapping[str, str], stack: str) -> list[dict[str, Any]]:
    """Return a request of PutCompositeAlarm for each composite alarm in a template.

    Parameters
    ----------
    template
        as it was deployed, parsed
    physical
        logical id → physical id of the stack's resources
    stack
        its name
    """
    known = {**physical, "AWS::StackName": stack}

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if isinstance(value, Mapping):
            ((function, argument),) = value.items()
            if function not in ("Ref", "Fn::Sub"):
                raise ValueError(
                    f"a composite alarm with {function}: local/emulator/composite.py knows Ref and Fn::Sub"
                )
            return known[argument] if function == "Ref" else _REFERENCE.sub(lambda found: known[found[1]], argument)
        return value

    return [
        {name: resolve(value) for name, value in resource["Properties"].items()}
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == TYPE
    ]
