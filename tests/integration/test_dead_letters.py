"""The dead-letter queue: each event is listed with its reason and goes to where it was going, once, or stays."""

import base64
import gzip
import io
import json
import re
import sys
from datetime import datetime, timedelta
from pathlib import Path

import boto3
import botocore.client
import pytest
from click.testing import CliRunner
from moto.events.models import EventPattern, EventPatternParser

from permissions.actions import actions
from permissions.template import FUNCTIONS, Stack
from slipcast_aws.serving import queues
from slipcast_cli import dead_letters, redrive
from slipcast_cli.main import cli

# Modules of the command that ask AWS for something.
OURS = ("slipcast_cli.redrive", "slipcast_cli.dead_letters", "slipcast_cli.stack")
OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
NAMES = ("TriggerFunction", "ReportFunction", "CollectFunction", "MonitorFunction")
GROUP = "/aws/lambda/slipcast-predict"


def events_of_the_template() -> dict[str, dict]:
    """The rules that SAM makes of the functions' events, and the queue, as CloudFormation resources."""
    stack, found = Stack({"DataBucket": "slipcast-data-123456789012"}), {}
    for function in FUNCTIONS:
        for name, item in FUNCTIONS[function]["Properties"].get("Events", {}).items():
            if item["Type"] in ("EventBridgeRule", "Schedule"):
                given = stack.resolve(item["Properties"])
                what = (
                    {"EventPattern": given["Pattern"]}
                    if "Pattern" in given
                    else {"ScheduleExpression": given["Schedule"]}
                )
                target = {"Id": "0", "Arn": stack.attribute(function, "Arn")}
                found[function + name] = {
                    "Type": "AWS::Events::Rule",
                    "Properties": {"Name": f"slipcast-{function}{name}", "Targets": [target], **what},
                }
    return found


class Lambda:
    """Lambda as far as it hands an event to a function: the real handlers, by name."""

    def __init__(self, context) -> None:
        self.handlers, self.context, self.calls = {}, context, []

    def invoke(self, FunctionName, Payload):
        name, event = FunctionName.split(":")[6], json.loads(Payload)
        self.calls.append((name, event))
        try:
            answer, failed = self.handlers[name](event, self.context), {}
        except Exception as error:
            answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
            failed = {"FunctionError": "Unhandled"}
        return {**failed, "Payload": io.BytesIO(json.dumps(answer).encode())}


class Site:
    """A deployed stack with a dead-letter queue, and what redrive asked of AWS."""

    def __init__(self, context, monkeypatch, trigger) -> None:
        self.monkeypatch, self.asked, self.lambdas = monkeypatch, set(), Lambda(context)
        self.lambdas.handlers["slipcast-trigger"] = trigger.handler
        template = {
            "Resources": {"DeadLetterQueue": {"Type": "AWS::SQS::Queue"}, **events_of_the_template()},
            "Outputs": {"DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetterQueue"}}},
        }
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName="slipcast", TemplateBody=json.dumps(template))
        outputs = cloudformation.describe_stacks(StackName="slipcast")["Stacks"][0]["Outputs"]
        self.queue = outputs[0]["OutputValue"]
        self.sqs, self.cloudwatch = boto3.client("sqs"), boto3.client("cloudwatch")
        self.topic = boto3.client("sns").create_topic(Name="slipcast-Topic")["TopicArn"]
        for protocol, endpoint in (("lambda", self.arn("trigger")), ("email", "planner@example.com")):
            boto3.client("sns").subscribe(TopicArn=self.topic, Protocol=protocol, Endpoint=endpoint)
        logs = boto3.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        self.machines = boto3.client("stepfunctions")
        self.machine = trigger.machine

    def arn(self, name: str) -> str:
        return f"arn:aws:lambda:us-east-1:123456789012:function:slipcast-{name}"

    def put(self, event, **attributes: str) -> str:
        return self.sqs.send_message(
            QueueUrl=self.queue,
            MessageBody=event if isinstance(event, str) else json.dumps(event),
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )["MessageId"]

    def run(self, capsys, *arguments: str) -> tuple[int, str]:
        command = ["dead-letters"] if arguments == ("--list",) else ["redrive", *arguments]
        capsys.readouterr()
        found = CliRunner().invoke(cli, command)
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found.exit_code, found.output

    def waiting(self) -> int:
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["All"])["Attributes"]
        assert found["ApproximateNumberOfMessagesNotVisible"] == "0"
        return int(found["ApproximateNumberOfMessages"])

    def started(self) -> list[str]:
        found = self.machines.list_executions(stateMachineArn=self.machine)["executions"]
        return [item["name"] for item in found]


