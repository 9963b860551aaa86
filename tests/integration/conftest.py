"""AWS as moto plays it: a data bucket, the control table, the trigger with a state machine to start."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from faults.explore import Scenario, assert_converges, forget_clients
from faults.injector import Injector
from permissions.recording import RECORDER, Recorder, never_asked_for
from permissions.template import FUNCTIONS
from slipcast_aws import storage, topic
from slipcast_aws.control import table as control
from slipcast_aws.serving import feature_store
from support import quick_aws
from support.monitoring_site import live, monitor, profiled  # noqa: F401 - fixtures of several files

HERE = Path(__file__).parent
# Looks at what all other tests of this folder made the functions ask for: it comes last.
LAST = "test_least_privilege.py"
WORKERS = pytest.StashKey[list[bool]]()


@pytest.fixture(autouse=True)
def permissions(monkeypatch) -> Iterator[Recorder]:
    """What a function asks of AWS while a test runs is allowed by its policies in template.yaml, or the test fails.

    A test that points a function at something foreign clears ``permissions.refused`` itself.
    """
    RECORDER.watch(monkeypatch)
    RECORDER.refused.clear()
    yield RECORDER
    refused = sorted(set(RECORDER.refused))
    assert not refused, "no policy in template.yaml allows this:\n" + "\n".join(refused)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session, config, items) -> None:
    """Put the test that needs all the others at the end, and note whether they are all there."""
    items.sort(key=lambda item: item.path.name == LAST)
    files = {item.path for item in items}
    part = (
        any("::" in argument for argument in config.args)
        or config.getoption("keyword", "")
        or config.getoption("lf", False)
    )
    # Those of the local cloud call no function of ours in this process.
    RECORDER.complete = not part and files >= set(HERE.glob("test_*.py")) - set(HERE.glob("test_local_*.py"))


def pytest_sessionfinish(session) -> None:
    """With several workers: hand over what was seen, and compare it in the process that has heard of them all."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput["asked"] = RECORDER.dump()
        config.workeroutput["complete"] = RECORDER.complete
    elif (workers := config.stash.get(WORKERS, None)) and all(complete for complete in workers):
        found = [line for name in FUNCTIONS for line in never_asked_for(name, RECORDER.asked.get(name, []))]
        if found:
            print("\nFAILED least privilege:\n" + "\n".join(found))
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    """Take what a worker has seen; one that died has seen nothing, and its tests have failed."""
    output = getattr(node, "workeroutput", {})
    node.config.stash.setdefault(WORKERS, []).append(output.get("complete", False))
    RECORDER.load(output.get("asked", []))


@pytest.fixture
def mocked_aws(aws_environment):
    """AWS without an account; adapters forget the clients of the test before, and of this one."""
    with mock_aws(), quick_aws.clients_once():
        for adapter in (storage, control, topic):
            adapter.client.cache_clear()
        yield
        for adapter in (storage, control, topic):
            adapter.client.cache_clear()


@pytest.fixture
def s3(mocked_aws):
    """An S3 client and the bucket ``data``."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    return client


@pytest.fixture
def control_table(mocked_aws) -> str:
    """The name of an empty control table."""
    boto3.client("dynamodb").create_table(
        TableName="control",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    return "control"


@pytest.fixture
def empty_store(mocked_aws) -> Iterator[str]:
    """The name of an empty feature table; the adapter remembers nothing of other tests."""
    # Held here: a test may put something else in its place.
    client = feature_store.client
    client.cache_clear()
    feature_store._cache.clear()
    boto3.client("dynamodb").create_table(
        TableName="features",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    yield "features"
    client.cache_clear()
    feature_store._cache.clear()


@pytest.fixture
def injector(aws_environment) -> Iterator[Injector]:
    """Harms calls of AWS, one at a time."""
    yield Injector()
    forget_clients()


@pytest.fixture
def assert_survives(injector, record_property) -> Callable[[Scenario], None]:
    """Try the faults of a scenario; how many they were stands in docs/reliability.md."""
    return lambda scenario: assert_converges(injector, scenario, record_property)


@pytest.fixture
def trigger(load_app, control_table):
    """The trigger's app with a state machine to start; ``app.machine`` is its ARN."""
    role = boto3.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    machine = boto3.client("stepfunctions").create_state_machine(
        name="slipcast-pipeline",
        definition=json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}),
        roleArn=role,
    )["stateMachineArn"]
    app = load_app(
        "trigger",
        CONTROL_TABLE=control_table,
        STATE_MACHINE_ARN=machine,
        RETRAIN_ALARMS="slipcast-drift",
        COOLDOWN_MINUTES="60",
    )
    app.machine = machine
    return app
