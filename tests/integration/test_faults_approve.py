"""Approve: each call to AWS, each fault; one decision, told once to the execution that waits."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest

from faults import worlds
from faults.explore import Scenario
from slipcast_aws.release import approvals, versions
from support.approval_records import EXECUTION, ask_event, conclude_event, leave_evaluation

KEY = "the-key-of-the-link"
TOPIC = "arn:aws:sns:us-east-1:123456789012:slipcast"
LIVE = {"sha256": "1" * 64, "artefact_uri": "s3://a/b", "profile_uri": "s3://a/c", "dataset_id": "d0"}
SETTINGS = {
    **{"DATA_BUCKET": "data", "CONTROL_TABLE": "control", "TOPIC_ARN": TOPIC, "APPROVAL_HOURS": "72"},
    **{"PUBLIC_BASE_URL": "https://api.example", "PREDICT_FUNCTION": "slipcast-predict"},
}


class FailedError(Exception):
    """A person who is told to try again later."""


@pytest.fixture
def scenario(load_app, lambda_context, monkeypatch) -> Callable[..., Scenario]:
    app = load_app("approve", **SETTINGS)
    monkeypatch.setattr(approvals, "new_key", lambda: KEY)
    monkeypatch.setattr(
        versions, "live_model", lambda function: versions.LiveModel(version="3", model_id="old", **LIVE)
    )

    def press() -> dict[str, Any]:
        body = urlencode({"key": KEY, "decision": "approve", "name": "Ann"})
        answer = app.handler(
            {
                **{"httpMethod": "POST", "path": f"/approvals/{EXECUTION}", "pathParameters": {"id": EXECUTION}},
                **{"queryStringParameters": None, "body": body, "isBase64Encoded": False},
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
                "requestContext": {"identity": {"sourceIp": "192.0.2.4"}},
            },
            lambda_context,
        )
        if answer["statusCode"] >= 500:
            raise FailedError(answer["body"])
        return answer

    class Later(datetime):
        """The clock of the function: a person tries again a minute later."""

        minutes = 0

        @classmethod
        def now(cls, tz=None):
            return datetime.now(UTC) + timedelta(minutes=cls.minutes)

    monkeypatch.setattr(app.decide, "datetime", Later)
    monkeypatch.setattr(app.web, "datetime", Later)
    told = []

    def tell(request: dict[str, Any]) -> dict[str, Any]:
        if told:
            raise approvals.states().exceptions.TaskTimedOut({"Error": {"Code": "TaskTimedOut"}}, "SendTaskSuccess")
        told.append(request)
        return {}

    def ask() -> dict[str, Any]:
        return app.handler(ask_event(), lambda_context)

    def decide() -> dict[str, Any]:
        """Press the button; an execution that was told goes on, whoever dies meanwhile."""
        Later.minutes += 1
        press()
        return conclude()

    def conclude() -> dict[str, Any]:
        return app.handler(conclude_event(in_time=bool(told)), lambda_context)

    steps = {"ask": ask, "decide": decide, "conclude": conclude}

    def make(step: str, *before: str) -> Scenario:
        def arrange() -> Callable[[], Any]:
            worlds.bucket()
            worlds.control_table()
            boto3.client("sns").create_topic(Name="slipcast")
            leave_evaluation()
            told.clear()
            Later.minutes = 0
            for name in before:
                {**steps, "decide": press}[name]()
            return steps[step]

        forget = (app.ask.topic.client.cache_clear,)
        stand_ins = {"stepfunctions:SendTaskSuccess": tell}
        return Scenario(f"approve, {step}", arrange, unchecked=("reports/",), forget=forget, stand_ins=stand_ins)

    return make


CALLS = "one of its calls to AWS"
SAME = "the same step, or the button pressed again, leads to the same end"


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(("ask",), marks=pytest.mark.fault("release", "approve: the question", CALLS, SAME)),
        pytest.param(("decide", "ask"), marks=pytest.mark.fault("release", "approve: the decision", CALLS, SAME)),
        pytest.param(
            ("conclude", "ask", "decide"), marks=pytest.mark.fault("release", "approve: its record", CALLS, SAME)
        ),
    ],
)
def test_after_any_fault_an_approval_ends_the_same(steps, assert_survives, scenario):
    assert_survives(scenario(*steps))