@pytest.fixture
def site(trigger, lambda_context, monkeypatch):
    monkeypatch.setattr(redrive, "WAIT_SECONDS", 0)
    queues.client.cache_clear()
    site = Site(lambda_context, monkeypatch, trigger)
    monkeypatch.setattr(dead_letters, "invoker", lambda: site.lambdas)
    call = botocore.client.BaseClient._make_api_call

    def seen(client, operation, given):
        frame = sys._getframe()
        while frame and frame.f_globals.get("__name__") not in OURS:
            # What a function asks for while it is at work is its own.
            frame = None if frame.f_code.co_name == "invoke" else frame.f_back
        if frame:
            site.asked |= actions(client.meta.service_model.service_name, operation, given)
        # Moto has no TestEventPattern; what its rules match by answers.
        if operation == "TestEventPattern":
            pattern = EventPattern(given["EventPattern"], EventPatternParser(given["EventPattern"]).parse())
            return {"Result": pattern.matches_event(json.loads(given["Event"]))}
        return call(client, operation, given)

    monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", seen)
    yield site
    queues.client.cache_clear()


def rule_letter(site, event, code="NO_PERMISSIONS", function="trigger"):
    """As EventBridge sets an event aside."""
    return site.put(
        event,
        RULE_ARN="arn:aws:events:us-east-1:123456789012:rule/slipcast-TriggerFunctionFileDropped",
        TARGET_ARN=site.arn(function),
        ERROR_CODE=code,
        ERROR_MESSAGE="User is not authorized to perform: lambda:InvokeFunction",
    )


def lambda_letter(site, event):
    """As Lambda sets an event aside: it does not say for which function."""
    return site.put(
        event, RequestID="5f2a", ErrorCode="200", ErrorMessage="An error occurred (ThrottlingException): slow"
    )


def test_a_batch_job_goes_on_in_the_function_that_handed_it_to_itself(site, capsys):
    site.lambdas.handlers["slipcast-jobs"] = lambda event, context: None
    lambda_letter(site, {"job": "5f2a9c"})

    _, text = site.run(capsys, "--list")
    assert "batch job 5f2a9c" in text
    assert "to      slipcast-jobs\n" in text

    assert site.run(capsys)[0] == 0
    assert site.lambdas.calls == [("slipcast-jobs", {"job": "5f2a9c"})]
    assert site.waiting() == 0


def test_each_event_is_listed_with_source_reason_age_and_remedy_and_stays(site, event, capsys, monkeypatch):
    first = rule_letter(site, event("s3_object_created"))
    second = lambda_letter(site, event("scheduled_event"))
    sent = {letter.message_id: letter.sent for letter in map(dead_letters.read, redrive.listed(site.queue))}

    class Later(datetime):
        """Three hours after the first event was sent."""

        @classmethod
        def now(cls, tz=None):
            return sent[first] + timedelta(hours=3)

    monkeypatch.setattr(redrive, "datetime", Later)
    status, text = site.run(capsys, "--list")

    assert status == 0
    assert "2 set aside" in text
    block = text[text.index(first) :].split("event ")[0]
    assert " 3 h old" in block
    assert "object created: s3://slipcast-data-123456789012/incoming/nyc_sca_2022-12.csv" in block
    assert "to      slipcast-trigger\n" in block
    assert "reason  NO_PERMISSIONS: User is not authorized to perform: lambda:InvokeFunction" in block
    assert "remedy  the function is gone or may not be called: docs/operations.md#gone, then: make redrive" in block
    assert f"event {second}" in text
    assert "reason  An error occurred (ThrottlingException): slow" in text
    assert site.waiting() == 2
    assert site.lambdas.calls == []


