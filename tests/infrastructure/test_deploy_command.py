"""What `make deploy` runs: the checks first, then sam, which asks nobody anything in a pipeline."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from samcli.commands.deploy import command

ROOT = Path(__file__).resolve().parents[2]
STAGES = ["default", "staging", "production"]


def planned(*variables: str) -> list[str]:
    """Return the commands that make would run, in their order."""
    # make tells a make below it of itself: without that it plans as for a user, whoever started these tests.
    outer = ("CI", "AWS_ENDPOINT_URL", "MAKEFLAGS", "MFLAGS", "MAKELEVEL")
    env = {name: value for name, value in os.environ.items() if name not in outer}
    made = subprocess.run(
        ["make", "--no-print-directory", "-n", "deploy", *variables],  # noqa: S607
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.splitlines()


def sam_deploy(line: str, monkeypatch) -> dict:
    """Return what sam makes of a command line, samconfig.toml included."""
    seen = {}
    monkeypatch.setattr(command, "do_cli", lambda *args, **named: seen.update(named, args=args))
    monkeypatch.chdir(ROOT)
    # As bash hands it over.
    words = line.split("sam deploy", 1)[1].split()
    template = ["--template-file", str(ROOT / "template.yaml"), "--s3-bucket", "packages", "--no-resolve-s3"]
    context = command.cli.make_context("deploy", [*words, *template, "--region", "eu-central-1"])
    seen["params"] = context.params
    return seen


@pytest.mark.parametrize("stage", STAGES)
def test_the_checks_come_first_and_look_at_the_same_stage(stage):
    lines = planned(f"STAGE={stage}")
    order = [
        n
        for word in ("slipcast_cli.preflight", "sam build", "sam deploy")
        for n, line in enumerate(lines)
        if word in line
    ]

    assert len(order) == 3
    assert order == sorted(order)
    assert f"--env {stage}" in lines[order[0]]
    assert f"--config-env {stage}" in lines[order[2]]


@pytest.mark.parametrize("stage", STAGES)
def test_with_ci_sam_asks_nothing_and_an_unchanged_stack_is_no_failure(stage, monkeypatch):
    params = sam_deploy(planned("CI=true", f"STAGE={stage}")[-1], monkeypatch)["params"]

    assert params["confirm_changeset"] is False
    assert params["guided"] is False
    assert params["fail_on_empty_changeset"] is False
    assert params["capabilities"] == ["CAPABILITY_IAM"]


@pytest.mark.parametrize("stage", STAGES)
def test_without_ci_sam_shows_the_changes_and_asks(stage, monkeypatch):
    assert sam_deploy(planned(f"STAGE={stage}")[-1], monkeypatch)["params"]["confirm_changeset"] is True


def test_a_stack_and_a_role_can_be_named(monkeypatch):
    role = "arn:aws:iam::123456789012:role/slipcast-cloudformation"
    params = sam_deploy(planned("STACK=other", f"CFN_ROLE_ARN={role}")[-1].replace('"', ""), monkeypatch)["params"]

    assert (params["stack_name"], params["role_arn"]) == ("other", role)


def test_a_shell_that_points_at_the_local_cloud_deploys_nothing():
    env = os.environ | {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566"}
    run = subprocess.run(["make", "deploy"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)  # noqa: S607

    assert run.returncode != 0
    assert re.search(r"points at the local cloud", run.stderr)
