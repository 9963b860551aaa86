"""The patched emulator behaves as AWS does where ministack alone does not, and each patch is still needed."""

import base64
import gzip
import inspect
import io
import json
import time
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.cloud import LocalCloud
from local.emulator import patches

ROLE = "arn:aws:iam::000000000000:role/any"
# Prints what it is told to, and raises an exception of a class of its own if it is told to.
HANDLER = """
import json, os

class OutOfCement(Exception):
    pass

def handler(event, context):
    for line in event.get("lines", []):
        print(line)
    if "Records" in event or event.get("raise"):
        raise OutOfCement("no cement left")
    if "awslogs" in event:
        print("GOT " + event["awslogs"]["data"])
    try:
        import brick
    except ImportError:
        return {"version": context.function_version}
    return {"brick": brick.__file__, "copy": os.path.realpath(brick.__file__)}
"""
# Says when its init phase ran and what its memory holds; waits until as many events are handled at once as it is told.
ENVIRONMENT = """
import os, sys, time
began, seen = time.time_ns(), []
print("init phase")

def handler(event, context):
    seen.append(event["number"])
    open(os.path.join(event["folder"], str(os.getpid())), "w").close()
    deadline = time.monotonic() + 150
    while len(os.listdir(event["folder"])) < event.get("together", 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    if event.get("exit"):
        os._exit(1)
    sys.stderr.write("handled %s, no end of line" % event["number"])
    kept = {name: os.environ.get(name) for name in ("SETTING", "_SLIPCAST_COPIED", "AWS_LAMBDA_LOG_STREAM_NAME")}
    return {"began": began, "process": os.getpid(), "seen": seen, **kept}
"""
EMF = {
    "_aws": {
        "Timestamp": 0,
        "CloudWatchMetrics": [
            {"Namespace": "Site", "Dimensions": [["crane"]], "Metrics": [{"Name": "Load", "Unit": "Count"}]}
        ],
    },
    "crane": "north",
    "Load": [2.0],
}


def eventually(find, what, seconds=180):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.1)
    raise AssertionError(f"no {what} within {seconds} s")


class Site:
    """An emulator with the patches, and what the tests do with it again and again."""

    def __init__(self, cloud):
        for name in ("cloudformation", "cloudwatch", "events", "lambda", "logs", "s3", "sns", "sqs", "stepfunctions"):
            setattr(self, name.replace("lambda", "lambdas"), cloud.client(name))

    def function(self, code=HANDLER, **settings):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", code)
        return self.lambdas.create_function(
            FunctionName=f"f-{uuid.uuid4().hex[:8]}",
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": packed.getvalue()},
            # Not the three seconds of Lambda, which a busy machine may need by itself.
            **{"Timeout": 180, **settings},
        )

    def invoke(self, name, event=None, **options):
        answer = self.lambdas.invoke(FunctionName=name, Payload=json.dumps(event or {}), **options)
        return json.loads(answer["Payload"].read())

    def queue(self):
        url = self.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return url, attributes["QueueArn"]

    def message(self, url, what):
        found = eventually(lambda: self.sqs.receive_message(QueueUrl=url).get("Messages"), what)
        return json.loads(found[0]["Body"])

    def stack(self, template):
        name = f"s-{uuid.uuid4().hex[:8]}"
        self.cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
        stack = eventually(lambda: self._finished(name), "end of the deployment")
        assert stack["StackStatus"] == "CREATE_COMPLETE", stack
        return {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}

    def _finished(self, name):
        stack = self.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), say=lambda _: None)
    cloud.start_emulator()
    yield Site(cloud)
    assert cloud.down() == ["emulator"]


def alarm(site, name, crane, topic):
    site.cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="Site",
        MetricName="Load",
        Dimensions=[{"Name": "crane", "Value": crane}],
        Statistic="Maximum",
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        Threshold=2,
        Period=60,
        EvaluationPeriods=3,
        DatapointsToAlarm=1,
        TreatMissingData="notBreaching",
        AlarmActions=[topic],
    )


