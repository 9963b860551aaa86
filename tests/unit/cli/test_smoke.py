"""The smoke test where something is wrong: one line each, with a remedy, and exit code 1."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from slipcast_cli import smoke
from slipcast_cli import stack as stacks
from slipcast_cli.findings import FAIL, PASS, WARNING
from support.stubbed_session import ACCOUNT, ANY, REGION, StubbedSession

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:demo-pipeline"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:demo-pipeline:data-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:demo-topic"
OUTPUTS = {
    **{
        "DataBucketName": "demo-data",
        "StateMachineArn": MACHINE,
        "TopicArn": TOPIC,
        "TriggerFunctionName": "demo-trigger",
    },
    **{"PredictFunctionName": "demo-predict", "ApiId": "abc", "ApiStage": "v1", "ApiKeyId": "key1"},
    "ApiUrl": f"https://abc.execute-api.{REGION}.amazonaws.com/v1",
}
KEY = "incoming/slipcast-smoke_nyc_sca_2022-12.csv"


@pytest.fixture
def session() -> StubbedSession:
    return StubbedSession()


def checks(session, auth="api_key", **settings):
    stack = stacks.DeployedStack("demo", "UPDATE_COMPLETE", OUTPUTS, {"ApiAuth": auth})
    fast = {"every": 0, "api_seconds": 0, "minutes": 0, "say": lambda line: None}
    return smoke.Smoke(stack, smoke.Settings(**fast | settings), session)


# A file


def dropped(session, *, status="SUCCEEDED", states=("Prepare",), **description):
    """The file arrives, starts an execution and that ends."""
    now = datetime.now(UTC)
    common = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "name": "data-1", "startDate": now}
    source = {"bucket": "demo-data", "key": KEY, "version_id": "v2"}
    described = common | {"status": status, "input": json.dumps({"reason": "new_data", "source": source})} | description
    session.answers("s3", "list_objects_v2", {"Contents": [{"Key": f"sources/{smoke.SOURCE}_nyc_sca/latest.json"}]})
    session.answers("s3", "put_object", {"VersionId": "v2"})
    session.answers("stepfunctions", "list_executions", {"executions": [common | {"status": "RUNNING"}]})
    session.answers("stepfunctions", "describe_execution", described)
    session.answers("stepfunctions", "describe_execution", described)
    events = [
        {"timestamp": now, "type": "TaskStateEntered", "id": n + 1, "stateEnteredEventDetails": {"name": name}}
        for n, name in enumerate(states)
    ]
    session.answers("stepfunctions", "get_execution_history", {"events": events})


def live(session, **variables):
    session.answers("lambda", "get_alias", {"FunctionVersion": "4"}, FunctionName="demo-predict", Name="live")
    session.answers("lambda", "get_function_configuration", {"Environment": {"Variables": variables}})


def test_a_release_passes_and_its_states_are_shown(session):
    output = json.dumps({"outcome": "released", "version": "4", "why": "the first model"})
    dropped(session, output=output, states=("Prepare", "Plan", "Promote"))
    lines = []

    (finding,) = checks(session, say=lines.append).file()

    assert finding.status == PASS
    assert "version 4" in finding.text
    assert [line.strip() for line in lines[2:]] == ["Prepare", "Plan", "Promote"]
    session.all_asked()


@pytest.mark.parametrize("outcome", ["kept", "ingested", "rolled_back"])
def test_nothing_new_passes_where_a_model_is_live(session, outcome):
    dropped(session, output=json.dumps({"outcome": outcome, "why": "nothing new to learn"}))
    live(session, MODEL_SHA256="f00")

    found = list(checks(session).file())

    assert [item.status for item in found] == [PASS, PASS]
    assert "nothing new to learn" in found[0].text


def test_nothing_new_fails_where_none_is(session):
    dropped(session, output=json.dumps({"outcome": "ingested", "why": "too few known outcomes"}))
    live(session)

    found = list(checks(session).file())

    assert [item.status for item in found] == [PASS, FAIL]
    assert "no model is live" in found[1].text


def test_nothing_new_fails_where_a_release_is_asked_for(session):
    dropped(session, output=json.dumps({"outcome": "kept", "why": "the champion is better"}))

    (finding,) = checks(session, require_release=True).file()

    assert finding.status == FAIL
    assert "the champion is better" in finding.text


def test_a_failed_execution_says_why_and_where_to_look(session):
    dropped(session, status="FAILED", error="Lambda.OutOfMemory", cause="Runtime exited")

    (finding,) = checks(session).file()

    assert finding.status == FAIL
    assert "Lambda.OutOfMemory Runtime exited" in finding.text
    assert EXECUTION in finding.remedy


def test_a_refused_file_points_at_its_page(session):
    dropped(session, output=json.dumps({"outcome": "refused", "why": "no column start"}))

    (finding,) = checks(session).file()

    assert (finding.status, finding.remedy) == (FAIL, "read reports/data-1/intake.html in the bucket")


def test_what_waits_for_approval_is_no_failure_of_the_stack(session):
    dropped(session, status="RUNNING", states=("Prepare", "AskApproval"))
    live(session, MODEL_SHA256="f00")

    found = list(checks(session).file())

    assert [item.status for item in found] == [WARNING, PASS]


def test_an_execution_that_goes_on_for_too_long_is_named_with_its_state(session):
    dropped(session, status="RUNNING", states=("Prepare", "Bake"))

    (finding,) = checks(session).file()

    assert finding.status == FAIL
    assert "state Bake" in finding.text
    assert "MINUTES" in finding.remedy


def test_a_stack_with_files_of_its_own_gets_none(session):
    session.answers("s3", "list_objects_v2", {"Contents": [{"Key": "sources/towers/north/latest.json"}]})

    (finding,) = checks(session).file()

    assert finding.status == FAIL
    assert "towers/north" in finding.text
    assert "NO_FILE=1" in finding.remedy


def test_a_version_of_the_file_that_started_nothing_is_waited_for(session):
    # Somebody else's execution of an older version of the same key is not taken for ours.
    now = datetime.now(UTC)
    item = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "name": "old",
        "status": "SUCCEEDED",
        "startDate": now,
    }
    session.answers("stepfunctions", "list_executions", {"executions": [item]})
    older = json.dumps({"source": {"key": KEY, "version_id": "v1"}})
    session.answers("stepfunctions", "describe_execution", item | {"input": older})

    assert checks(session)._started_by(KEY, "v2", now) is None


# The API


@pytest.fixture
def gateway(monkeypatch):
    """An API that answers what the test says and remembers the headers that it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.asked.append((self.path, self.headers))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(server.status)
            self.end_headers()
            self.wfile.write(json.dumps(server.answer).encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.status = [], 200
    server.answer = {"predictions": [{"probability": 0.386}], "model": {"version": "4"}}
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def aliased(session, **more):
    session.answers("lambda", "get_alias", {"FunctionVersion": "4", **more})


def with_key(session):
    session.answers("apigateway", "get_api_key", {"value": "s3cr3t-key"}, apiKey="key1", includeValue=True)


def test_the_key_of_the_stack_is_used(session, gateway):
    with_key(session)
    aliased(session)

    (finding,) = checks(session).api()

    assert finding.status == PASS
    path, headers = gateway.asked[0]
    assert path == "/restapis/abc/v1/_user_request_/predictions"
    assert headers["x-api-key"] == "s3cr3t-key"


def test_a_stack_with_iam_gets_a_signed_request(session, gateway):
    aliased(session)

    (finding,) = checks(session, auth="iam").api()

    assert finding.status == PASS
    assert f"/{REGION}/execute-api/aws4_request" in gateway.asked[0][1]["Authorization"]


def test_a_stack_with_tokens_needs_one(session, gateway, monkeypatch):
    monkeypatch.delenv(smoke.TOKEN, raising=False)
    (without,) = checks(session, auth="jwt").api()
    monkeypatch.setenv(smoke.TOKEN, "eyJ.x.y")
    aliased(session)
    (with_token,) = checks(session, auth="jwt").api()

    assert (without.status, with_token.status) == (FAIL, PASS)
    assert smoke.TOKEN in without.remedy
    assert [headers["Authorization"] for _, headers in gateway.asked] == ["eyJ.x.y"]


@pytest.mark.parametrize(
    ("status", "auth", "remedy"),
    [
        (403, "api_key", "usage plan"),
        (403, "iam", "execute-api:Invoke"),
        (503, "api_key", "no model is live yet"),
        (500, "api_key", "log of the predict function"),
    ],
)
def test_what_the_api_refuses_has_a_remedy(session, gateway, status, auth, remedy):
    if auth == "api_key":
        with_key(session)
    gateway.status, gateway.answer = status, {"detail": "send a valid API key"}

    (finding,) = checks(session, auth=auth).api()

    assert finding.status == FAIL
    assert f"answered {status}: send a valid API key" in finding.text
    assert remedy in finding.remedy
    assert "s3cr3t-key" not in finding.line()


@pytest.mark.parametrize(("variables", "status"), [({}, WARNING), ({"MODEL_SHA256": "f00"}, FAIL)])
def test_a_stack_that_has_no_model_yet_is_as_it_should_be(session, gateway, variables, status):
    with_key(session)
    live(session, **variables)
    gateway.status = 503

    assert [item.status for item in checks(session, file=None).api()] == [status]


def test_an_api_that_is_not_there_is_no_traceback(session, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with_key(session)

    (finding,) = checks(session).api()

    assert finding.status == FAIL
    assert "answered nothing" in finding.text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"predictions": [None], "model": {"version": "4"}}, "holds no prediction"),
        ({"predictions": [{"probability": 0.4}], "model": {"version": "2"}}, "version 2 answered"),
        ({"predictions": [{"probability": 1.0}], "model": {"version": "4"}}, "probability is 1.0"),
    ],
)
def test_an_answer_that_is_wrong_fails(session, gateway, answer, said):
    with_key(session)
    if "None" not in str(answer):
        aliased(session)
    gateway.answer = answer

    (finding,) = checks(session).api()

    assert finding.status == FAIL
    assert said in finding.text


