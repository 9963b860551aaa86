"""Releases that wait for approval and the state of the model, as the project API gives them."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from slipcast_aws import storage
from slipcast_aws.control import audit
from slipcast_aws.control import table as control
from slipcast_aws.release import approvals, versions
from support import monitor_records, report_records
from support.approval_records import EVALUATION_URI, EXECUTION, MODEL, TOKEN, leave_evaluation

LIVE = {"sha256": "1" * 64, "artefact_uri": "s3://a/b", "profile_uri": "s3://a/c", "dataset_id": "d0"}
ANN = {"sub": "u-1", "email": "ann@example.com", "cognito:groups": "approver,projects:"}


class Functions:
    """Lambda as the SDK shows it: the real function approve behind it, its exceptions as Lambda passes them on."""

    def __init__(self, app, context):
        self.app, self.context, self.sent = app, context, []

    def invoke(self, *, FunctionName, Payload):
        assert FunctionName == "slipcast-approve"
        self.sent.append(json.loads(Payload))
        try:
            found, failed = self.app.handler(self.sent[-1], self.context), {}
        except Exception as error:
            found = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}
            failed = {"FunctionError": "Unhandled"}
        return {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(found).encode()), **failed}


@pytest.fixture
def ask(load_app, s3, control_table, lambda_context, monkeypatch):
    """A function that sends a request to the API with ApiAuth=jwt; ``decisions`` is what the pipeline was told."""
    environment = {"DATA_BUCKET": "data", "CONTROL_TABLE": "control", "PREDICT_FUNCTION": "slipcast-predict"}
    approve = load_app(
        "approve", **environment, TOPIC_ARN="arn", APPROVAL_HOURS="72", PUBLIC_BASE_URL="https://x.example"
    )
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:slipcast-pipeline"
    environment |= {"PREPARE_FUNCTION": "slipcast-prepare", "TOPIC_ARN": "arn", "PUBLIC_BASE_URL": "https://x.example"}
    environment |= {"STATE_MACHINE_ARN": machine, "APPROVE_FUNCTION": "slipcast-approve", "MAX_FILE_MEGABYTES": "1"}
    app = load_app("projects", **environment, API_AUTH="jwt")
    functions = Functions(approve, lambda_context)
    from projects import invoking

    monkeypatch.setattr(invoking, "client", lambda: functions)
    monkeypatch.setattr(
        versions, "live_model", lambda _: versions.LiveModel(version="3", model_id="old", **LIVE, execution=EXECUTION)
    )
    decisions = []

    class States:
        def send_task_success(self, *, taskToken, output):
            decisions.append((taskToken, json.loads(output)["decision"]))

    monkeypatch.setattr(approvals, "states", States)

    def send(method, resource, body=None, *, claims=ANN, **parameters):
        event = {
            **{"httpMethod": method, "resource": resource, "pathParameters": parameters or None},
            **{"queryStringParameters": None, "headers": None, "body": body and json.dumps(body)},
            "requestContext": {
                **{"requestId": "r-1", "authorizer": {"claims": claims}, "identity": {"sourceIp": "192.0.2.4"}}
            },
        }
        found = app.handler(event, lambda_context)
        return found["statusCode"], json.loads(found["body"])

    send.decisions, send.functions = decisions, functions
    return send


def wait_for_approval(execution=EXECUTION, hours=72, token=TOKEN):
    """Store a request for approval, as the state AskApproval leaves it."""
    now = datetime.now(UTC)
    approval = approvals.Approval(
        execution=execution,
        status="pending",
        asked_at=control.timestamp(now),
        expires_at=control.timestamp(now + timedelta(hours=hours)),
        evaluation_uri=EVALUATION_URI,
        model_id=MODEL["model_id"],
        model_sha256=MODEL["sha256"],
        task_token=token,
        key_sha256=approvals.digest("key"),
    )
    approvals.ask("control", approval)


@pytest.fixture
def asked(ask):
    leave_evaluation()
    wait_for_approval()
    return ask


def test_a_release_that_waits_is_listed_with_its_figures_and_without_its_secrets(asked):
    wait_for_approval("too-late", hours=-1)

    status, found = asked("GET", "/releases")

    assert status == 200
    (waiting,) = found["waiting"]
    assert (waiting["execution"], waiting["model_id"]) == (EXECUTION, MODEL["model_id"])
    assert waiting["figures"][0] == {
        "measure": "brier",
        "challenger": {"value": 0.1822, "low": 0.1604, "high": 0.2031},
        "champion": {"value": 0.21, "low": None, "high": None},
    }
    assert (waiting["replaces"], waiting["reason"]) == ({"version": "3", "model_id": "old"}, "new_data")
    assert [(item["execution"], item["status"]) for item in found["decided"]] == [("too-late", "expired")]
    assert found["may_decide"]
    assert TOKEN not in json.dumps(found)
    assert approvals.digest("key") not in json.dumps(found)


def test_an_approver_approves_in_their_own_name(asked):
    status, found = asked("POST", "/releases/{id}/decision", {"decision": "approve", "comment": "seen"}, id=EXECUTION)

    assert (status, found["status"], found["delivery"]) == (200, "approved", "delivered")
    assert asked.decisions == [(TOKEN, "approved")]
    stored = approvals.existing("control", EXECUTION)
    assert (stored.by, stored.comment, stored.via) == ("ann@example.com", "seen", "invoke")
    assert stored.source_ip == "192.0.2.4"
    _, listed = asked("GET", "/releases")
    assert listed["waiting"] == []
    assert [(item["status"], item["by"]) for item in listed["decided"]] == [("approved", "ann@example.com")]


def test_what_is_decided_is_not_decided_again(asked):
    asked("POST", "/releases/{id}/decision", {"decision": "reject"}, id=EXECUTION)

    status, problem = asked("POST", "/releases/{id}/decision", {"decision": "approve"}, id=EXECUTION)

    assert (status, problem["detail"]) == (409, f"the approval of execution {EXECUTION} is closed: rejected")
    assert asked.decisions == [(TOKEN, "rejected")]


@pytest.mark.parametrize(
    ("body", "execution", "status"),
    [
        ({"decision": "maybe"}, EXECUTION, 422),
        ({"decision": "approve", "name": "Bob"}, EXECUTION, 422),
        ({"decision": "approve", "comment": "x" * 1001}, EXECUTION, 422),
        ({"decision": "approve"}, "never-asked", 404),
    ],
)
def test_what_is_no_decision_changes_nothing(asked, body, execution, status):
    assert asked("POST", "/releases/{id}/decision", body, id=execution)[0] == status
    assert asked.decisions == []
    assert approvals.existing("control", EXECUTION).status == "pending"


def test_only_the_role_approver_decides_and_a_planner_sees_that_it_waits(asked):
    planner = ANN | {"cognito:groups": "planner,projects:ps118"}

    status, problem = asked("POST", "/releases/{id}/decision", {"decision": "approve"}, id=EXECUTION, claims=planner)
    _, found = asked("GET", "/releases", claims=planner)

    assert (status, "approver" in problem["detail"]) == (403, True)
    assert (len(found["waiting"]), found["may_decide"]) == (1, False)
    assert asked.functions.sent == []


def test_an_api_key_is_no_person(asked, monkeypatch):
    monkeypatch.setenv("API_AUTH", "api_key")

    status, problem = asked("POST", "/releases/{id}/decision", {"decision": "approve"}, id=EXECUTION)

    assert (status, "which person" in problem["detail"]) == (403, True)
    assert asked("GET", "/releases")[1]["may_decide"] is False
    assert asked.functions.sent == []


@pytest.fixture(scope="session")
def evaluated():
    return report_records.record()


def leave_monitoring(evaluated):
    """Store what evaluate, monitor and notify leave of a model and its trainings."""
    storage.write_json(EVALUATION_URI, evaluated)
    now = datetime.now(UTC)
    for name in (f"{now:%Y-%m-%dT}00-00-00", f"{now - timedelta(days=1):%Y-%m-%dT}23-00-00"):
        storage.write_json(f"s3://data/monitoring/{name}.json", {**monitor_records.record().as_dict(), "n": 412})
    for key in (f"reports/{EXECUTION}/report.html", f"monitoring/{now:%Y-%m-%dT}00-00-00.html"):
        storage.write_bytes(f"s3://data/{key}", b"<!doctype html>", "text/html")
    held = {"p80_held": 0.74, "p80_low": 0.7, "p80_high": 0.78, "p80_judged": 301, "p10_held": None}
    storage.write_json("s3://data/reports/scoreboard/scoreboard.json", {"total": held})
    entry = {"execution": EXECUTION, "outcome": "released", "version": "3", "reason": "alarm", "detail": "better"}
    audit.audit("control", identity="a", record={"what": "pipeline", **entry, "dataset_id": "d"}, now=now)
    audit.audit("control", identity="b", record={"what": "pipeline", "outcome": "ingested"}, now=now)
    audit.audit("control", identity="c", record={"what": "upload", "outcome": "offered"}, now=now)


def test_the_state_of_the_model_is_what_evaluation_monitor_and_scoreboard_wrote(ask, evaluated):
    leave_monitoring(evaluated)

    status, found = ask("GET", "/monitoring")

    assert status == 200
    assert (found["live"]["version"], found["live"]["execution"]) == ("3", EXECUTION)
    assert found["evaluation"]["reliability"] == evaluated["curves"]["reliability"]
    backtest = found["evaluation"]["backtest"]
    bins = len(evaluated["forecast"]["histogram"])
    assert [round(point["level"] * bins) for point in backtest] == list(range(1, bins))
    assert backtest[-1]["held"] == pytest.approx(1 - evaluated["forecast"]["histogram"][-1])
    assert found["scoreboard"] == [{"level": 0.8, "held": 0.74, "judged": 301, "low": 0.7, "high": 0.78}]
    assert (found["monitor"]["conclusion"], found["monitor"]["drift"]["state"]) == ("miscalibrated", "drift")
    assert found["monitor"]["drift"]["features"][0]["name"] == "baseline_duration_days"
    assert found["monitor"]["findings"] == [
        {"code": "pessimistic", "values": {"gap": 0.143}},
        {"code": "drifted_confirmed", "values": {"feature": "baseline_duration_days", "needed": 2, "of": 3}},
        {"code": "no_estimate", "values": {}},
    ]
    (training,) = found["trainings"]
    assert (training["reason"], training["outcome"], training["version"]) == ("alarm", "released", "3")
    assert "/report.html" in training["report_url"]
    assert found["pages"]["monitoring"].split("?")[0].endswith("00-00-00.html")
    assert found["pages"]["scoreboard"] is None


def test_pages_that_name_every_project_are_for_those_who_may_see_every_project(ask, evaluated):
    leave_monitoring(evaluated)

    _, found = ask("GET", "/monitoring", claims={"cognito:groups": "viewer,projects:ps118"})

    assert set(found["pages"].values()) == {None}
    assert [(item["report_url"], item["detail"]) for item in found["trainings"]] == [(None, None)]
    assert found["live"]["version"] == "3"


def test_before_the_first_release_there_is_nothing_to_show(ask, monkeypatch):
    monkeypatch.setattr(versions, "live_model", lambda _: None)

    assert ask("GET", "/monitoring")[1] == {
        **{"live": None, "evaluation": None, "monitor": None, "scoreboard": [], "trainings": []},
        "pages": {"training": None, "monitoring": None, "scoreboard": None},
    }