def test_a_metric_in_a_log_sets_off_the_alarm_of_its_dimension_alone(site):
    topic = site.sns.create_topic(Name="alarms")["TopicArn"]
    url, queue = site.queue()
    site.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    alarm(site, "north-overloaded", "north", topic)
    alarm(site, "south-overloaded", "south", topic)

    site.invoke(site.function()["FunctionName"], {"lines": [json.dumps(EMF)]})

    told = json.loads(site.message(url, "message of the alarm")["Message"])
    assert (told["AlarmName"], told["NewStateValue"]) == ("north-overloaded", "ALARM")
    states = {item["AlarmName"]: item["StateValue"] for item in site.cloudwatch.describe_alarms()["MetricAlarms"]}
    assert states == {"north-overloaded": "ALARM", "south-overloaded": "OK"}
    history = site.cloudwatch.describe_alarm_history(AlarmName="north-overloaded", HistoryItemType="StateUpdate")
    assert history["AlarmHistoryItems"][0]["HistorySummary"] == "Alarm updated from OK to ALARM"


def test_every_invocation_is_counted_once(site):
    name = site.function()["FunctionName"]

    site.invoke(name)
    site.invoke(name, {"raise": True})

    def total(metric):
        points = site.cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    assert (total("Invocations"), total("Errors")) == (2, 1)


def test_a_subscription_passes_on_the_lines_that_match_its_json_pattern(site):
    source, collector = site.function(), site.function()
    group = f"/aws/lambda/{source['FunctionName']}"
    site.logs.create_log_group(logGroupName=group)
    site.logs.put_subscription_filter(
        logGroupName=group,
        filterName="predictions",
        filterPattern='{ $.log = "prediction" }',
        destinationArn=collector["FunctionArn"],
    )

    site.invoke(source["FunctionName"], {"lines": ['{"log": "other"}', "prediction .log"]})
    site.invoke(source["FunctionName"], {"lines": ['{"log": "prediction"}', '{"log": "other"}']})

    def received():
        groups = site.logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{collector['FunctionName']}")
        events = [
            event
            for found in groups["logGroups"]
            for event in site.logs.filter_log_events(logGroupName=found["logGroupName"])["events"]
        ]
        return [event["message"] for event in events if event["message"].startswith("GOT ")]

    (line,) = eventually(received, "delivery to the collector")
    assert [item["message"] for item in unpacked(line)["logEvents"]] == ['{"log": "prediction"}']


def unpacked(line):
    return json.loads(gzip.decompress(base64.b64decode(line.removeprefix("GOT "))))


def test_lines_of_a_moment_are_delivered_together(site):
    target = site.function()
    site.logs.create_log_group(logGroupName="/site/many")
    site.logs.create_log_stream(logGroupName="/site/many", logStreamName="s")
    site.logs.put_subscription_filter(
        logGroupName="/site/many", filterName="all", filterPattern="", destinationArn=target["FunctionArn"]
    )

    lines = []

    def put():
        for _ in range(20):
            lines.append(f"line {len(lines)}")
            event = {"timestamp": int(time.time() * 1000), "message": lines[-1]}
            site.logs.put_log_events(logGroupName="/site/many", logStreamName="s", logEvents=[event])

    def delivered():
        group = f"/aws/lambda/{target['FunctionName']}"
        try:
            events = site.logs.filter_log_events(logGroupName=group)["events"]
        except site.logs.exceptions.ResourceNotFoundException:
            return None
        data = [event["message"].split()[1] for event in events if event["message"].startswith("GOT ")]
        batches = [json.loads(gzip.decompress(base64.b64decode(item)))["logEvents"] for item in data]
        return batches if sum(map(len, batches)) == len(lines) else None

    def together():
        # On a slow machine each of them may have a moment of its own.
        put()
        batches = eventually(delivered, "delivery of all lines")
        return batches if len(batches) < len(lines) else None

    batches = eventually(together, "lines that are delivered together")
    assert sorted(event["message"] for batch in batches for event in batch) == sorted(lines)


