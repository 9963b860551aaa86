"""A second emulator makes, changes, deletes and makes again the stack, and notices where that would go wrong."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = (ROOT / "template.yaml").read_text(encoding="utf-8")


@pytest.fixture
def live(tool, tmp_path) -> Callable[[str, str], subprocess.CompletedProcess]:
    """Go through the life of the template with one text replaced by another; what the script says."""

    def run(old: str = "", new: str = "") -> subprocess.CompletedProcess:
        assert old in TEMPLATE
        (tmp_path / "template.yaml").write_text(TEMPLATE.replace(old, new, 1) if old else TEMPLATE, encoding="utf-8")
        (tmp_path / "statemachine").symlink_to(ROOT / "statemachine")
        command = [tool("emulator"), ROOT / "audit" / "second_cloudformation.py", tmp_path / "template.yaml"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


BUCKET = "    Properties:\n      VersioningConfiguration: { Status: Enabled }\n"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "          CONTROL_TABLE: !Ref ControlTable\n          COOLDOWN",
            '          CONTROL_TABLE: "${ControlTable}"\n          COOLDOWN',
            "create: ${ControlTable} is left in function slipcast-trigger",
        ),
        (
            BUCKET,
            BUCKET.replace("Properties:\n", "Properties:\n      BucketName: !Sub '${AWS::StackName}-data'\n"),
            "BucketAlreadyExists",
        ),
    ],
    ids=["a reference that is text", "a retained bucket with a name"],
)
def test_a_fault_is_told(old, new, told, live):
    done = live(old, new)

    assert done.returncode == 1
    assert told in done.stderr
