"""No call to AWS waits for longer than the function that makes it: the SDK's own defaults are a minute, five times."""

import ast
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from permissions.template import FUNCTIONS
from slipcast_aws import storage, waiting
from slipcast_aws.control import table as control
from slipcast_aws.release import versions

ROOT = Path(__file__).resolve().parents[3]
# A person waits in front of these, and ends them.
BY_HAND = {"switch.py", "lineage.py", "history.py", "redrive.py", "dead_letters.py"}
# What a call may take at most besides its attempts: random pauses of up to 1, 2 and 4 seconds.
PAUSES = 7


def clients() -> list[tuple[str, ast.Call]]:
    """Return every call of ``boto3.client`` and ``boto3.resource`` in functions and adapters."""
    found = []
    for folder in ("functions", "src/slipcast_aws", "src/slipcast_cli"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("client", "resource")
                    and isinstance(node.func.value, ast.Name)
                    and node.func.value.id == "boto3"
                ):
                    found.append((str(path.relative_to(ROOT)), node))
    return found


def test_every_client_of_a_function_has_limits_of_its_own():
    without = [
        f"{path}:{call.lineno}"
        for path, call in clients()
        if Path(path).name not in BY_HAND and not any(keyword.arg == "config" for keyword in call.keywords)
    ]
    assert len(clients()) > 12
    assert without == []


def longest(config) -> float:
    """Return the seconds that a call takes at most, if every attempt hangs."""
    return config.retries["total_max_attempts"] * max(config.connect_timeout, config.read_timeout) + PAUSES


def timeout(name: str) -> int:
    return FUNCTIONS[name]["Properties"]["Timeout"]


def test_calls_of_functions_that_somebody_waits_for_end_before_them():
    assert longest(waiting.QUICK) < timeout("ApproveFunction") == 29
    assert longest(waiting.QUICK) < timeout("NotifyFunction")
    assert longest(waiting.SEARCHING) < timeout("CollectFunction")
    assert longest(waiting.SEARCHING) < timeout("ReleaseFunction")


def test_a_wait_for_lambda_leaves_time_for_what_comes_after_it():
    predict = timeout("PredictFunction")
    # A version that is asked has its whole time to answer.
    assert versions._CONFIG.read_timeout > predict
    assert versions._CONFIG.read_timeout + versions._CONFIG.connect_timeout < waiting.RESERVE
    assert timeout("ReleaseFunction") / 4 > waiting.RESERVE


def test_adapters_use_these_limits(aws_environment):
    for adapter, config in ((control, waiting.QUICK), (storage, storage._CONFIG), (versions, versions._CONFIG)):
        adapter.client.cache_clear()
        found = adapter.client().meta.config
        adapter.client.cache_clear()
        assert (found.connect_timeout, found.read_timeout) == (config.connect_timeout, config.read_timeout)
        assert found.retries["mode"] == "standard"


def refused(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")


@pytest.mark.parametrize(
    ("error", "busy"),
    [
        (refused("TooManyRequestsException", 429), True),
        (refused("ThrottlingException", 400), True),
        (refused("ProvisionedThroughputExceededException", 400), True),
        (refused("SlowDown", 503), True),
        (refused("InternalFailure", 500), True),
        (refused("ResourceConflictException", 409), True),
        (refused("PreconditionFailedException", 412), True),
        (ReadTimeoutError(endpoint_url="https://lambda"), True),
        (ConnectTimeoutError(endpoint_url="https://lambda"), True),
        (EndpointConnectionError(endpoint_url="https://lambda"), True),
        (refused("ConditionalCheckFailedException", 400), False),
        (refused("InvalidParameterValueException", 400), False),
        (refused("AccessDeniedException", 403), False),
        (refused("NoSuchKey", 404), False),
        (ClientError({"Error": {"Code": "Unknown"}}, "Any"), False),
        (NoCredentialsError(), False),
        (ValueError("wrong"), False),
    ],
)
def test_load_is_told_from_what_is_wrong(error, busy):
    @waiting.retriable
    def step():
        raise error

    assert waiting.is_busy(error) is busy
    with pytest.raises(waiting.NotReadyError if busy else type(error)) as caught:
        step()
    assert not busy or caught.value.__cause__ is error


def test_botocore_names_what_is_busy_so():
    """The codes are those of the services' own models, not of our memory."""
    models = {
        error.name
        for service in ("lambda", "dynamodb", "s3", "sns", "stepfunctions")
        for error in boto3.Session(region_name="us-east-1")._session.get_service_model(service).error_shapes
    }
    # Not in the models: general codes of AWS's protocols ("Common Errors" of each API reference).
    general = {
        *("InternalError", "InternalServerError", "InternalServiceError", "RequestTimeout", "ServiceUnavailable"),
        *("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
    }
    assert waiting.BUSY - general <= models


def test_a_deadline_that_is_over_lets_one_attempt_pass():
    attempts = waiting.Deadline(-1).attempts("anything")

    assert next(attempts) == 0
    with pytest.raises(waiting.NotReadyError, match="anything: not within"):
        next(attempts)
