"""The project API: what the score function stored is what a client reads."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
import requests
import yaml

from conftest import LambdaContext
from slipcast.forecast.projects import documents, openapi
from slipcast.reports.project import headline
from slipcast.training.retraining import execution_name
from slipcast_aws import projects as stored
from slipcast_aws import storage
from slipcast_aws.control import audit, releases
from slipcast_aws.control import table as control
from slipcast_aws.release import approvals, versions
from support import project_site as site
from support.approval_records import EVALUATION_URI, EXECUTION, leave_evaluation

PROJECT = site.SOURCE
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:slipcast-pipeline"
ENVIRONMENT = {
    "DATA_BUCKET": "data",
    "CONTROL_TABLE": "control",
    "STATE_MACHINE_ARN": MACHINE,
    "MAX_FILE_MEGABYTES": "1",
    "PREDICT_FUNCTION": "slipcast-predict",
    "APPROVE_FUNCTION": "slipcast-approve",
    "PREPARE_FUNCTION": "slipcast-prepare",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:slipcast",
    "PUBLIC_BASE_URL": "https://x.example/v1",
}


OBJECTS: dict[str, bytes] = {}


def record_of(day: str) -> dict[str, Any]:
    file = {"uri": f"s3://data/incoming/{PROJECT}_{day}.xer", "version_id": "v1"}
    found = {"data_date": day, "dataset_version": f"dataset of {day}", "execution": "e", "model_version": "4"}
    return found | {"file": file}


@pytest.fixture
def annex(s3):
    """The three updates of the annex, as score stores them: stored once, then copied."""
    stored.summary.cache_clear()
    stored.directory.cache_clear()
    for key, raw in OBJECTS.items():
        s3.put_object(Bucket="data", Key=key, Body=raw)
    for day in () if OBJECTS else site.DAYS:
        update = site.update(day)
        heads, parts = documents.documents(update, histories=stored.histories("data", site.SOURCE, day))
        stored.store("data", site.SOURCE, record_of(day), heads, parts, documents.finished_ratios(update.tables))
    OBJECTS.update(
        (uri.removeprefix("s3://data/"), storage.read_bytes(uri)) for uri in storage.list_uris("s3://data/projects/")
    )
    return s3


@pytest.fixture
def ask(load_app, s3, lambda_context):
    """A function that sends a request: method, resource, its parameters, and what else an event has."""
    app = load_app("projects", **ENVIRONMENT, API_AUTH="api_key")

    def send(resource: str, *, method="GET", query=None, headers=None, claims=None, body=None, **parameters):
        event = {
            **{"httpMethod": method, "resource": resource, "pathParameters": parameters or None},
            **{"queryStringParameters": query, "headers": headers, "body": body},
            "requestContext": {"requestId": "r-1", "authorizer": {"claims": claims} if claims else None},
        }
        found = app.handler(event, lambda_context)
        assert found["multiValueHeaders"]["X-Request-Id"] == ["r-1"]
        found["headers"] = {name: values[0] for name, values in found["multiValueHeaders"].items()}
        found["document"] = json.loads(found["body"]) if found["body"] else None
        return found

    return send


def get(ask, resource, **given):
    found = ask(resource, **given)
    assert found["statusCode"] == 200, found
    return found["document"]


def test_the_list_names_every_project_with_its_trend(ask, annex):
    (project,) = get(ask, "/projects")["projects"]

    assert (project["project_id"], project["name"], project["source"]) == (PROJECT, PROJECT, PROJECT)
    assert project["data_date"] == "2026-03-31"
    assert [point["data_date"] for point in project["trend"]] == list(site.DAYS)
    assert project["trend"][-1]["p80"] == project["completion"]["p80"]
    assert project["completion"].keys() == {"baseline", "planned", "p50", "p80", "p90"}
    # With two milestones, one of them reached.
    assert project["activities"] == 31
    assert project["open"] == 15
    assert project["quality"] == {"passed": 12, "checks": 14}


def test_nothing_was_scored_yet(ask):
    assert get(ask, "/projects") == {"projects": [], "next": None}


def test_a_project_has_updates_phases_and_milestones(ask, annex):
    project = get(ask, "/projects/{id}", id=PROJECT)

    assert [item["dataset_version"] for item in project["updates"]] == [f"dataset of {day}" for day in site.DAYS]
    assert project["phases"] == sorted({row["phase"] for row in site.read(site.DAYS[-1])[0] if row["phase"]})
    assert project["locations"] == []
    (last,) = [item for item in project["milestones"] if item["activity_id"] == "M1990"]
    assert last["planned_finish"] == project["completion"]["planned"]
    assert last["p80"] == project["completion"]["p80"]
    assert get(ask, "/projects/{id}/updates", id=PROJECT)["updates"] == project["updates"]


def test_activities_come_in_pages_that_are_the_whole(ask, annex):
    found, token = [], None
    while True:
        query = {"limit": "10"} | ({"next": token} if token else {})
        answer = get(ask, "/projects/{id}/activities", id=PROJECT, query=query)
        found += answer["activities"]
        token = answer["next"]
        if token is None:
            break
    columns = get(ask, "/projects/{id}/activities", id=PROJECT, query={"layout": "columns"})["columns"]

    assert [row["activity_id"] for row in found] == sorted(
        row["activity_id"] for row in site.read(site.DAYS[-1])[1]["activities"]
    )
    assert columns == {name: [row[name] for row in found] for name in found[0]}


def test_activities_are_chosen_by_stage_risk_and_text(ask, annex):
    def ids(**query):
        rows = get(ask, "/projects/{id}/activities", id=PROJECT, query=query)["activities"]
        return {row["activity_id"]: row for row in rows}

    everything = ids()
    late = ids(stage="already_late")
    assert late.keys() == {name for name, row in everything.items() if row["stage"] == "already_late"}
    assert ids(at_risk="true").keys() == {name for name, row in everything.items() if row["at_risk"]}
    assert ids(q="FOUNDATIONS").keys() == {"A1320"}
    head = get(ask, "/projects")["projects"][0]
    assert head["already_late"] == len(late)
    assert head["at_risk"] == len(ids(at_risk="true"))


def test_an_activity_has_distribution_reasons_history_and_neighbors(ask, annex):
    row = get(ask, "/projects/{id}/activities", id=PROJECT, query={"q": "Foundations"})["activities"][0]
    found = get(ask, "/projects/{id}/activities/{activity_id}", id=PROJECT, activity_id="A1320")

    assert found.items() >= row.items()
    levels = [item["probability"] for item in found["distribution"]]
    assert levels == sorted(levels)
    assert levels[-1] == 1.0
    by = {item["date"]: item["probability"] for item in found["distribution"]}
    assert max((day for day, share in by.items() if share <= 0.5), default="") <= found["p50"]
    assert [item["data_date"] for item in found["history"]] == list(site.DAYS)
    assert found["history"][-1]["p80"] == found["p80"]
    relations = site.read(site.DAYS[-1])[1]["relations"]
    assert {item["activity_id"] for item in found["predecessors"]} == {
        item["predecessor_id"] for item in relations if item["successor_id"] == "A1320"
    }
    assert {item["activity_id"] for item in found["successors"]} == {
        item["successor_id"] for item in relations if item["predecessor_id"] == "A1320"
    }


def test_reasons_say_what_makes_an_activity_late(ask, annex):
    rows = get(ask, "/projects/{id}/activities", id=PROJECT, query={"stage": "not_started"})["activities"]
    found = get(ask, "/projects/{id}/activities/{activity_id}", id=PROJECT, activity_id=rows[0]["activity_id"])

    assert found["reasons"]
    assert all(item.keys() == {"feature", "name", "value", "effect"} for item in found["reasons"])


def test_the_forecast_names_completion_and_drivers(ask, annex):
    found = get(ask, "/projects/{id}/forecast", id=PROJECT)

    completion = found["completion"]
    assert completion["cpm"] <= completion["p50"] <= completion["p80"] <= completion["p90"]
    assert completion["p10"] <= completion["p50"]
    rows = get(ask, "/projects/{id}/activities", id=PROJECT)["activities"]
    criticality = {row["activity_id"]: row["criticality"] for row in rows}
    assert found["drivers"]
    assert all(criticality[item["activity_id"]] == item["criticality"] for item in found["drivers"])
    assert {row["stage"] for row in rows if row["criticality"] is None} == {"complete"}
    days = {}
    for item in found["groups"]:
        days.setdefault(item["column"], {})[item["value"]] = item["days"]
    # Each kind of group divides the same days.
    assert {*days} == {"phase", "wbs", "work_type"}
    assert [sum(days[kind].values()) for kind in days] == pytest.approx([sum(days["phase"].values())] * 3, abs=0.1)
    assert found["driving_path"][-1] in criticality
    text = "reference class: 1 like projects, 15 finished activities"
    assert found["reference_class"] == {"n": 15, "projects": 1, "text": text}
    assert found["basis"] == documents.NETWORK


def test_a_document_that_the_client_has_is_not_sent_again(ask, annex):
    first = ask("/projects/{id}/forecast", id=PROJECT)
    tag = first["headers"]["ETag"]
    again = ask("/projects/{id}/forecast", id=PROJECT, headers={"If-None-Match": f'W/"x", {tag}'})

    assert (again["statusCode"], again["body"]) == (304, "")
    # Another update, other documents: also where an older one is scored again.
    heads, parts = documents.documents(site.update(site.DAYS[0]))
    stored.store("data", site.SOURCE, record_of(site.DAYS[0]) | {"model_version": "5"}, heads, parts, [])
    assert ask("/projects/{id}/forecast", id=PROJECT, headers={"If-None-Match": tag})["statusCode"] == 200


@pytest.mark.parametrize(
    ("resource", "given", "status"),
    [
        ("/projects/{id}", {"id": "nobody"}, 404),
        ("/projects/{id}", {"id": "a/b"}, 404),
        ("/projects/{id}", {"id": "ps118_annex~~other"}, 404),
        ("/projects/{id}/activities/{activity_id}", {"id": PROJECT, "activity_id": "A9"}, 404),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"limit": "0"}}, 422),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"limit": "²"}}, 422),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"at_risk": "perhaps"}}, 422),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"stage": "later"}}, 422),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"layout": "heap"}}, 422),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"next": "%%"}}, 422),
        ("/projects/{id}/activities", {"id": PROJECT, "query": {"order": "up"}}, 422),
        ("/nothing", {}, 404),
    ],
)
def test_what_cannot_be_answered_is_a_problem(ask, annex, resource, given, status):
    found = ask(resource, **given)

    assert found["statusCode"] == status
    assert found["headers"]["Content-Type"] == "application/problem+json"
    assert found["document"]["status"] == status
    assert found["document"]["detail"]
    assert bool(found["document"]["errors"]) == (status == 422)


def test_an_escaped_id_is_the_same(ask, annex):
    escaped = quote(PROJECT, safe="").replace("_", "%5F")

    assert get(ask, "/projects/{id}", id=escaped)["project_id"] == PROJECT


@pytest.fixture
def signed_in(load_app, annex, lambda_context):
    app = load_app("projects", **ENVIRONMENT, API_AUTH="jwt")

    def send(groups, resource, method="GET", **parameters):
        claims = {"sub": "u"} if groups is None else {"cognito:groups": groups}
        event = {
            **{"httpMethod": method, "resource": resource, "pathParameters": parameters or None},
            "requestContext": {"requestId": "r-1", "authorizer": {"claims": claims}},
        }
        found = app.handler(event, lambda_context)
        return found["statusCode"], json.loads(found["body"])

    return send


def test_a_token_sees_the_projects_of_its_groups_alone(signed_in):
    assert len(signed_in("viewer,projects:ps118", "/projects")[1]["projects"]) == 1
    assert signed_in("[viewer projects:]", "/projects/{id}", id=PROJECT)[0] == 200
    assert signed_in("viewer,projects:other", "/projects")[1]["projects"] == []
    assert signed_in("viewer,projects:other", "/projects/{id}/activities", id=PROJECT)[0] == 404
    assert signed_in("viewer", "/projects/{id}", id=PROJECT)[0] == 404
    # Neither a prefix without a role nor another group opens anything.
    assert signed_in("projects:", "/projects")[0] == 403
    assert signed_in(None, "/projects/{id}", id=PROJECT)[0] == 403


def test_an_unexpected_error_says_nothing_of_the_inside(ask, s3):
    storage.write_bytes("s3://data/projects/index.json", b"no json")

    found = ask("/projects")

    assert (found["statusCode"], found["document"]["detail"]) == (
        500,
        "unexpected error; the request id helps to find it in the log",
    )


def test_the_latest_two_updates_are_compared_unless_others_are_named(ask, annex):
    latest = get(ask, "/projects/{id}/compare", id=PROJECT)
    whole = get(ask, "/projects/{id}/compare", id=PROJECT, query={"from": site.DAYS[0], "to": site.DAYS[2]})
    assert whole["learned"]["finished"] >= latest["learned"]["finished"] > 0
    assert len(whole["learned"]["models"]) == 2

    assert (latest["from"], latest["to"]) == site.DAYS[1:]
    assert whole["finish_days"][PROJECT] > latest["finish_days"][PROJECT] > 0
    assert whole["counts"]["added"] == len(whole["added"])
    for query in (
        {"from": "2020-01-01"},
        {"from": ""},
        {"to": site.DAYS[0]},
        {"from": site.DAYS[1], "to": site.DAYS[1]},
    ):
        assert ask("/projects/{id}/compare", id=PROJECT, query=query)["statusCode"] == 422


def test_what_if_answers_and_stores_nothing(ask, annex):
    before = {item["Key"] for item in annex.list_objects_v2(Bucket="data")["Contents"]}
    body = json.dumps({"changes": [{"activity_id": "A1430", "remaining_duration_days": 150}]})
    found = get(ask, "/projects/{id}/what-if", method="POST", id=PROJECT, body=body)

    assert found["after"]["p80"] > found["before"]["p80"]
    assert found["before"]["cpm"] == get(ask, "/projects/{id}/forecast", id=PROJECT)["completion"]["cpm"]
    assert {item["Key"] for item in annex.list_objects_v2(Bucket="data")["Contents"]} == before
    for wrong, status in (
        ("{", 400),
        ("[]", 422),
        ('{"changes": [{"activity_id": "A9", "start": "2026-06-01"}]}', 422),
    ):
        assert ask("/projects/{id}/what-if", method="POST", id=PROJECT, body=wrong)["statusCode"] == status


def test_a_viewer_asks_no_what_if_and_uploads_nothing(signed_in):
    assert signed_in("viewer,projects:", "/projects/{id}/what-if", "POST", id=PROJECT)[0] == 403
    assert signed_in("approver,projects:", "/uploads", "POST")[0] == 403


@pytest.fixture
def pipeline(control_table):
    """A state machine that stands for the pipeline; an execution of it is done at once."""
    role = boto3.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    return boto3.client("stepfunctions").create_state_machine(
        name="slipcast-pipeline",
        definition=json.dumps({"StartAt": "Prepare", "States": {"Prepare": {"Type": "Succeed"}}}),
        roleArn=role,
    )["stateMachineArn"]


def upload(ask, **document):
    """Ask for a form."""
    return ask("/uploads", method="POST", body=json.dumps(document))


def test_an_upload_goes_straight_to_the_bucket_and_its_execution_is_found_by_its_key(ask, s3, control_table, trigger):
    s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
    raw = b"%T\tPROJECT"
    found = upload(ask, name="tower_2026-03-31.xer", size=len(raw))
    assert found["statusCode"] == 201, found
    form = found["document"]
    key = form["key"]
    assert key == "incoming/tower_2026-03-31.xer"
    missing = ask("/executions", query={"key": key})
    assert missing["statusCode"] == 404

    posted = requests.post(form["url"], data=form["fields"], files={"file": raw}, timeout=120)

    assert posted.status_code < 300
    assert s3.get_object(Bucket="data", Key=key)["Body"].read() == raw
    assert get(ask, "/executions", query={"key": key})["status"] == "PENDING"
    version = s3.head_object(Bucket="data", Key=key)["VersionId"]
    detail = {"bucket": {"name": "data"}, "object": {"key": key, "version-id": version, "sequencer": "0A"}}
    trigger.handler({"detail-type": "Object Created", "detail": detail}, LambdaContext())
    started = get(ask, "/executions", query={"key": key})
    assert started["status"] in ("RUNNING", "SUCCEEDED")
    assert started["intake_url"] is started["corrections_url"] is None
    storage.write_bytes(f"s3://data/reports/{started['execution']}/intake.html", b"<html>")
    storage.write_bytes(f"s3://data/quarantine/{started['execution']}/corrections/tower_2026-03-31.xlsx", b"PK")
    again = get(ask, "/executions/{id}", id=started["execution"])
    assert again["corrections_url"].split("?")[0].endswith("/corrections/tower_2026-03-31.xlsx")
    assert again["intake_url"].startswith("https://")
    assert again["rejected_url"] is None
    (entry,) = [item for item in audit.audit_trail("control") if item["what"] == "upload"]
    assert entry["detail"] == f"s3://data/{key}"
    offered = f"s3://data/reports/{started['execution']}/intake.html"
    if started["status"] == "RUNNING":
        # Whoever waits asks again and again: one entry.
        get(ask, "/executions/{id}", id=started["execution"])
        (waited,) = [item for item in audit.audit_trail("control") if item["what"] == "download"]
        assert waited["detail"].startswith(offered)
        machine = ENVIRONMENT["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        boto3.client("stepfunctions").stop_execution(executionArn=f"{machine}:{started['execution']}")
    get(ask, "/executions/{id}", id=started["execution"])
    taken = [item for item in audit.audit_trail("control") if item["what"] == "download"][-1]
    assert taken["detail"].split(", ") == [
        offered,
        f"s3://data/quarantine/{started['execution']}/corrections/tower_2026-03-31.xlsx",
    ]


@pytest.mark.parametrize(
    ("ended", "outcome", "why"),
    [
        ({"error": "ScheduleRefused", "cause": "a.csv: no profile"}, "refused", "a.csv: no profile"),
        ({"error": "Lambda.Unknown", "cause": ""}, "failed", "Lambda.Unknown"),
        # The emulator of the local cloud says it twice.
        (
            {"error": "ScheduleRefused", "cause": "a.csv: no", "output": '{"Cause": "a.csv: no"}'},
            "refused",
            "a.csv: no",
        ),
    ],
)
def test_a_refused_file_is_told_from_a_failure(ask, pipeline, control_table, monkeypatch, ended, outcome, why):
    from projects import uploading

    client = boto3.client("stepfunctions")
    started = client.start_execution(stateMachineArn=pipeline, name="new-data-1", input="{}")
    described = client.describe_execution(executionArn=started["executionArn"])
    described.pop("output", None)
    monkeypatch.setattr(client, "describe_execution", lambda **_: described | ended | {"status": "FAILED"})
    monkeypatch.setattr(uploading, "_states", lambda: client)

    found = get(ask, "/executions/{id}", id="new-data-1")

    assert (found["status"], found["outcome"]) == ("FAILED", {"outcome": outcome, "why": why})


def test_the_error_of_a_refused_file_is_that_of_the_state_machine():
    machine = Path(__file__).resolve().parents[2] / "statemachine" / "pipeline.asl.yaml"
    (choice,) = [
        item for item in yaml.safe_load(machine.read_text())["States"]["Understood"]["Choices"] if "Assign" in item
    ]

    from projects import uploading

    assert choice["Assign"]["failure"]["Error"] == uploading.REFUSED


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"name": "a.xer"}, "size"),
        ({"name": "a.xer", "size": 2_000_000}, "size"),
        ({"name": "a.xer", "size": True}, "size"),
        ({"name": "../a.xer", "size": 5}, "name"),
        ({"name": ".a.xer", "size": 5}, "name"),
        ({"name": "", "size": 5}, "name"),
        ({"name": "a.xer", "size": 5, "source": "a/b"}, "source"),
        ({"name": "a.xer", "size": 5, "source": ".."}, "source"),
        ({"name": "a.xer", "size": 5, "acl": "public"}, "acl"),
    ],
)
def test_an_upload_that_would_not_be_taken_is_refused_at_once(ask, s3, document, field):
    found = upload(ask, **document)

    assert found["statusCode"] == 422
    assert [item["field"] for item in found["document"]["errors"]] == [field]


def test_a_planner_uploads_to_projects_of_its_own_groups(load_app, s3, control_table, lambda_context):
    app = load_app("projects", **ENVIRONMENT, API_AUTH="jwt")

    def status(groups, name):
        event = {
            **{"httpMethod": "POST", "resource": "/uploads", "body": json.dumps({"name": name, "size": 5})},
            "requestContext": {"requestId": "r", "authorizer": {"claims": {"cognito:groups": groups}}},
        }
        return app.handler(event, lambda_context)["statusCode"]

    assert status("planner,projects:tower", "tower_2026-03-31.xer") == 201
    assert status("planner,projects:tower", "bridge_2026-03-31.xer") == 403


def test_there_is_no_such_execution(ask, pipeline):
    assert ask("/executions/{id}", id="nothing")["statusCode"] == 404
    assert ask("/executions/{id}", id="a b")["statusCode"] == 404
    assert ask("/executions", query={"key": "models/m"})["statusCode"] == 422


def test_a_portfolio_with_other_bytes_than_its_name_says_is_not_used(ask, annex):
    key = stored.index("data")[site.SOURCE]["key"]
    raw = annex.get_object(Bucket="data", Key=key)["Body"].read()
    annex.put_object(Bucket="data", Key=key, Body=raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:])

    with pytest.raises(storage.DigestMismatchError, match="other bytes"):
        stored.summary("data", key)
    assert ask("/projects")["statusCode"] == 500


QUESTION = {"changes": [{"activity_id": "A1430", "remaining_duration_days": 60}]}
SCENARIOS = "/projects/{id}/scenarios"


def save(ask, name="two crews", question=QUESTION, **given):
    return ask(SCENARIOS, method="POST", body=json.dumps({"name": name, "question": question}), id=PROJECT, **given)


def test_a_scenario_is_saved_listed_and_deleted(ask, annex, control_table):
    tag = ask(SCENARIOS, id=PROJECT)["headers"]["ETag"]
    saved = save(ask)
    listed = ask(SCENARIOS, id=PROJECT, headers={"If-None-Match": tag})

    assert saved["statusCode"] == 201
    assert listed["document"] == {"scenarios": [saved["document"]]}
    assert saved["document"]["question"] == QUESTION
    assert saved["document"]["data_date"] == site.DAYS[-1]
    again = ask(SCENARIOS, id=PROJECT, headers={"If-None-Match": listed["headers"]["ETag"]})
    assert again["statusCode"] == 304
    one = "/projects/{id}/scenarios/{scenario_id}"
    gone = ask(one, method="DELETE", id=PROJECT, scenario_id=saved["document"]["id"])
    assert gone["document"] == {"scenarios": []}
    assert ask(one, method="DELETE", id=PROJECT, scenario_id="0")["statusCode"] == 404
    trail = [(entry["what"], entry["outcome"], entry["detail"]) for entry in audit.audit_trail("control")]
    assert ("scenario", "deleted", f"{PROJECT}: two crews") in trail


@pytest.mark.parametrize(
    ("name", "question", "field"),
    [
        (" ", QUESTION, "name"),
        ("n" * 101, QUESTION, "name"),
        ("a", [], "question"),
        ("a", {"changes": []}, "question.changes"),
        ("a", {"changes": [{"activity_id": "A1430", "start": "soon"}]}, "question.changes.0.start"),
    ],
)
def test_what_cannot_be_asked_is_not_saved(ask, annex, control_table, name, question, field):
    refused = save(ask, name, question)

    assert (refused["statusCode"], refused["document"]["errors"][0]["field"]) == (422, field)
    assert get(ask, SCENARIOS, id=PROJECT) == {"scenarios": []}


def test_a_name_is_taken_once_and_only_a_planner_saves(ask, annex, control_table, monkeypatch):
    assert save(ask)["statusCode"] == 201
    assert save(ask, "Two Crews")["statusCode"] == 409
    monkeypatch.setenv("API_AUTH", "jwt")
    viewer = {"cognito:groups": "viewer,projects:"}

    assert save(ask, "other", claims=viewer)["statusCode"] == 403
    assert len(get(ask, SCENARIOS, id=PROJECT, claims=viewer)["scenarios"]) == 1
    assert ask(SCENARIOS, id=PROJECT, claims={"cognito:groups": "viewer,projects:other"})["statusCode"] == 404


def test_the_mail_says_of_each_open_project_what_happened_to_its_completion_and_why(
    load_app, annex, control_table, lambda_context
):
    topic = boto3.client("sns").create_topic(Name="slipcast")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"FilterPolicy": json.dumps({"outcome": ["report"]})}
    )
    app = load_app("projects", **{**ENVIRONMENT, "TOPIC_ARN": topic}, API_AUTH="api_key")

    assert app.handler({"task": "mail"}, lambda_context) == {"projects": 1}

    (message,) = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    sent = json.loads(message["Body"])
    assert sent["Subject"] == "Slipcast: completion of 1 project"
    (head,) = portfolio_heads()
    assert f"  {headline(head)}\n" in sent["Message"]
    forecast = stored_forecast()
    assert len([line for line in sent["Message"].splitlines() if " days  " in line]) == min(5, len(forecast["drivers"]))
    assert f"https://x.example/v1/desk/index.html#/projects/{PROJECT}" in sent["Message"]
    (entry,) = audit.audit_trail("control")
    assert (entry["what"], entry["outcome"], entry["detail"]) == ("report", "mailed", PROJECT)


def portfolio_heads():
    (entry,) = stored.index("data").values()
    return list(stored.summary("data", entry["key"])["projects"].values())


def stored_forecast():
    (entry,) = stored.index("data").values()
    update = stored.summary("data", entry["key"])["updates"][-1]
    return stored.part("data", update, PROJECT, "forecast")


def test_no_mail_is_sent_without_an_open_project(load_app, s3, lambda_context):
    app = load_app("projects", **ENVIRONMENT, API_AUTH="api_key")

    assert app.handler({"task": "mail"}, lambda_context) == {"projects": 0}


ACTIVITY = "/projects/{id}/activities/{activity_id}/lineage"
VARIABLES = {"MODEL_ID": "46563b0165b1", "MODEL_SHA256": "9" * 64, "MODEL_EXECUTION": EXECUTION}
VARIABLES |= {"MODEL_DATASET_ID": "d1", "MODEL_TRAINED_AT": "2026-04-01T06:12:00+00:00"}


@pytest.fixture
def documents_of_all_kinds(annex, control_table, pipeline, monkeypatch):
    """What a trained, released and monitored model, an upload and a forecast leave that somebody may open."""
    leave_evaluation()
    releases.put_release("control", "4", {"previous": "3", "execution": EXECUTION, "model": VARIABLES})
    live = {"version": "4", "model_id": "46563b0165b1", "sha256": "9" * 64, "artefact_uri": "s3://a/b"}
    live |= {"profile_uri": "s3://a/c", "dataset_id": "d1", "execution": EXECUTION}
    monkeypatch.setattr(versions, "live_model", lambda _: versions.LiveModel(**live))
    now = datetime.now(UTC)
    asked = {"asked_at": control.timestamp(now), "expires_at": control.timestamp(now + timedelta(hours=72))}
    asked |= {"status": "pending", "evaluation_uri": EVALUATION_URI, "model_id": "m", "model_sha256": "9" * 64}
    approvals.ask("control", approvals.Approval(execution=EXECUTION, **asked, key_sha256=approvals.digest("key")))
    trained = {"what": "pipeline", "execution": EXECUTION, "outcome": "released", "dataset_id": "d1"}
    audit.audit("control", identity="pipeline", record=trained, now=now)
    monitored = f"monitoring/{now:%Y-%m-%dT%H-%M-%S}"
    storage.write_json(f"s3://data/{monitored}.json", {"at": now.isoformat(), "conclusion": "healthy"})
    storage.write_bytes(f"s3://data/incoming/{PROJECT}_2026-03-31.xer", b"ERMHDR")
    version = annex.head_object(Bucket="data", Key=f"incoming/{PROJECT}_2026-03-31.xer").get("VersionId", "")
    name = execution_name("new_data", "data", f"incoming/{PROJECT}_2026-03-31.xer", version)
    source = {"bucket": "data", "key": f"incoming/{PROJECT}_2026-03-31.xer"}
    boto3.client("stepfunctions").start_execution(
        stateMachineArn=pipeline, name=name, input=json.dumps({"source": source})
    )
    pages = [f"{monitored}.html", "reports/scoreboard/index.html", f"reports/{EXECUTION}/report.html"]
    pages += [f"reports/{name}/intake.html", "reports/e/intake.html", f"quarantine/{name}/rejected.csv"]
    for key in [*pages, f"quarantine/{name}/corrections/{PROJECT}_2026-03-31.xlsx"]:
        storage.write_bytes(f"s3://data/{key}", b"<!doctype html>", "text/html")
    return name


def operations_with_links():
    """Return the GET operations of the OpenAPI document whose answers have links."""
    named = {name for name, schema in openapi.SCHEMAS.items() if re.search(r'"(\w+_)?url"', json.dumps(schema))}
    answers = {
        path: json.dumps(methods["get"]["responses"]["200"])
        for path, methods in openapi.paths({}).items()
        if "get" in methods
    }
    return {f"GET {path}" for path, answer in answers.items() if named & {*re.findall(r"schemas/(\w+)", answer)}}


LINKED = {
    f"GET {ACTIVITY}": {"id": PROJECT, "activity_id": "A1320"},
    "GET /projects/{id}/export": {"id": PROJECT, "query": {"format": "csv"}},
    "GET /monitoring": {},
    "GET /releases": {},
    "GET /executions": {"query": {"key": f"incoming/{PROJECT}_2026-03-31.xer"}},
    "GET /executions/{id}": {},
}


def test_every_operation_whose_answer_has_links_is_tried():
    assert operations_with_links() == LINKED.keys()


@pytest.mark.parametrize("operation", LINKED)
def test_every_document_that_leaves_is_in_the_audit_trail(ask, documents_of_all_kinds, operation):
    given = LINKED[operation] or ({"id": documents_of_all_kinds} if "{id}" in operation else {})

    found = get(ask, operation.removeprefix("GET "), **given)

    links = re.findall(r'"https?://[^"?]*/([^"?]+/[^"?]+)\?[^"]*X-Amz-Signature', json.dumps(found))
    (entry,) = [item for item in audit.audit_trail("control") if item["what"] in ("download", "export")]
    recorded = entry["detail"].split(", ")
    assert links
    assert all(any(uri.endswith(link) for uri in recorded) for link in links), (links, recorded)
    assert len(recorded) == len(set(links))
    assert entry["identity"] == "unknown"


def test_the_lineage_of_a_forecast_names_file_run_dataset_and_who_trained(ask, documents_of_all_kinds):
    found = get(ask, ACTIVITY, id=PROJECT, activity_id="A1320")

    assert found["prediction_id"] == f"{PROJECT}/2026-03-31/A1320"
    assert found["update"]["dataset_version"] == "dataset of 2026-03-31"
    assert found["update"]["file"] == f"{PROJECT}_2026-03-31.xer"
    assert "/reports/e/intake.html?" in found["update"]["intake_url"]
    model = found["model"]
    assert (model["version"], model["model_id"], model["dataset_version"]) == ("4", "46563b0165b1", "d1")
    assert (model["execution"], model["reason"]) == (EXECUTION, "new_data")
    assert model["approved_by"] is None
    assert f"/reports/{EXECUTION}/report.html?" in model["report_url"]
    assert ask(ACTIVITY, id=PROJECT, activity_id="A9999")["statusCode"] == 404


def test_the_lineage_has_no_page_that_names_projects_of_others(signed_in, documents_of_all_kinds):
    status, found = signed_in(f"viewer,projects:{PROJECT}", ACTIVITY, id=PROJECT, activity_id="A1320")

    assert status == 200
    assert found["update"]["intake_url"]
    assert (found["model"]["version"], found["model"]["report_url"]) == ("4", None)
    assert signed_in("viewer,projects:other", ACTIVITY, id=PROJECT, activity_id="A1320")[0] == 404


def test_a_model_without_a_record_of_its_release_is_said_to_be_unknown(ask, annex, control_table):
    found = get(ask, ACTIVITY, id=PROJECT, activity_id="A1320")

    assert found["model"] is None
    assert found["update"]["intake_url"] is None
    assert audit.audit_trail("control") == []
