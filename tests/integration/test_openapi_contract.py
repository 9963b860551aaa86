"""The OpenAPI document is true: schemathesis asks for what it promises and for what it forbids, over HTTP."""

import importlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest

from support import project_site
from support.batch_site import BatchSite
from support.budgets import examples
from support.predict_api import environment, served

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = examples(1, 20)
# Exceptions of single operations are in this file; each has its reason in a table of docs/api.md.
EXCEPTIONS = ROOT / "tests" / "support" / "schemathesis.toml"
# API Gateway asks for the key, before the function (test_api_gateway.py).
LEFT_OUT = "ignored_auth"
SEARCHING = ("fuzzing", "coverage", "stateful")


@pytest.fixture
def base_url(load_app, tmp_path, mocked_aws, monkeypatch):
    boto3.client("dynamodb").create_table(
        TableName="answers",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    boto3.client("s3").create_bucket(Bucket="data")
    projects = project_site.app(load_app, "data")
    load_app("predict.app", **environment(tmp_path), IDEMPOTENCY_TABLE="answers")
    jobs = BatchSite(load_app, monkeypatch).app
    predict = importlib.import_module("predict.app")

    def handler(event, context):
        # As API Gateway chooses the function: by the paths of api/openapi.yaml.
        routed = project_site.routed(projects, event)
        if routed is not None:
            return projects.handler(routed, context)
        return (jobs if event["path"].startswith("/batch") else predict).handler(event, context)

    with served(SimpleNamespace(handler=handler), prefix="/v1") as url:
        yield url


# Then requests at random, the limits of each field of each operation one by one (thousands), and what follows from
# one another.
@pytest.mark.parametrize("phases", ["examples", *(pytest.param(name, marks=pytest.mark.slow) for name in SEARCHING)])
def test_what_the_document_says_is_true(base_url, tmp_path, phases):
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(EXCEPTIONS)),
        *("run", f"{base_url}/openapi.json"),
        *("--phases", phases, "--max-examples", str(EXAMPLES), "--exclude-checks", LEFT_OUT),
        *("--generation-deterministic", "--generation-with-security-parameters", "false"),
        *("--suppress-health-check", "all", "--warnings", "off", "--no-color", "--continue-on-failure"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": "support.schemathesis_hooks", "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert "No issues found" in done.stdout


def test_every_exception_has_its_reason_in_the_docs():
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = text.partition("| schemathesis' check |")[2].partition("\n\n")[0]

    assert f"`{LEFT_OUT}`" in table
    for operation in [
        name for each in tomllib.loads(EXCEPTIONS.read_text())["operations"] for name in each["include-name"]
    ]:
        assert f"`{operation}`" in table