def test_a_canary_may_answer(session, gateway):
    with_key(session)
    aliased(session, RoutingConfig={"AdditionalVersionWeights": {"5": 0.1}})
    gateway.answer["model"]["version"] = "5"

    assert [item.status for item in checks(session).api()] == [PASS]


# Alarms

NOW = datetime.now(UTC)
GATE_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:demo-trigger"


def alarm(**changes):
    good = {
        **{"AlarmName": "demo-drift", "AlarmActions": [TOPIC], "ActionsEnabled": True, "StateValue": "OK"},
        "AlarmConfigurationUpdatedTimestamp": NOW - timedelta(hours=5),
    }
    return good | changes


def wired(session, alarms, subscriptions=None):
    session.answers(
        "cloudformation",
        "list_stack_resources",
        {
            "StackResourceSummaries": [
                {
                    **{"LogicalResourceId": "DriftAlarm", "PhysicalResourceId": "demo-drift"},
                    **{"ResourceType": "AWS::CloudWatch::Alarm", "ResourceStatus": "CREATE_COMPLETE"},
                    "LastUpdatedTimestamp": NOW,
                }
            ]
        },
    )
    session.answers("cloudwatch", "describe_alarms", {"MetricAlarms": alarms})
    found = [{"Protocol": "lambda", "Endpoint": GATE_ARN, "SubscriptionArn": f"{TOPIC}:1", "TopicArn": TOPIC}]
    session.answers(
        "sns", "list_subscriptions_by_topic", {"Subscriptions": found if subscriptions is None else subscriptions}
    )