def test_the_event_of_a_versioned_bucket_names_the_version(site):
    url, queue = site.queue()
    site.s3.create_bucket(Bucket="schedules")
    site.s3.put_bucket_versioning(Bucket="schedules", VersioningConfiguration={"Status": "Enabled"})
    site.s3.put_bucket_notification_configuration(
        Bucket="schedules", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    site.events.put_rule(Name="dropped", EventPattern=json.dumps({"source": ["aws.s3"]}))
    site.events.put_targets(Rule="dropped", Targets=[{"Id": "queue", "Arn": queue}])

    put = site.s3.put_object(Bucket="schedules", Key="incoming/a b.csv", Body=b"x")

    detail = site.message(url, "event of the bucket")["detail"]
    assert detail["object"]["version-id"] == put["VersionId"]
    assert detail["object"]["key"] == "incoming/a b.csv"


def test_a_function_that_fails_on_a_message_leaves_it_in_its_dead_letter_queue(site):
    out = site.stack(
        {
            "Resources": {
                "Letters": {"Type": "AWS::SQS::Queue"},
                "Topic": {"Type": "AWS::SNS::Topic"},
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "Runtime": "python3.13",
                        "Handler": "index.handler",
                        "Role": ROLE,
                        "Code": {"ZipFile": HANDLER},
                        "DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Letters", "Arn"]}},
                    },
                },
                "Settings": {
                    "Type": "AWS::Lambda::EventInvokeConfig",
                    "Properties": {
                        "FunctionName": {"Ref": "Function"},
                        "Qualifier": "$LATEST",
                        "MaximumRetryAttempts": 0,
                    },
                },
                "Subscription": {
                    "Type": "AWS::SNS::Subscription",
                    "Properties": {
                        "TopicArn": {"Ref": "Topic"},
                        "Protocol": "lambda",
                        "Endpoint": {"Fn::GetAtt": ["Function", "Arn"]},
                    },
                },
            },
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}, "Letters": {"Value": {"Ref": "Letters"}}},
        }
    )

    site.sns.publish(TopicArn=out["Topic"], Message="pour")

    letter = json.dumps(site.message(out["Letters"], "dead letter"))
    assert "pour" in letter
    assert "MessageAttributes" in letter


def test_the_weights_of_an_alias_divide_its_traffic(site):
    name = site.function(Publish=True)["FunctionName"]
    site.lambdas.update_function_configuration(FunctionName=name, Description="second")
    site.lambdas.publish_version(FunctionName=name)
    site.lambdas.create_alias(FunctionName=name, Name="live", FunctionVersion="1")

    assert site.invoke(name, Qualifier="live") == {"version": "1"}
    site.lambdas.update_alias(FunctionName=name, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}})

    assert site.invoke(name, Qualifier="live") == {"version": "2"}
    # The alias still is the first version's, whoever asks for its settings.
    assert site.lambdas.get_function_configuration(FunctionName=name, Qualifier="live")["Version"] == "1"


def test_what_an_alias_answers_is_counted_by_the_version_that_answered(site):
    name = site.function(Publish=True)["FunctionName"]
    site.lambdas.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    for event in ({}, {"raise": True}, {"raise": True}):
        site.invoke(name, event, Qualifier="live")
    # Asked for by its number it is not the alias's.
    site.invoke(name, {"raise": True}, Qualifier="1")

    dimensions = {"FunctionName": name, "Resource": f"{name}:live", "ExecutedVersion": "1"}

    def total(metric):
        found = site.cloudwatch.get_metric_data(
            MetricDataQueries=[
                {
                    "Id": "q",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": "AWS/Lambda",
                            "MetricName": metric,
                            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                        },
                        "Period": 60,
                        "Stat": "Sum",
                    },
                }
            ],
            StartTime=time.time() - 600,
            EndTime=time.time() + 60,
        )
        return sum(found["MetricDataResults"][0]["Values"])

    assert (total("Invocations"), total("Errors")) == (3, 2)


def test_the_weights_of_an_alias_divide_what_comes_from_a_queue(site):
    name = site.function(Publish=True)["FunctionName"]
    site.lambdas.update_function_configuration(FunctionName=name, Description="second")
    site.lambdas.publish_version(FunctionName=name)
    site.lambdas.create_alias(
        FunctionName=name,
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 1.0}},
    )
    url, arn = site.queue()
    site.sqs.send_message(QueueUrl=url, MessageBody="{}")
    site.lambdas.create_event_source_mapping(FunctionName=f"{name}:live", EventSourceArn=arn, BatchSize=1)

    def starts():
        try:
            events = site.logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="START")["events"]
        except site.logs.exceptions.ResourceNotFoundException:
            return None
        return [event["message"] for event in events]

    assert "Version: 2" in eventually(starts, "invocation from the queue")[0]