def test_a_file_whose_event_got_lost_is_taken_in_once_however_often_it_is_sent_again(site, event, capsys):
    rule_letter(site, event("s3_object_created"))
    lambda_letter(site, event("s3_object_created"))

    status, text = site.run(capsys)

    assert status == 0
    assert "2 sent again" in text
    assert site.lambdas.calls == [("slipcast-trigger", event("s3_object_created"))] * 2
    assert len(site.started()) == 1
    assert site.waiting() == 0
    assert site.run(capsys) == (0, "0 sent again\n")


@pytest.mark.parametrize("function", ["trigger", "monitor", "collect", "score", "track"])
def test_a_schedule_goes_to_the_function_of_its_rule(site, event, capsys, function):
    rules = boto3.client("events").list_rules()["Rules"]
    name = next(
        rule["Name"]
        for rule in rules
        if "ScheduleExpression" in rule and rule["Name"].lower().startswith(f"slipcast-{function}")
    )
    site.lambdas.handlers[f"slipcast-{function}"] = lambda *_: {}
    lambda_letter(
        site, event("scheduled_event") | {"resources": [f"arn:aws:events:us-east-1:123456789012:rule/{name}"]}
    )

    assert site.run(capsys)[0] == 0
    assert [call[0] for call in site.lambdas.calls] == [f"slipcast-{function}"]


def test_a_record_of_the_monitor_goes_to_the_report_function(site, event, capsys):
    record = event("s3_object_created")
    record["detail"]["object"]["key"] = "monitoring/2026-01-05T10-00-00.json"
    site.lambdas.handlers["slipcast-report"] = lambda *_: {"report_uri": None}
    lambda_letter(site, record)

    assert site.run(capsys)[0] == 0
    assert site.lambdas.calls == [("slipcast-report", record)]


def test_lines_of_the_log_go_to_who_subscribed_to_them(site, capsys):
    # Subscribing is checked by moto: the function has to be there.
    role = boto3.client("iam").get_role(RoleName="states")["Role"]["Arn"]
    boto3.client("lambda").create_function(
        FunctionName="slipcast-collect", Runtime="python3.13", Role=role, Handler="app.handler", Code={"ZipFile": b"x"}
    )
    boto3.client("logs").put_subscription_filter(
        logGroupName=GROUP, filterName="log", filterPattern="", destinationArn=site.arn("collect")
    )
    delivery = {
        **{"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": GROUP, "logStream": "s"},
        **{"subscriptionFilters": ["log"], "logEvents": []},
    }
    packed = {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(delivery).encode())).decode()}}
    site.lambdas.handlers["slipcast-collect"] = lambda *_: {"predictions": 0}
    lambda_letter(site, packed)

    assert "log: 0 lines of /aws/lambda/slipcast-predict" in site.run(capsys, "--list")[1]
    assert site.run(capsys)[0] == 0
    assert site.lambdas.calls == [("slipcast-collect", packed)]


def alarm_event(site, event):
    found = event("sns_drift_alarm")
    found["Records"][0]["Sns"]["TopicArn"] = site.topic
    return found


def drift_is(site, state):
    site.cloudwatch.put_metric_alarm(
        **{"AlarmName": "slipcast-drift", "Namespace": "Slipcast", "MetricName": "Drift", "Statistic": "Maximum"},
        **{"Period": 60, "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"},
    )
    site.cloudwatch.set_alarm_state(AlarmName="slipcast-drift", StateValue=state, StateReason="test")


@pytest.mark.parametrize("form", ["of Lambda", "of SNS"])
def test_an_alarm_that_still_holds_reaches_the_trigger(site, event, capsys, form):
    drift_is(site, "ALARM")
    sent = alarm_event(site, event)
    # A subscription's own queue gets the notification without what Lambda would put around it.
    lambda_letter(site, sent if form == "of Lambda" else sent["Records"][0]["Sns"])

    assert "alarm: slipcast-drift is ALARM" in site.run(capsys, "--list")[1]
    status, text = site.run(capsys)

    assert status == 0, text
    assert len(site.started()) == 1
    assert site.started()[0].startswith("alarm-")


