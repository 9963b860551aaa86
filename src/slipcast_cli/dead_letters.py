"""Dead letters: events that could not be delivered or handled, with reason and destination.

A message of the stack's dead-letter queue comes from a rule of EventBridge (the event, with the target and the error as
attributes), from a subscription of SNS (the notification) or from Lambda, which does not name its function. So its
destination is found as AWS found it: by the rules, subscriptions and filters of the stack.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

# No function here may take longer than 900 s. A call without an answer is not repeated: the event stays.
_CONFIG = Config(connect_timeout=5, read_timeout=910, retries={"mode": "standard", "max_attempts": 1})
# With these codes EventBridge found no target for the event; with any other it stopped after its retries.
GONE = ("NO_RESOURCE", "NO_PERMISSIONS", "ACCESS_DENIED")
SHOWN = 500


class Undeliverable(Exception):
    """The event must not be sent again; the text says why, `remedy` what to do instead."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


@cache
def invoker() -> "LambdaClient":
    """Return a Lambda client that waits as long as a function may run."""
    return boto3.client("lambda", config=_CONFIG)


@dataclass(frozen=True)
class Letter:
    """Message of the dead-letter queue.

    Attributes
    ----------
    event
        payload for the function
    what
        summary of the event in one line
    reason
        error recorded by EventBridge, SNS or Lambda
    target
        ARN of the function, if the message names it
    code
        error code of EventBridge; empty for other sources
    """

    message_id: str
    receipt_handle: str
    sent: datetime
    event: Any
    what: str
    reason: str
    target: str = ""
    code: str = ""


def read(message: Mapping[str, Any]) -> Letter:
    """Return a message of SQS, with all of its attributes, as a letter; a body that is not JSON is the event."""
    said = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    try:
        event = json.loads(message["Body"])
    except ValueError:
        event = message["Body"]
    code, text = said.get("ERROR_CODE", ""), said.get("ERROR_MESSAGE") or said.get("ErrorMessage", "")
    target = said.get("TARGET_ARN", "")
    if isinstance(event, dict) and "requestPayload" in event and "requestContext" in event:
        # A record of a failed invocation, from a function's failure destination: it names the function.
        error = event.get("responsePayload") or {}
        target, text = event["requestContext"].get("functionArn", ""), _joined(error, "errorType", "errorMessage")
        event = event["requestPayload"]
    elif isinstance(event, dict) and event.get("Type") == "Notification" and "TopicArn" in event:
        # The form in which SNS invokes a function.
        event = {"Records": [{"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": event}]}
    reason = ": ".join(part for part in (code, text) if part)
    return Letter(
        message_id=message["MessageId"],
        receipt_handle=message["ReceiptHandle"],
        sent=datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC),
        event=event,
        what=_what(event),
        reason=reason or "none was given",
        target=target,
        code=code,
    )


def _joined(error: dict[str, Any], *names: str) -> str:
    return ": ".join(str(error[name]) for name in names if error.get(name))


def _what(event: Any) -> str:
    if not isinstance(event, dict):
        return "no event"
    if event.get("detail-type") == "Object Created":
        detail = event["detail"]
        return f"object created: s3://{detail['bucket']['name']}/{detail['object']['key']}"
    if event.get("detail-type") == "Scheduled Event":
        return f"schedule: {_rule_of(event)} at {event.get('time')}"
    if "job" in event:
        return f"batch job {event['job']}"
    if delivery := _delivery(event):
        return f"log: {len(delivery['logEvents'])} lines of {delivery['logGroup']}"
    if notification := _notification(event):
        alarm = _alarm(notification)
        return f"alarm: {alarm['AlarmName']} is {alarm['NewStateValue']}" if alarm else "notification of SNS"
    return "an event of no known kind"


def _rule_of(event: dict[str, Any]) -> str:
    text: str = (event.get("resources") or [""])[0].rpartition("/")[2]
    return text


def _delivery(event: dict[str, Any]) -> dict[str, Any]:
    """Return the delivery of a log group; empty for other events, or if it cannot be unpacked."""
    try:
        document: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
        return document
    except (KeyError, TypeError, ValueError, EOFError, OSError, zlib.error):
        return {}


def _notification(event: dict[str, Any]) -> dict[str, Any]:
    records = event.get("Records") or [{}]
    document: dict[str, Any] = records[0].get("Sns", {})
    return document


def _alarm(notification: dict[str, Any]) -> dict[str, Any] | None:
    try:
        message = json.loads(notification.get("Message", ""))
    except ValueError:
        return None
    return message if isinstance(message, dict) and {"AlarmName", "NewStateValue"} <= message.keys() else None