def test_wired_alarms_pass(session):
    wired(session, [alarm()])

    assert [item.status for item in checks(session).wiring()] == [PASS, PASS]


@pytest.mark.parametrize(
    ("alarms", "said"),
    [
        ([], "demo-drift is gone"),
        ([alarm(AlarmActions=[])], "does not act on the topic"),
        ([alarm(ActionsEnabled=False)], "switched off"),
        ([alarm(StateValue="INSUFFICIENT_DATA")], "no state for more than an hour"),
    ],
)
def test_an_alarm_that_wakes_nobody_fails(session, alarms, said):
    wired(session, alarms)

    found = list(checks(session).wiring())

    assert found[0].status == FAIL
    assert said in found[0].text
    assert found[0].remedy


def test_a_new_alarm_may_have_no_state_yet(session):
    wired(session, [alarm(StateValue="INSUFFICIENT_DATA", AlarmConfigurationUpdatedTimestamp=datetime.now(UTC))])

    assert [item.status for item in checks(session).wiring()] == [PASS, PASS]


def test_an_alarm_that_is_on_is_named(session):
    wired(session, [alarm(StateValue="ALARM")])

    found = list(checks(session).wiring())

    assert [item.status for item in found] == [PASS, WARNING, PASS]
    assert "demo-drift" in found[1].text