def test_an_alarm_that_is_over_is_not_opened_again(site, event, capsys):
    drift_is(site, "OK")
    letter = lambda_letter(site, alarm_event(site, event))

    status, text = site.run(capsys)

    assert status == 1
    assert "slipcast-drift is OK by now" in text
    assert f"make redrive DISCARD={letter}" in text
    assert site.lambdas.calls == []
    assert site.waiting() == 1
    assert f"deleted {letter}" in site.run(capsys, "--discard", letter)[1]
    assert site.waiting() == 0


def test_what_fails_again_stays_and_holds_up_no_other(site, event, capsys):
    refused = lambda_letter(site, {"reason": "manual"})
    sent = {"requestContext": {"functionArn": site.arn("trigger") + ":$LATEST"}, "requestPayload": {"reason": "manual"}}
    again = site.put(sent | {"responsePayload": {"errorType": "ValueError", "errorMessage": "needs an id"}})
    poison = site.put("no json")
    rule_letter(site, event("s3_object_created"))

    assert "reason  ValueError: needs an id" in site.run(capsys, "--list")[1]
    status, text = site.run(capsys)

    assert status == 1
    assert "1 sent again, 3 stay" in text
    assert f"event {again}" in text
    assert 'failed again: ValueError: a manual request needs an "id"' in text
    assert text.count("nothing in slipcast takes it") == 2
    assert len(site.started()) == 1
    assert site.waiting() == 3
    assert {refused, again, poison} == {message["MessageId"] for message in redrive.listed(site.queue)}


def test_a_function_that_cannot_be_called_keeps_its_event(site, event, capsys, monkeypatch):
    rule_letter(site, event("s3_object_created"))
    monkeypatch.setattr(dead_letters, "invoker", lambda: boto3.client("lambda"))

    status, text = site.run(capsys)

    assert status == 1
    assert "ResourceNotFoundException" in text
    assert site.waiting() == 1


def test_a_crash_between_taking_and_deleting_sends_it_again(site, event, capsys, monkeypatch):
    rule_letter(site, event("s3_object_created"))
    delete = queues.client().delete_message

    def crash(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(queues.client(), "delete_message", crash)
    assert site.run(capsys)[0] == 1
    monkeypatch.setattr(queues.client(), "delete_message", delete)

    assert site.waiting() == 1
    assert site.run(capsys)[0] == 0
    assert len(site.lambdas.calls) == 2
    assert len(site.started()) == 1


def test_an_id_that_is_not_there_is_no_reason_to_delete_anything(site, event, capsys):
    rule_letter(site, event("s3_object_created"))

    status, text = site.run(capsys, "--discard", "no-such-id")

    assert status == 1
    assert "no message no-such-id was set aside" in text
    assert site.waiting() == 1


def test_patterns_of_the_template_take_an_event_apart(site, event):
    """No event has two takers: what Lambda sets aside would not say whose it was."""
    destinations = dead_letters.Destinations("slipcast")
    for key in ("incoming/a.csv", "monitoring/2026.json", "monitoring/asked/2026.json", "incoming/monitoring/a.json"):
        found = event("s3_object_created")
        found["detail"]["object"]["key"] = key
        assert len(list(destinations._takers(found))) == 1


def test_the_rights_that_are_documented_are_those_it_needs(site, event, capsys):
    drift_is(site, "ALARM")
    packed = base64.b64encode(
        gzip.compress(json.dumps({"logGroup": GROUP, "subscriptionFilters": [], "logEvents": []}).encode())
    ).decode()
    lambda_letter(site, alarm_event(site, event))
    lambda_letter(site, event("s3_object_created"))
    lambda_letter(site, event("scheduled_event"))
    site.put({"awslogs": {"data": packed}})
    site.run(capsys, "--list")
    site.run(capsys)

    section = OPERATIONS.read_text(encoding="utf-8").partition("## Dead letters")[2].partition("\n## ")[0]
    # Both are asked of what stands in for AWS here: Lambda above, the queue of updates in test_predict_stream.py.
    sending = {"sqs:SendMessage", "lambda:InvokeFunction"}
    assert set(re.findall("`([a-z]+:[A-Z][A-Za-z]+)`", section)) == site.asked | sending