def test_functions_share_one_copy_of_a_layer(site):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("python/brick.py", "")
    layer = site.lambdas.publish_layer_version(LayerName="bricks", Content={"ZipFile": packed.getvalue()})
    names = [site.function(Layers=[layer["LayerVersionArn"]])["FunctionName"] for _ in range(2)]

    one, other = (site.invoke(name) for name in names)

    assert one["copy"] == other["copy"]
    assert one["brick"] != other["brick"]


def test_a_state_machine_in_yaml_catches_an_exception_by_its_class(site):
    function = site.function()["FunctionArn"]
    site.s3.create_bucket(Bucket="definitions")
    site.s3.put_object(
        Bucket="definitions",
        Key="machine.yaml",
        Body=f"""
QueryLanguage: JSONata
StartAt: Pour
States:
  Pour:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Arguments: {{FunctionName: "{function}", Payload: {{raise: true}}}}
    Catch: [{{ErrorEquals: [OutOfCement], Next: Order}}]
    End: true
  Order: {{Type: Pass, Output: ordered, End: true}}
""".encode(),
    )
    definition = {"Bucket": "definitions", "Key": "machine.yaml"}
    machine = {"RoleArn": ROLE, "DefinitionS3Location": definition}
    out = site.stack(
        {
            "Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}},
            "Outputs": {"Machine": {"Value": {"Ref": "Machine"}}},
        }
    )

    arn = site.stepfunctions.start_execution(stateMachineArn=out["Machine"])["executionArn"]

    def ended():
        found = site.stepfunctions.describe_execution(executionArn=arn)
        return None if found["status"] == "RUNNING" else found

    assert eventually(ended, "end of the execution")["output"] == '"ordered"'


def test_a_task_that_waits_for_its_token_ends_by_its_limit_or_with_its_function(site):
    function = site.function()["FunctionArn"]
    caught = [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}, {"ErrorEquals": ["OutOfCement"], "Next": "Order"}]
    wait = {
        **{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Catch": caught, "End": True},
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "TimeoutSeconds": "{% $number('0.5') * 2 %}",
    }
    ends = {name: {"Type": "Pass", "Output": name.lower(), "End": True} for name in ("Late", "Order")}
    machine = site.stepfunctions.create_state_machine(
        name="waits",
        roleArn=ROLE,
        definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {"Wait": wait, **ends}}),
    )["stateMachineArn"]

    def output(event):
        arn = site.stepfunctions.start_execution(stateMachineArn=machine, input=json.dumps(event))["executionArn"]
        return eventually(lambda: site.stepfunctions.describe_execution(executionArn=arn).get("output"), "output")

    assert output({"raise": True}) == '"order"'
    assert output({}) == '"late"'


