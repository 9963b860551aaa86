"""What a schema does not see of the workflows: who may do what, what runs, and that it exists."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def load(file: Path) -> dict:
    # YAML 1.1 reads "on" as true.
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}


def steps(file: Path):
    return [step for job in load(file)["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_action_is_named_by_its_commit_with_the_version_beside_it(file):
    used = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))

    assert used
    assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_nothing_is_granted_but_what_is_named_and_nothing_is_stored(file):
    document, text = load(file), file.read_text(encoding="utf-8")

    assert document["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert all("timeout-minutes" in job for job in document["jobs"].values())
    for job in document["jobs"].values():
        # Only a job of an environment asks for credentials, and the role's trust names the environment.
        asks = job.get("permissions", {}).get("id-token") == "write"
        assert asks == ("environment" in job) == any("configure-aws" in step.get("uses", "") for step in job["steps"])
    assert "pull_request_target" not in document["on"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_runs_is_in_the_repository(file):
    for step in steps(file):
        if command := step.get("run"):
            kind, name = [*command.split(), ""][:2]
            assert (ROOT / kind).is_file() or (kind == "make" and name in TARGETS), command


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_job_waits_for_jobs_that_are_there(file):
    jobs = load(file)["jobs"]
    for job in jobs.values():
        needs = job.get("needs", [])
        assert ({needs} if isinstance(needs, str) else set(needs)) <= jobs.keys()


def test_production_comes_after_the_smoke_test_of_staging():
    jobs = load(ROOT / ".github" / "workflows" / "deploy.yaml")["jobs"]

    assert jobs["staging"]["needs"] == "test"
    assert jobs["production"]["needs"] == "staging"
    assert jobs["staging"]["steps"][-1]["run"].startswith("make smoke STACK=slipcast-staging")
    assert (jobs["staging"]["environment"], jobs["production"]["environment"]) == ("staging", "production")
