"""What template.yaml promises: nothing public, nothing lost, no wildcard without a reason, one owner of the alias."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slipcast import redaction
from slipcast_aws.serving import queues
from support.template_text import template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = template()
RESOURCES = TEMPLATE["Resources"]


def of_type(kind: str) -> dict[str, dict]:
    return {name: item["Properties"] for name, item in RESOURCES.items() if item["Type"] == kind}


FUNCTIONS = of_type("AWS::Serverless::Function")
BUCKETS = of_type("AWS::S3::Bucket")


def statements(properties: dict) -> list[dict]:
    """Return the statements of a function's or state machine's own policies, those behind a condition included."""
    found = []
    for policy in properties.get("Policies", []):
        for part in policy["Fn::If"][1:2] if "Fn::If" in policy else [policy]:
            found += part["Statement"]
    return found


def listed(value) -> list:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_versioned_encrypted_private_and_survives_its_stack(name):
    bucket = BUCKETS[name]

    assert bucket["VersioningConfiguration"]["Status"] == "Enabled"
    assert bucket["BucketEncryption"]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert RESOURCES[name]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("name", BUCKETS)
def test_a_bucket_is_reached_by_tls_only(name):
    policies = [
        policy["PolicyDocument"]["Statement"]
        for policy in of_type("AWS::S3::BucketPolicy").values()
        if policy["Bucket"] == {"Ref": name}
    ]
    denied = [s for s in policies[0] if s["Effect"] == "Deny"]

    assert denied[0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert denied[0]["Action"] == "s3:*"


def test_the_data_bucket_sends_its_events():
    assert BUCKETS["DataBucket"]["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"] is True


def test_the_audit_trail_survives_its_stack_and_can_be_restored():
    table = RESOURCES["ControlTable"]

    assert table["DeletionPolicy"] == "RetainExceptOnCreate"
    assert table["Properties"]["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_log_group_of_its_own_that_expires(name):
    group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]

    assert RESOURCES[group]["Type"] == "AWS::Logs::LogGroup"
    assert RESOURCES[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


# Actions that IAM knows no resource for, and who needs them.
WITHOUT_RESOURCE = {"ReleaseFunction": ["cloudwatch:GetMetricData"]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_function_may_use_a_wildcard(name):
    for statement in statements(FUNCTIONS[name]):
        for action in listed(statement["Action"]):
            assert "*" not in action
        if "*" in listed(statement["Resource"]):
            assert listed(statement["Action"]) == WITHOUT_RESOURCE[name]


LAMBDA = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}"
READS_FEATURES = {
    "Effect": "Allow",
    "Action": "dynamodb:BatchGetItem",
    "Resource": {"Fn::GetAtt": ["FeatureTable", "Arn"]},
}


def test_large_batches_may_read_the_feature_store_and_models_and_nothing_else():
    reads, models = statements(FUNCTIONS["PredictBatchFunction"])

    assert reads == READS_FEATURES
    assert models == {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": [{"Fn::Sub": "${DataBucket.Arn}/models/*"}],
    }


def test_large_batches_look_up_and_leave_out_what_the_predict_function_does():
    def variables(name):
        return FUNCTIONS[name]["Environment"]["Variables"]

    own = {"MODEL_PATH", "MODEL_SHA256", "BATCH_FUNCTION", "IDEMPOTENCY_TABLE", "API_AUTH"}
    shared = {name: value for name, value in variables("PredictFunction").items() if name not in own}

    assert variables("PredictBatchFunction") == shared
    assert {"FEATURE_TABLE", "REDACT_COLUMNS"} <= shared.keys()


def test_large_batches_are_logged_where_the_prediction_log_is_read():
    groups = [FUNCTIONS[name]["LoggingConfig"]["LogGroup"] for name in ("PredictFunction", "PredictBatchFunction")]

    assert groups == [{"Ref": "PredictLogGroup"}] * 2
    assert RESOURCES["PredictionLogSubscription"]["Properties"]["LogGroupName"] == {"Ref": "PredictLogGroup"}


def test_predict_may_read_features_keep_answers_call_for_large_batches_use_its_queues_and_nothing_else():
    def arn(name):
        return {"Fn::GetAtt": [name, "Arn"]}

    updates, others = "UpdatesQueue", ["ResultsQueue", "UpdatesDeadLetterQueue"]
    consume = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]

    assert [(s["Action"], s["Resource"]) for s in statements(FUNCTIONS["PredictFunction"])] == [
        ("dynamodb:BatchGetItem", arn("FeatureTable")),
        (["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], arn("IdempotencyTable")),
        ("lambda:InvokeFunction", {"Fn::Sub": f"{LAMBDA}:function:${{AWS::StackName}}-predict-batch"}),
        (consume, arn(updates)),
        ("sqs:SendMessage", [arn(name) for name in others]),
        ("sqs:ListQueueTags", arn(updates)),
        ("sqs:GetQueueUrl", [arn(name) for name in (updates, *others)]),
    ]
    assert [item["Fn::If"][0] for item in FUNCTIONS["PredictFunction"]["Policies"] if "Fn::If" in item] == ["HasStream"]


QUEUES = of_type("AWS::SQS::Queue")


@pytest.mark.parametrize("name", QUEUES)
def test_a_queue_is_encrypted_kept_for_two_weeks_and_reached_by_tls_only(name):
    (policy,) = [item for item in of_type("AWS::SQS::QueuePolicy").values() if item["Queues"] == [{"Ref": name}]]
    (denied,) = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]

    # Whose key: test_data_protection.py.
    assert QUEUES[name]["SqsManagedSseEnabled"]["Fn::If"][2] is True
    assert QUEUES[name]["MessageRetentionPeriod"] == 14 * 24 * 3600
    assert denied["Principal"] == "*"
    assert denied["Action"] == "sqs:*"
    assert denied["Resource"] == {"Fn::GetAtt": [name, "Arn"]}
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_queue_of_updates_feeds_the_alias_and_keeps_its_order():
    mapping = RESOURCES["UpdatesMapping"]["Properties"]

    assert mapping["FunctionName"] == {"Ref": "LiveAlias"}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert all(QUEUES[name]["FifoQueue"] for name in ("UpdatesQueue", "ResultsQueue", "UpdatesDeadLetterQueue"))
    assert QUEUES["UpdatesQueue"]["VisibilityTimeout"] >= 6 * FUNCTIONS["PredictFunction"]["Timeout"]


def test_the_function_gives_a_reason_before_the_queue_takes_a_message_away():
    source = (ROOT / "functions" / "predict" / "stream" / "consumer.py").read_text(encoding="utf-8")
    give_up = int(re.search(r"^GIVE_UP_AFTER = (\d+)$", source, re.MULTILINE)[1])

    assert give_up < QUEUES["UpdatesQueue"]["RedrivePolicy"]["maxReceiveCount"]


def test_the_queue_of_updates_leads_the_function_to_the_other_two():
    updates = QUEUES["UpdatesQueue"]

    assert updates["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["UpdatesDeadLetterQueue", "Arn"]}
    assert updates["Tags"] == [{"Key": queues.RESULTS_TAG, "Value": {"Fn::GetAtt": ["ResultsQueue", "QueueName"]}}]


def test_without_a_stream_nothing_of_it_is_there():
    assert TEMPLATE["Parameters"]["Streaming"]["Default"] == "false"
    for name, resource in RESOURCES.items():
        if re.match(r"Updates|Results", name):
            assert resource["Condition"] == "HasStream", name


def test_what_is_kept_for_an_idempotency_key_is_forgotten_in_time():
    table = RESOURCES["IdempotencyTable"]["Properties"]

    assert table["TimeToLiveSpecification"] == {"AttributeName": "expiration", "Enabled": True}
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]


def test_report_may_read_records_and_write_pages_and_nothing_else():
    found = [(s["Action"], s["Resource"]) for s in statements(FUNCTIONS["ReportFunction"])]
    objects = {
        (action, one["Fn::Sub"])
        for action, resource in found
        for one in (resource if isinstance(resource, list) else [resource])
        if "Fn::Sub" in one
    }

    assert objects == {
        ("s3:GetObject", "${DataBucket.Arn}/reports/*/evaluation.json"),
        ("s3:GetObject", "${DataBucket.Arn}/edge/*/edge.json"),
        ("s3:PutObject", "${DataBucket.Arn}/reports/*/report.html"),
        ("s3:GetObject", "${DataBucket.Arn}/monitoring/*.json"),
        ("s3:PutObject", "${DataBucket.Arn}/monitoring/*.html"),
        ("s3:GetObject", "${DataBucket.Arn}/reports/scoreboard/scoreboard.json"),
        ("s3:PutObject", "${DataBucket.Arn}/reports/scoreboard/index.html"),
    }
    (listing,) = [s for s in statements(FUNCTIONS["ReportFunction"]) if s["Action"] == "s3:ListBucket"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": "monitoring/"}}
    assert len(found) == 7


WRITERS = {
    "models/": {"EvaluateFunction"},
    "datasets/": {"PrepareFunction"},
    "edge/": {"EdgeFunction"},
    "portable/": {"EdgeFunction"},
    "features/": {"RefreshFunction"},
    "predictions/": {"ScoreFunction"},
    "projects/": {"ScoreFunction"},
    "sources/": {"PrepareFunction"},
    "quarantine/": {"PrepareFunction"},
    "prediction-log/": {"CollectFunction", "MonitorFunction", "ScoreFunction", "BatchFunction"},
    "batch/": {"BatchFunction"},
    "batch-input/": {"BatchFunction"},
    "failed-requests/": {"CollectFunction"},
    "monitoring/": {"MonitorFunction"},
    "asked/": {"MonitorFunction"},
    # On behalf of whoever posts a form that it has signed.
    "incoming/": {"ProjectsFunction"},
}


@pytest.mark.parametrize("prefix", WRITERS)
def test_a_prefix_has_one_writer(prefix):
    writers = {
        name
        for name, function in FUNCTIONS.items()
        for statement in statements(function)
        if "s3:PutObject" in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if str(resource.get("Fn::Sub", "")).endswith(f"/{prefix}*")
    }

    assert writers == WRITERS[prefix]


def test_only_release_may_change_the_serving_function():
    changers = {
        name
        for name, function in FUNCTIONS.items()
        for statement in statements(function)
        if {"lambda:UpdateAlias", "lambda:UpdateFunctionConfiguration", "lambda:PublishVersion"}
        & set(listed(statement["Action"]))
    }

    assert changers == {"ReleaseFunction"}


def test_only_release_may_delete_and_only_versions_with_a_number_and_layers_with_models():
    deletions = {
        (name, action, resource["Fn::Sub"].rsplit(":function:")[-1].rsplit(":layer:")[-1])
        for name, function in FUNCTIONS.items()
        for statement in statements(function)
        for action in listed(statement["Action"])
        if action.startswith("lambda:Delete")
        for resource in listed(statement["Resource"])
    }

    assert deletions == {
        ("ReleaseFunction", "lambda:DeleteFunction", "${AWS::StackName}-predict:*"),
        ("ReleaseFunction", "lambda:DeleteLayerVersion", "${AWS::StackName}-model:*"),
    }


def test_release_reaches_its_own_items_of_the_control_table_and_its_own_report_alone():
    own = statements(FUNCTIONS["ReleaseFunction"])
    keys = {
        (str(statement["Action"]), *statement["Condition"]["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"])
        for statement in own
        if "dynamodb" in str(statement["Action"])
    }
    written = [s["Resource"] for s in own if "s3:PutObject" in listed(s["Action"])]

    assert keys == {(str(["dynamodb:GetItem", "dynamodb:PutItem"]), "RELEASE"), ("dynamodb:PutItem", "AUDIT")}
    assert [item["Fn::Sub"] for item in written[0]] == [
        *("${DataBucket.Arn}/tracking/*", "${DataBucket.Arn}/reports/*/release.json")
    ]


@pytest.mark.fault(
    "release",
    "the alias during a canary",
    "sam deploy",
    "its properties in the template never change, so CloudFormation leaves it alone",
)
def test_the_alias_is_made_once_and_then_left_to_the_release_function():
    """CloudFormation updates a resource only when its properties change: these never do."""
    assert RESOURCES["LiveAlias"]["Properties"]["FunctionVersion"] == {"Fn::GetAtt": ["InitialVersion", "Version"]}
    assert set(RESOURCES["InitialVersion"]["Properties"]) == {"FunctionName", "Description"}
    assert "AutoPublishAlias" not in FUNCTIONS["PredictFunction"]


def test_the_api_calls_the_alias_and_asks_for_a_key_where_it_should():
    paths = RESOURCES["Api"]["Properties"]["DefinitionBody"]["paths"]
    open_paths = set()
    for path, methods in paths.items():
        for operation in methods.values():
            owners = {"approvals": "approve", "desk": "desk", "batch": "jobs"}
            owners |= dict.fromkeys(
                ("projects", "uploads", "executions", "monitoring", "releases", "profiles"), "projects"
            )
            owner = owners.get(path.split("/")[1])
            function = f"function:${{AWS::StackName}}-{owner}/" if owner else "${LiveAlias}"
            assert function in operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            if not operation["security"]:
                open_paths.add(path)

    # An approval asks for the key in its link: a browser sends no header. Probes send none either.
    assert open_paths == {
        *("/health", "/openapi.json", "/approvals/{id}"),
        *("/v2/health/live", "/v2/health/ready", "/ping", "/version"),
        # Files of the web application hold no data.
        *("/desk", "/desk/{file}"),
    }


def test_the_gateways_own_answers_are_problems_and_say_nothing_of_the_inside():
    found = RESOURCES["Api"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]

    assert found.keys() >= {
        *("DEFAULT_4XX", "DEFAULT_5XX", "UNAUTHORIZED", "ACCESS_DENIED", "INVALID_API_KEY", "REQUEST_TOO_LARGE"),
        *("UNSUPPORTED_MEDIA_TYPE", "THROTTLED", "QUOTA_EXCEEDED", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT"),
    }
    for kind, response in found.items():
        parameters = response["responseParameters"]
        assert parameters["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert parameters["gatewayresponse.header.X-Content-Type-Options"] == "'nosniff'"
        (template,) = response["responseTemplates"].values()
        assert set(re.findall(r"\$[\w.]+", template)) == {"$context.requestId"}, kind
        problem = json.loads(template)
        assert problem.get("status") == response.get("statusCode")
        assert problem["detail"] == problem["error"] == problem["message"]
        if response.get("statusCode") == 429:
            assert parameters["gatewayresponse.header.Retry-After"]


def test_what_is_beyond_the_limit_is_told_when_to_come_again():
    """Every route by the stage, every key by the plan; where Lambda itself has no room, API Gateway's own answer."""
    limits = [{"Ref": "ApiRateLimit"}, {"Ref": "ApiBurstLimit"}]
    (stage,) = RESOURCES["Api"]["Properties"]["MethodSettings"]
    plan = RESOURCES["UsagePlan"]["Properties"]["Throttle"]
    responses = RESOURCES["Api"]["Properties"]["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]

    assert (stage["ResourcePath"], stage["HttpMethod"]) == ("/*", "*")
    assert [stage["ThrottlingRateLimit"], stage["ThrottlingBurstLimit"]] == limits
    assert [plan["RateLimit"], plan["BurstLimit"]] == limits
    assert TEMPLATE["Parameters"]["ApiBurstLimit"]["Default"] >= TEMPLATE["Parameters"]["ApiRateLimit"]["Default"]
    for kind, status in (("THROTTLED", 429), ("QUOTA_EXCEEDED", 429), ("INTEGRATION_FAILURE", 504)):
        assert responses[kind]["statusCode"] == status
        assert int(responses[kind]["responseParameters"]["gatewayresponse.header.Retry-After"].strip("'")) > 0


def test_no_origin_is_let_in():
    api = RESOURCES["Api"]["Properties"]

    assert "Cors" not in api
    assert "Access-Control" not in json.dumps(api)
    assert not [path for path, methods in api["DefinitionBody"]["paths"].items() if "options" in methods]


ALARMS = of_type("AWS::CloudWatch::Alarm") | of_type("AWS::CloudWatch::CompositeAlarm")
# What to do about it, in the words of somebody who was just woken up.
TO_DO = re.compile(
    r"\b(Look (at|for)|[Rr]ead (it|the|scores)|Start it again|make rollback|[Ff]ix|find out|send it again|Watch)\b"
)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_says_what_it_means_and_what_to_do_and_tells_somebody(name):
    alarm = ALARMS[name]
    text = alarm["AlarmDescription"]

    assert len(re.findall(r"[.;:]", text)) >= 2
    assert TO_DO.search(text), text
    assert len(text) <= 1024
    assert alarm["AlarmActions"] == [{"Ref": "Topic"}]
    if RESOURCES[name]["Type"] == "AWS::CloudWatch::Alarm":
        assert alarm["TreatMissingData"] in ("breaching", "notBreaching")


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_has_an_entry_in_the_handbook_that_its_description_names(name):
    """Meaning, first look, remedy, how to verify."""
    short = ALARMS[name]["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-")

    assert ALARMS[name]["AlarmDescription"].rstrip().endswith(f"docs/operations.md#{short}")
    entry = re.search(rf"^### {short}\n(.*?)(?=^##|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert entry, f"docs/operations.md has no entry {short}"
    assert re.findall(r"^\*\*(.+?)\.\*\*", entry[1], re.MULTILINE) == [
        *("Meaning", "First look", "Remedy", "Verify", "Tested by"),
    ]


REMEDIES = re.findall(r"^### (\S+)\n(?:(?!^###).*\n)*?\*\*Tested by\.\*\* ((?:.+\n?)+)", OPERATIONS, re.MULTILINE)


@pytest.mark.parametrize(("name", "tests"), REMEDIES, ids=[name for name, _ in REMEDIES])
def test_a_remedy_is_tested(name, tests):
    named = re.findall("`(.+?)`", tests)
    assert named

    for test in named:
        path, _, function = test.partition("::")
        assert Path(path).name.startswith("test_"), f"pytest does not collect {path}"
        module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        found = [item for item in module.body if isinstance(item, ast.FunctionDef) and item.name == function]
        assert found, f"docs/operations.md: the remedy of {name} names {function}, which is not in {path}"
        assert function.startswith("test_")
        marks = ast.unparse(ast.List([*found[0].decorator_list], ast.Load()))
        assert "skip" not in marks
        assert "xfail" not in marks


def test_every_alarm_has_a_tested_remedy():
    shorts = {alarm["AlarmName"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for alarm in ALARMS.values()}
    assert {name for name, _ in REMEDIES} == shorts


def test_a_silent_monitor_is_an_alarm():
    assert ALARMS["MonitorSilentAlarm"]["TreatMissingData"] == "breaching"


def test_what_should_be_watched_is_watched():
    watched = {(alarm["Namespace"], alarm["MetricName"]) for alarm in of_type("AWS::CloudWatch::Alarm").values()}
    own = {
        "Drift",
        "Miscalibrated",
        "Degraded",
        "Undercoverage",
        "MonitorRuns",
        "ModelLoadFailed",
        "FeatureStoreFailed",
    }

    assert watched >= {("Slipcast", name) for name in own | {"PredictionsMissing", "LogLinesUnreadable"}}
    assert watched >= {("AWS/Lambda", "Errors"), ("AWS/ApiGateway", "5XXError"), ("AWS/ApiGateway", "Latency")}
    assert watched >= {("AWS/States", "ExecutionsFailed"), ("AWS/States", "ExecutionsTimedOut")}
    assert ("AWS/SQS", "ApproximateNumberOfMessagesVisible") in watched


VERDICTS = ("DriftAlarm", "MiscalibratedAlarm", "DegradedAlarm", "UndercoverageAlarm")


def test_no_percentile_of_a_few_requests_is_an_alarm():
    percentiles = [alarm for alarm in ALARMS.values() if "ExtendedStatistic" in alarm]

    assert percentiles
    assert {alarm["EvaluateLowSampleCountPercentile"] for alarm in percentiles} == {"ignore"}


def test_the_gate_knows_the_retraining_alarms_by_their_names_and_hears_when_they_are_over():
    listened = FUNCTIONS["TriggerFunction"]["Environment"]["Variables"]["RETRAIN_ALARMS"]["Fn::Sub"]

    assert listened.split(",") == [ALARMS[name]["AlarmName"]["Fn::Sub"] for name in VERDICTS]
    assert all(ALARMS[name]["OKActions"] == [{"Ref": "Topic"}] for name in VERDICTS)


def test_the_composite_alarm_exists_on_aws_and_goes_off_with_each_verdict():
    alarm = ALARMS["ModelUnhealthyAlarm"]

    assert RESOURCES["ModelUnhealthyAlarm"]["Condition"] == "CreateCompositeAlarm"
    assert TEMPLATE["Conditions"]["CreateCompositeAlarm"] == {"Fn::Equals": [{"Ref": "CompositeAlarm"}, "true"]}
    assert TEMPLATE["Parameters"]["CompositeAlarm"]["Default"] == "true"
    assert set(re.findall(r"\$\{(\w+)\}", alarm["AlarmRule"]["Fn::Sub"])) == {*VERDICTS, "ModelLoadAlarm"}


def test_the_dashboard_is_json_and_shows_metrics_that_somebody_emits():
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    widgets = json.loads(re.sub(r"\$\{(?:MonitorPeriodSeconds)\}", "60", body))["widgets"]
    shown = {row[1] for item in widgets for row in item["properties"].get("metrics", []) if row[0] == "Slipcast"}
    code = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("functions", "src/slipcast", "src/slipcast_aws")
        for path in (ROOT / folder).rglob("*.py")
    )

    assert shown >= {"Predictions", "ScoreMean", "LateRate", "LabelCoverage", "ModelVersion"}
    assert {name for name in shown if f'"{name}"' not in code} == set()
    alarms = next(item for item in widgets if item["type"] == "alarm")["properties"]["alarms"]
    assert set(alarms) == {
        f"${{{name}.Arn}}" for name in of_type("AWS::CloudWatch::Alarm") if "Condition" not in RESOURCES[name]
    }


def asynchronous() -> list[str]:
    """Return the functions that are invoked without anybody waiting for the answer."""
    by_event = [name for name, function in FUNCTIONS.items() if set(sources(function)) - {"SQS", "Api"}]
    # CloudWatch Logs hands over what a subscription filter lets through.
    by_filter = [
        item["Properties"]["DestinationArn"]["Fn::GetAtt"][0]
        for item in RESOURCES.values()
        if item["Type"] == "AWS::Logs::SubscriptionFilter"
    ]
    return sorted({*by_event, *by_filter})


def sources(function):
    return [event["Type"] for event in function.get("Events", {}).values()]


@pytest.mark.fault(
    "events",
    "a function that nobody waits for, each of them",
    "it fails after all retries",
    "what it was given is in the dead-letter queue",
)
@pytest.mark.parametrize("name", asynchronous())
def test_what_a_function_cannot_handle_goes_to_the_dead_letter_queue(name):
    assert FUNCTIONS[name]["DeadLetterQueue"]["TargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}


@pytest.mark.fault(
    "events",
    "the delivery of an event, by rule, schedule or topic",
    "the function cannot be invoked",
    "the event is in the dead-letter queue",
)
def test_every_rule_schedule_and_topic_has_a_dead_letter_queue():
    events = [event for function in FUNCTIONS.values() for event in function.get("Events", {}).values()]
    queue = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    timed = [event["Properties"] for event in events if event["Type"] in ("Schedule", "EventBridgeRule")]
    topics = [event["Properties"] for event in events if event["Type"] == "SNS"]

    assert {event["Type"] for event in events} <= {"Schedule", "EventBridgeRule", "SNS"}
    assert (len(timed), len(topics)) == (9, 1)
    assert all(event["DeadLetterConfig"] == {"Arn": queue} for event in timed)
    assert all(event["RedrivePolicy"] == {"deadLetterTargetArn": queue} for event in topics)
    # Any rule or schedule of its own would have to be looked at here.
    kinds = {item["Type"] for item in RESOURCES.values()}
    assert not kinds & {"AWS::Events::Rule", "AWS::Scheduler::Schedule"}


@pytest.mark.fault(
    "events",
    "a queue that a function reads",
    "the function fails on a message again and again",
    "the message is in a dead-letter queue of its own",
)
def test_every_queue_that_is_read_has_a_dead_letter_queue():
    read = [
        item["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
        for item in RESOURCES.values()
        if item["Type"] == "AWS::Lambda::EventSourceMapping"
    ]

    assert read == ["UpdatesQueue"]
    assert RESOURCES["UpdatesQueue"]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"] == {
        "Fn::GetAtt": ["UpdatesDeadLetterQueue", "Arn"]
    }


def test_a_column_that_is_misspelt_cannot_be_redacted():
    parameter = TEMPLATE["Parameters"]["RedactColumns"]
    refused = ["phases", "phase,", "phase;location", "phase budget", " phase"]

    assert all(re.fullmatch(parameter["AllowedPattern"], name) for name in redaction.NAMES)
    assert re.fullmatch(parameter["AllowedPattern"], ", ".join(redaction.NAMES))
    assert not any(re.fullmatch(parameter["AllowedPattern"], text) for text in refused)


@pytest.mark.parametrize("name", ["PredictFunction", "ScoreFunction"])
def test_whoever_writes_predictions_to_the_log_knows_what_to_leave_out(name):
    given = FUNCTIONS[name]["Environment"]["Variables"]

    assert given["REDACT_COLUMNS"] == {"Ref": "RedactColumns"}
    assert given["ID_SALT"] == {"Ref": "AWS::StackId"}


def test_logged_predictions_expire_with_all_their_versions():
    rules = BUCKETS["DataBucket"]["LifecycleConfiguration"]["Rules"]
    expiring, markers = [rule for rule in rules if rule.get("Prefix") == "prediction-log/"]

    assert expiring["ExpirationInDays"] == {"Ref": "PredictionLogDays"}
    assert expiring["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert markers["ExpiredObjectDeleteMarker"] is True
    assert {rule["Status"] for rule in (expiring, markers)} == {"Enabled"}


def test_every_parameter_has_a_default_and_a_description():
    for name, parameter in TEMPLATE["Parameters"].items():
        assert "Default" in parameter, name
        assert parameter["Description"], name


def test_the_local_clouds_parameters_exist():
    from local.cloud import PARAMETERS

    assert set(PARAMETERS) | {"MlflowTrackingUri"} <= set(TEMPLATE["Parameters"])


def test_no_secret_stands_in_the_environment_of_a_function():
    for function in FUNCTIONS.values():
        for name in function.get("Environment", {}).get("Variables", {}):
            assert not re.search(r"SECRET|PASSWORD|TOKEN|API_KEY", name)


def test_models_are_fitted_and_calibrated_alike_on_every_machine():
    """benchmarks/reproducible.py shows what differs without."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
    functions = [
        TEMPLATE["Resources"][name]["Properties"]["Environment"]["Variables"]
        for name in ("TrainFunction", "EvaluateFunction")
    ]
    pinned = [{name: variables[name] for name in names} for variables in functions]

    assert pinned[0] == pinned[1]
    assert "X86_V4" in pinned[0]["NPY_DISABLE_CPU_FEATURES"]


# Longer than the buffer of the kernels, and narrow: this is how the figures of an evaluation are summed.
PRODUCT = """
import numpy as np
for rows, inner, columns in [(1000, 698, 3), (3, 9000, 25), (64, 520, 64)]:
    left, right = np.random.default_rng(1).random((rows, inner)), np.random.default_rng(2).random((inner, columns))
    assert np.allclose(left @ right, (left[:, :, None] * right).sum(axis=1), rtol=1e-12)
"""


@pytest.mark.parametrize("function", ["TrainFunction", "EvaluateFunction"])
def test_numpy_multiplies_with_the_kernels_that_a_function_asks_for(function):
    """OpenBLAS 0.3.34 does not, on some processors (its issues 6013 and 6021): the process dies without a trace."""
    variables = TEMPLATE["Resources"][function]["Properties"]["Environment"]["Variables"]
    pinned = {name: value for name, value in variables.items() if isinstance(value, str)}

    subprocess.run([sys.executable, "-c", PRODUCT], env={**os.environ, **pinned}, check=True)