def test_a_distributed_map_reads_its_jsonata_and_keeps_variables_from_its_children(site):
    """With a parent's variable in a child the execution would fail on AWS: a child is an execution of its own."""
    function = site.function()["FunctionArn"]
    child = {
        **{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True},
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "Output": "{% [$states.input.task, $states.input.round.uri, $exists($plan)] %}",
        "Catch": [{"ErrorEquals": ["OutOfCement"], "Output": "{% $states.errorOutput.Error %}", "Next": "Ordered"}],
    }
    search = {
        "Type": "Map",
        "Items": "{% $tasks %}",
        "ItemSelector": {
            "task": "{% $states.context.Map.Item.Value.id %}",
            "round": "{% $plan %}",
            "raise": "{% $states.context.Map.Item.Index = 1 %}",
        },
        "MaxConcurrency": "{% $number('2') %}",
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Train",
            "States": {"Train": child, "Ordered": {"Type": "Pass", "End": True}},
        },
        "Assign": {"count": "{% $count($states.result) %}"},
        "Next": "Told",
    }
    begin = {"Type": "Pass", "Assign": {"tasks": "{% $states.input %}", "plan": {"uri": "s3://r"}}, "Next": "Search"}
    told = {"Type": "Pass", "Output": {"results": "{% $states.input %}", "count": "{% $count %}"}, "End": True}
    machine = site.stepfunctions.create_state_machine(
        name="distributed",
        roleArn=ROLE,
        definition=json.dumps(
            {"QueryLanguage": "JSONata", "StartAt": "Begin", "States": {"Begin": begin, "Search": search, "Told": told}}
        ),
    )["stateMachineArn"]
    arn = site.stepfunctions.start_execution(
        stateMachineArn=machine, input=json.dumps([{"id": "t0"}, {"id": "t1"}, {"id": "t2"}])
    )["executionArn"]

    found = eventually(lambda: site.stepfunctions.describe_execution(executionArn=arn).get("output"), "output")

    assert json.loads(found) == {
        "results": [["t0", "s3://r", False], "OutOfCement", ["t2", "s3://r", False]],
        "count": 3,
    }
    (run,) = site.stepfunctions.list_map_runs(executionArn=arn)["mapRuns"]
    found = site.stepfunctions.describe_map_run(mapRunArn=run["mapRunArn"])
    assert (found["maxConcurrency"], found["itemCounts"]["succeeded"]) == (2, 3)


def test_the_patches_are_for_one_version(monkeypatch):
    monkeypatch.setattr(patches, "version", lambda _: "9.9.9")

    with pytest.raises(RuntimeError, match=r"ministack 9\.9\.9 is installed"):
        patches.apply()


def test_composite_alarms_are_refused_by_cloudformation_unless_their_condition_is_false():
    """When this fails, CompositeAlarm=false and local/emulator/composite.py are no longer needed."""
    from ministack.services.cloudformation import engine

    alarm = {"Type": "AWS::CloudWatch::CompositeAlarm", "Condition": "Wanted", "Properties": {}}
    template = {"Resources": {"Alarm": alarm}}

    engine.validate_template_support(template, {"Wanted": False})
    with pytest.raises(ValueError, match=r"Unrecognized resource types: \[AWS::CloudWatch::CompositeAlarm\]"):
        engine.validate_template_support(template, {"Wanted": True})


def test_a_function_finds_what_is_in_the_runtime_and_its_layers_and_no_other_package(site):
    code = (
        "from importlib.util import find_spec\n"
        "def handler(event, context):\n"
        "    return {name: find_spec(name) is not None for name in event['names']}\n"
    )
    with_runtime, with_none = ["boto3", "dateutil", "six"], ["duckdb", "numpy", "pydantic", "slipcast", "yaml"]

    found = site.invoke(site.function(code)["FunctionName"], {"names": with_runtime + with_none})

    assert found == dict.fromkeys(with_runtime, True) | dict.fromkeys(with_none, False)


def test_environments_begin_with_one_init_phase_and_share_nothing_afterwards(site, tmp_path):
    name = site.function(ENVIRONMENT, Environment={"Variables": {"SETTING": "old"}})["FunctionName"]
    event = {"folder": str(tmp_path), "together": 2}

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda number: site.invoke(name, event | {"number": number}), (1, 2))
    third = site.invoke(name, event | {"number": 3})

    assert first["began"] == second["began"] == third["began"]
    assert first["process"] != second["process"]
    assert (first["seen"], second["seen"]) == ([1], [2])
    assert third["process"] in (first["process"], second["process"])
    assert third["seen"] in ([1, 3], [2, 3])
    assert first["AWS_LAMBDA_LOG_STREAM_NAME"] != second["AWS_LAMBDA_LOG_STREAM_NAME"]
    assert first["_SLIPCAST_COPIED"] is None
    site.lambdas.update_function_configuration(FunctionName=name, Environment={"Variables": {"SETTING": "new"}})
    renewed = site.invoke(name, event | {"number": 4})
    assert (renewed["SETTING"], renewed["seen"]) == ("new", [4])
    assert renewed["began"] > first["began"]