def test_a_topic_without_the_trigger_function_fails(session):
    mail = {
        "Protocol": "email",
        "Endpoint": "a@example.com",
        "SubscriptionArn": "PendingConfirmation",
        "TopicArn": TOPIC,
    }
    wired(session, [alarm()], subscriptions=[mail])

    found = list(checks(session).wiring())

    assert [item.status for item in found] == [PASS, FAIL, WARNING]
    assert "a@example.com" in found[2].text


LOG_GROUP = "demo-TriggerLogGroup-1ABC"


def alarm_changes(session, *states):
    session.answers("lambda", "get_function_configuration", {"LoggingConfig": {"LogGroup": LOG_GROUP}})
    for state in states:
        expected = {"AlarmName": "demo-pipeline-timed-out", "StateValue": state, "StateReason": ANY}
        session.answers("cloudwatch", "set_alarm_state", {}, **expected)


def test_an_alarm_that_is_switched_on_reaches_the_gate_and_is_switched_off(session):
    alarm_changes(session, "OK", "ALARM", "OK")
    events = {"events": [{"message": '{"message":"trigger","outcomes":[]}'}]}
    session.answers("logs", "filter_log_events", events, logGroupName=LOG_GROUP, startTime=ANY)

    assert [item.status for item in checks(session).alarm_test()] == [PASS]
    session.all_asked()


def test_an_alarm_that_nobody_hears_is_switched_off_all_the_same(session):
    alarm_changes(session, "OK", "ALARM", "OK")
    session.answers(
        "logs", "filter_log_events", {"events": [{"message": '{"message":"trigger","outcomes":["started"]}'}]}
    )

    assert [item.status for item in checks(session).alarm_test()] == [FAIL]
    session.all_asked()


# What CloudFormation says


def found_in(session, name="demo"):
    return stacks.find(name, session)


def test_a_stack_that_is_not_there_is_named(session):
    session.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack with id demo does not exist")

    with pytest.raises(stacks.StackError, match="no stack demo") as error:
        found_in(session)
    assert "STACK=" in error.value.remedy


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "DELETE_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_a_stack_that_never_came_up_is_none(session, status):
    item = {"StackName": "demo", "StackStatus": status, "CreationTime": NOW}
    session.answers("cloudformation", "describe_stacks", {"Stacks": [item]})

    with pytest.raises(stacks.StackError, match=status):
        found_in(session)


def test_a_check_that_is_denied_names_the_call_and_the_others_go_on(session, gateway):
    session.refuses("apigateway", "get_api_key", "AccessDeniedException", status=403)
    wired(session, [alarm()])

    found = list(checks(session, file=None).run())

    assert [(item.check, item.status) for item in found] == [("api", FAIL), ("alarms", PASS), ("topic", PASS)]
    assert "GetApiKey" in found[0].remedy


def test_the_command_answers_in_json_and_by_its_exit_code(session, monkeypatch, capsys):
    session.refuses("cloudformation", "describe_stacks", "ExpiredToken", "The security token has expired", 403)
    monkeypatch.setattr(stacks.boto3, "client", session.client)

    code = smoke.main(["--stack", "demo", "--json"])

    document = json.loads(capsys.readouterr().out)
    assert (code, document["ok"], document["stack"]) == (1, False, "demo")
    assert "log in again" in document["checks"][0]["remedy"]
