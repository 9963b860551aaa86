"""AWS's list of actions, resources and condition keys refuses what the evaluator of the tests cannot know."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import json, sys
import policies

class Stack:
    def statements(self, name):
        return json.loads(sys.argv[1])

print(json.dumps(list(policies.findings("Role", Stack()))))
"""
OBJECT = "arn:aws:s3:::data/runs/*"


@pytest.fixture
def found(tool):
    """What is found in one statement."""

    def run(action: str, resource: str, condition: dict | None = None) -> list[list[str]]:
        statement = {"Effect": "Allow", "Action": [action], "Resource": [resource]}
        statement |= {"Condition": condition} if condition else {}
        command = [tool("permissions"), "-W", "ignore", "-c", PROGRAM, json.dumps([statement])]
        done = subprocess.run(
            command, env={"PYTHONPATH": str(ROOT / "audit")}, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize(
    ("action", "resource", "condition", "issue"),
    [
        ("s3:GetObjekt", OBJECT, None, "UNKNOWN_ACTION"),
        ("s3:GetObject", "arn:aws:s3:::data", None, "RESOURCE_MISMATCH"),
        ("s3:ListBucket", OBJECT, None, "RESOURCE_MISMATCH"),
        (
            "s3:ListBucket",
            "arn:aws:s3:::data",
            {"StringLike": {"s3:prefiks": "runs/*"}},
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
    ],
)
def test_a_fault_is_found(action, resource, condition, issue, found):
    assert issue in {item[0] for item in found(action, resource, condition)}


def test_a_sound_statement_and_a_new_action_are_fine(found):
    assert found("s3:GetObject", OBJECT) == []
    assert found("sagemaker:CallMlflowAppApi", "arn:aws:sagemaker:us-east-1:123456789012:mlflow-app/app-1") == []