class Destinations:
    """Destinations of the events of a deployed stack.

    Parameters
    ----------
    stack
        name of the CloudFormation stack
    """

    def __init__(self, stack: str) -> None:
        self.stack = stack
        self.events, self.sns, self.logs = boto3.client("events"), boto3.client("sns"), boto3.client("logs")
        self.cloudwatch, self.cloudformation = boto3.client("cloudwatch"), boto3.client("cloudformation")
        self._rules: dict[str, str] | None = None

    def of(self, letter: Letter) -> str:
        """Return name or ARN of the function that a letter was going to.

        Raises
        ------
        Undeliverable
            If no function of the stack takes such an event, more than one does, or the alarm in it has changed its
            state since.
        """
        self._refuse_what_is_over(letter)
        found = {letter.target} if letter.target else set(self._takers(letter.event))
        if len(found) != 1:
            named = f"{len(found)} functions of {self.stack} take it" if found else f"nothing in {self.stack} takes it"
            raise Undeliverable(
                f"it does not say where it was going, and {named}",
                "invoke the function by hand with its body, then: make redrive DISCARD=" + letter.message_id,
            )
        (target,) = found
        if ":function:" not in target:
            raise Undeliverable(
                f"{target} is no function", f"send it there by hand, then: make redrive DISCARD={letter.message_id}"
            )
        return target

    def _refuse_what_is_over(self, letter: Letter) -> None:
        alarm = _alarm(_notification(letter.event)) if isinstance(letter.event, dict) else None
        if not alarm:
            return
        found = self.cloudwatch.describe_alarms(AlarmNames=[alarm["AlarmName"]])
        for now in (*found.get("MetricAlarms", []), *found.get("CompositeAlarms", [])):
            if now["StateValue"] != alarm["NewStateValue"]:
                raise Undeliverable(
                    f"{alarm['AlarmName']} is {now['StateValue']} by now: it would be taken for what is new",
                    f"make redrive DISCARD={letter.message_id}",
                )

    def _takers(self, event: Any) -> Iterator[str]:
        if not isinstance(event, dict):
            return
        if event.get("detail-type") == "Scheduled Event":
            rule = _rule_of(event)
            yield from self._targets(rule) if rule in self.rules() else ()
        elif "detail-type" in event:
            for rule, pattern in self.rules().items():
                if pattern and self.events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]:
                    yield from self._targets(rule)
        elif "job" in event:
            # It went from the function to itself.
            stack_id = self.cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]["StackId"]
            partition, _, region, account = stack_id.split(":")[1:5]
            yield f"arn:{partition}:lambda:{region}:{account}:function:{self.stack}-jobs"
        elif delivery := _delivery(event):
            for page in self.logs.get_paginator("describe_subscription_filters").paginate(
                logGroupName=delivery["logGroup"]
            ):
                for item in page["subscriptionFilters"]:
                    if item["filterName"] in delivery["subscriptionFilters"]:
                        yield item["destinationArn"]
        elif topic := _notification(event).get("TopicArn"):
            for listed in self.sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
                yield from (item["Endpoint"] for item in listed["Subscriptions"] if item["Protocol"] == "lambda")

    def rules(self) -> dict[str, str]:
        """Return the patterns of the stack's rules by name; that of a schedule is empty."""
        if self._rules is None:
            pages = self.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.stack)
            names = [
                item["PhysicalResourceId"].rpartition("/")[2]
                for page in pages
                for item in page["StackResourceSummaries"]
                if item["ResourceType"] == "AWS::Events::Rule"
            ]
            self._rules = {name: self.events.describe_rule(Name=name).get("EventPattern") or "" for name in names}
        return self._rules

    def _targets(self, rule: str) -> list[str]:
        return [item["Arn"] for item in self.events.list_targets_by_rule(Rule=rule)["Targets"]]


def send(function: str, event: Any) -> None:
    """Invoke a function with an event and wait for its end.

    Raises
    ------
    Undeliverable
        If the function raised, or could not be called.
    """
    name = function.partition(":function:")[2]
    remedy = f"look into the log of {name.partition(':')[0]}, fix the cause, then: make redrive"
    try:
        answer = invoker().invoke(FunctionName=function, Payload=json.dumps(event).encode())
    except (ClientError, BotoCoreError) as error:
        raise Undeliverable(str(error), remedy) from error
    if answer.get("FunctionError"):
        failure = json.loads(answer["Payload"].read() or b"{}")
        raise Undeliverable(f"failed again: {_joined(failure, 'errorType', 'errorMessage')}", remedy)


def remedy(letter: Letter, target: str) -> str:
    """Return the remedy for a letter that goes to the function `target`."""
    if letter.code in GONE:
        return "the function is gone or may not be called: docs/operations.md#gone, then: make redrive"
    if letter.code:
        return "once AWS is well again: make redrive"
    name = target.partition(":function:")[2].partition(":")[0]
    if isinstance(letter.event, dict) and "awslogs" in letter.event:
        return f"the hourly check of {name} has put these lines into the bucket; make redrive sends them too"
    return f"look into the log of {name}, fix the cause, then: make redrive"