def test_an_environment_that_ends_is_followed_by_another_with_nothing_of_its_memory(site, tmp_path):
    name = site.function(ENVIRONMENT)["FunctionName"]
    event = {"folder": str(tmp_path)}

    before = site.invoke(name, event | {"number": 1})
    assert "errorMessage" in site.invoke(name, event | {"number": 2, "exit": True})
    after = site.invoke(name, event | {"number": 3})

    assert (after["seen"], after["began"]) == ([3], before["began"])
    assert after["process"] != before["process"]


def test_a_log_is_whole_whatever_ends_it_and_the_first_has_the_init_phase(site, tmp_path):
    name = site.function(ENVIRONMENT)["FunctionName"]

    logs = [
        base64.b64decode(
            site.lambdas.invoke(
                FunctionName=name, LogType="Tail", Payload=json.dumps({"folder": str(tmp_path), "number": number})
            )["LogResult"]
        ).decode()
        for number in (1, 2)
    ]

    assert [log.count("init phase") for log in logs] == [1, 0]
    assert ["handled 1, no end of line" in logs[0], "handled 2, no end of line" in logs[1]] == [True, True]
    assert patches.END_OF_LOG.strip() not in "".join(logs)


def test_every_patch_is_still_needed():
    """When this fails, ministack can do by itself what a patch adds: remove the patch."""
    from ministack.core import lambda_runtime
    from ministack.services import (
        apigateway_v1,
        cloudwatch,
        cloudwatch_logs,
        eventbridge,
        lambda_svc,
        s3,
        sns,
        stepfunctions,
    )
    from ministack.services.cloudformation import engine, provisioners

    def knows(thing, word):
        return word in inspect.getsource(thing)

    pattern, line = '{ $.log = "prediction" }', '{"log": "prediction"}'
    needed = {
        "functions_in_conditions": not knows(engine._evaluate_conditions, "Fn::Split"),
        "metrics_of_functions": not knows(lambda_svc, "CloudWatchMetrics")
        and not knows(cloudwatch_logs, "CloudWatchMetrics"),
        "alarms_by_dimension_and_period": not knows(cloudwatch._evaluate_alarm, "DatapointsToAlarm"),
        "log_patterns_on_json": not cloudwatch_logs._subscription_pattern_matches(pattern, line),
        "version_ids_in_bucket_events": not knows(s3._fire_s3_event, "version-id"),
        "asynchronous_invocations": not knows(eventbridge._dispatch_to_lambda, "invoke_async_with_retry")
        or not knows(sns._deliver_to_lambda, "invoke_async_with_retry")
        or not knows(provisioners._lambda_create, "DeadLetterConfig"),
        "log_lines_in_batches": "threading.Thread"
        in inspect.getsource(cloudwatch_logs._fanout_to_subscription_filters),
        "weighted_aliases": not knows(lambda_svc._invoke, "AdditionalVersionWeights"),
        "error_types": "type(e).__name__" not in lambda_runtime._PYTHON_WORKER_SCRIPT,
        "layers_unpacked_once": knows(lambda_runtime.Worker._spawn, "extractall(layer_dir)"),
        "distributed_maps_in_jsonata": not knows(stepfunctions._run_distributed_map, "_jsonata_state_field"),
        "functions_with_their_layers_alone": "site-packages' not in" not in lambda_runtime._PYTHON_WORKER_SCRIPT,
        "environments_that_are_copies": "os.fork" not in lambda_runtime._PYTHON_WORKER_SCRIPT,
        "schedules_on_time": eventbridge._SCHEDULER_TICK_INTERVAL > patches.SCHEDULES_EVERY_SECONDS,
        "logs_with_an_end": knows(lambda_runtime.Worker._drain_stderr_bounded, "first_line_wait"),
        "tasks_with_a_token": not knows(stepfunctions._invoke_with_callback, "jsonata"),
        "gateway_responses_of_a_definition": not knows(apigateway_v1, "x-amazon-apigateway-gateway-responses"),
        "compressed_answers": not knows(apigateway_v1, "minimum-compression-size"),
        "yaml_state_machines": not knows(provisioners._sfn_definition, "yaml.safe_load"),
    }

    assert set(needed) == {patch.__name__ for patch in patches.PATCHES}
    assert all(needed.values()), needed
