"""The commands and programs of docs/api.md, run as they stand against the function over HTTP."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from support.predict_api import environment, served

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return [part.split("```")[0] for part in PAGE.split(f"```{language}\n")[1:]]


@pytest.fixture
def shell(load_app, tmp_path, mocked_aws):
    """A runner of commands that finds the API where ``source .local/env`` would tell."""
    boto3.client("dynamodb").create_table(
        TableName="answers",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    load_app("predict.app", **environment(tmp_path), IDEMPOTENCY_TABLE="answers")
    from predict import app

    with served(app, prefix="/restapis/a/v1/_user_request_") as url:

        def run(command: list[str]) -> str:
            kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
            told = {"SLIPCAST_API_URL": url, "SLIPCAST_API_KEY": "any"}
            done = subprocess.run(command, env=kept | told, capture_output=True, text=True, check=False, timeout=300)
            assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"
            return done.stdout

        yield run


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("command", examples("sh"))
def test_a_command_works(shell, command):
    script = f'set -euo pipefail\ncurl() {{ command curl -sS --fail-with-body --noproxy "*" "$@"; }}\n{command}'

    answered = shell(["bash", "-c", script])

    assert answered or "test " in command


@pytest.mark.parametrize("program", examples("python"))
def test_a_program_works(shell, program):
    printed = shell([sys.executable, "-W", "ignore", "-c", program])

    # NumPy prints small numbers as 1.8e-06, pandas what is nearly 1 as 1.0.
    numbers = [float(text) for text in re.findall(r"\d+\.\d*(?:e[+-]\d+)?", printed)]
    assert any(0 < number <= 1 for number in numbers), printed


def test_the_page_has_examples_of_every_protocol():
    assert sum("/v2/" in command or "tritonclient" in command for command in examples("sh") + examples("python")) == 2
    assert sum("/invocations" in command for command in examples("sh") + examples("python")) == 2
