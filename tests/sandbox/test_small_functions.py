"""Three functions that start fast, with what Lambda has and nothing else; `make sandbox` runs them all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_sandbox.account import Account
from lambda_sandbox.environment import FunctionError

EVENTS = Path(__file__).resolve().parents[2] / "events"


@pytest.fixture(scope="module")
def account(tmp_path_factory) -> Iterator[Account]:
    """A stack without a model."""
    with Account(tmp_path_factory.mktemp("account")) as made:
        yield made


def sample(name: str) -> dict[str, Any]:
    """An event of events/."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


def test_the_gate_starts_one_execution_for_an_event_that_comes_twice(account):
    outcomes = [account.invoke("TriggerFunction", sample("s3_object_created"))["outcomes"] for _ in range(2)]

    assert outcomes == [["started"], ["duplicate"]]
    assert len(account.client("stepfunctions").list_executions(stateMachineArn=account.machine)["executions"]) == 1
    assert account.written["TriggerFunction"] == []


def test_notify_records_an_outcome_and_sends_it(account):
    event = {"outcome": "kept", "execution": "new-data-1", "reason": "new_data", "why": "not better", "source": None}

    assert account.invoke("NotifyFunction", event)["outcome"] == "kept"

    (message,) = account.messages()
    assert "new-data-1" in message["Message"]
    assert account.written["NotifyFunction"] == []


def test_predict_says_that_there_is_no_model_yet(account):
    answer = account.invoke("PredictFunction", sample("api_post_predictions"))

    assert answer["statusCode"] == 503
    assert account.written["PredictFunction"] == []


def test_a_function_that_lacks_a_layer_fails(account, monkeypatch):
    from lambda_sandbox import account as module

    monkeypatch.setattr(
        module, "property_of", lambda *names, real=module.property_of: [] if names[1] == "Layers" else real(*names)
    )
    with pytest.raises(FunctionError, match="No module named 'aws_lambda_powertools'"):
        account.invoke("RefreshFunction", {})
