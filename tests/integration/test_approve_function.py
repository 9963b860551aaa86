"""Approve: a link that shows, a button that decides, one decision, and a record of it."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock, Thread
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from slipcast_aws import links, storage
from slipcast_aws.control import audit
from slipcast_aws.release import approvals, versions
from slipcast_aws.tracking import outbox
from support.approval_records import (
    EVALUATION_URI,
    EXECUTION,
    MODEL,
    TOKEN,
    ask_event,
    conclude_event,
    leave_evaluation,
)
from support.page import Page

BASE = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1"
LIVE = {"sha256": "1" * 64, "artefact_uri": "s3://a/b", "profile_uri": "s3://a/c", "dataset_id": "d0"}


@pytest.fixture
def live(monkeypatch):
    """The version behind the alias, to be changed; None is no model."""
    state = {"version": "3"}

    def live_model(function):
        assert function == "slipcast-predict"
        return state["version"] and versions.LiveModel(version=state["version"], model_id="old", **LIVE)

    monkeypatch.setattr(versions, "live_model", live_model)
    return state


@pytest.fixture
def told(monkeypatch, mocked_aws):
    """Step Functions as a list of the decisions it took; ``error`` is what it answers instead."""
    state = {"decisions": [], "error": None}

    class Client:
        def send_task_success(self, *, taskToken, output):
            if state["error"]:
                raise state["error"]
            state["decisions"].append((taskToken, json.loads(output)["decision"]))

    monkeypatch.setattr(approvals, "states", Client)
    return state


@pytest.fixture
def approve(load_app, s3, control_table, live, told, lambda_context):
    """The app after a training whose model the gate lets through; its mails come into a queue."""
    topic = boto3.client("sns").create_topic(Name="slipcast")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    app = load_app(
        "approve",
        **{"DATA_BUCKET": "data", "CONTROL_TABLE": control_table, "TOPIC_ARN": topic, "APPROVAL_HOURS": "72"},
        **{"PUBLIC_BASE_URL": BASE, "PREDICT_FUNCTION": "slipcast-predict"},
    )
    leave_evaluation()
    return Person(app, lambda_context, queue)


class Person:
    """Who gets the mail and follows its link."""

    def __init__(self, app, context, queue):
        self.app, self.context, self.queue = app, context, queue

    def step(self, event):
        return self.app.handler(event, self.context)

    def mail(self):
        found = boto3.client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in found]

    def asked(self):
        """Ask, and return the key in the mail."""
        self.step(ask_event())
        return self.key(self.mail()[-1]["Message"])

    def key(self, text):
        (key,) = re.findall(rf"^{re.escape(BASE)}/approvals/{EXECUTION}\?key=([\w-]+)$", text, re.MULTILINE)
        return key

    def get(self, key, *, execution=EXECUTION, show=None, **headers):
        query = {name: value for name, value in {"key": key, "show": show}.items() if value is not None}
        return self._ask("GET", execution, query or None, None, headers)

    def post(self, key, decision, *, execution=EXECUTION, json_body=False, **fields):
        """Press a button, or send JSON."""
        fields = {"key": key, "decision": decision, **fields}
        if json_body:
            return self.raw(json.dumps(fields), execution=execution, **{"Content-Type": "application/json"})
        return self.raw(urlencode(fields), execution=execution)

    def raw(self, body, *, execution=EXECUTION, encoded=False, **headers):
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        return self._ask("POST", execution, None, body, headers, encoded=encoded)

    def _ask(self, method, execution, query, body, headers, *, encoded=False):
        event = {
            **{"httpMethod": method, "path": f"/slipcast/approvals/{execution}", "resource": "/approvals/{id}"},
            "pathParameters": {"id": execution},
            **{"queryStringParameters": query, "headers": headers, "body": body, "isBase64Encoded": encoded},
            "requestContext": {"identity": {"sourceIp": "192.0.2.4"}},
        }
        return self.app.handler(event, self.context)


@pytest.fixture
def later(monkeypatch):
    """A way to the time after the expiry."""

    def go():
        from approve import decide as deciding
        from approve import web

        class Later(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(UTC) + timedelta(hours=72)

        for module in (web, deciding):
            monkeypatch.setattr(module, "datetime", Later)

    return go


def stored() -> dict[str, str]:
    item = boto3.client("dynamodb").get_item(
        TableName="control", Key={"pk": {"S": "APPROVAL"}, "sk": {"S": EXECUTION}}
    )["Item"]
    return {name: value["S"] for name, value in item.items()}


def test_the_whole_life_of_an_approval(approve, told):
    before = datetime.now(UTC)
    answer = approve.step(ask_event())
    assert datetime.fromisoformat(answer["expires_at"]) - before >= timedelta(hours=72)
    (message,) = approve.mail()
    assert message["Subject"] == "Slipcast: a release waits for your approval"
    assert message["MessageAttributes"]["outcome"]["Value"] == "approval"
    key = approve.key(message["Message"])

    page = approve.get(key)
    assert page["statusCode"] == 200
    assert '<button class="yes" name="decision" value="approve">' in page["body"]
    assert '<button name="decision" value="reject">' in page["body"]
    assert "0.182 (0.160–0.203)" in page["body"]
    assert (stored()["status"], told["decisions"]) == ("pending", [])

    decided = approve.post(key, "approve", name="Ann", comment="looks right")
    assert decided["statusCode"] == 200
    assert all(f"<td>{text}</td>" in decided["body"] for text in ("approved", "Ann", "looks right"))
    assert told["decisions"] == [(TOKEN, "approved")]

    for again in ("approve", "reject"):
        refused = approve.post(key, again, name="Bob")
        assert refused["statusCode"] == 409
        assert "Ann" in refused["body"]
        assert "Bob" not in refused["body"]
    assert len(told["decisions"]) == 1
    shown = approve.get(key)
    assert (shown["statusCode"], "<form" in shown["body"]) == (200, False)

    concluded = approve.step(conclude_event(in_time=True))
    assert concluded["release"] is True
    assert re.fullmatch(
        r"better than the champion; approved by Ann on \d{4}-\d\d-\d\d \d\d:\d\d UTC: looks right", concluded["why"]
    )


def test_the_mail_says_what_is_to_be_released_and_until_when(approve):
    storage.write_bytes(f"s3://data/reports/{EXECUTION}/report.html", b"<p>")
    expires = approve.step(ask_event())["expires_at"]
    text = approve.mail()[0]["Message"]

    assert f"until {expires[:10]} {expires[11:16]} UTC" in text
    assert "Opening the link decides nothing" in text
    assert "Would replace: version 3, model old" in text
    assert "9" * 64 in text
    assert "AUC (higher is better): 0.742 (0.650–0.791); live model: 0.600 (0.500–0.700)" in text
    assert f"Report: s3://data/reports/{EXECUTION}/report.html" in text


def test_only_the_digest_of_the_key_is_stored_and_the_token_until_it_was_used(approve):
    key = approve.asked()

    assert len(base64.urlsafe_b64decode(key + "=")) == 32
    assert key not in json.dumps(stored())
    assert stored()["key_sha256"] == approvals.digest(key)
    assert stored()["task_token"] == TOKEN
    approve.post(key, "reject")
    assert "task_token" not in stored()
    assert stored()["delivery"] == "delivered"


def test_no_key_and_no_token_in_log_page_or_record(approve, told, caplog):
    key = approve.asked()
    told["error"] = states_error("ServiceUnavailable", f"busy with {TOKEN}")
    pages = [approve.get(key), approve.post(key, "approve", comment="c")]
    told["error"] = None
    pages += [approve.post(key, "approve"), approve.post(key, "approve"), approve.get("x"), approve.get(key)]
    approve.step(conclude_event(in_time=True))

    written = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert EXECUTION in written
    assert key not in written
    assert TOKEN not in written
    assert TOKEN not in json.dumps(pages)
    # The form needs the key, and nothing else does.
    assert [json.dumps(page).count(key) for page in pages] == [1, 0, 0, 0, 0, 0]
    assert TOKEN not in repr(approvals.read("control", EXECUTION))
    uris = [uri for prefix in ("reports", "tracking") for uri in storage.list_uris(f"s3://data/{prefix}/")]
    kept = json.dumps([storage.read_json(uri) for uri in uris])
    assert len(uris) == 3
    assert key not in kept
    assert TOKEN not in kept
    assert approvals.digest(key) not in kept


def test_a_repeated_question_makes_the_link_before_worthless(approve, told):
    first = approve.asked()
    second = approve.asked()

    assert first != second
    assert approve.get(first)["statusCode"] == 404
    assert approve.post(first, "approve")["statusCode"] == 404
    assert approve.post(second, "approve")["statusCode"] == 200


def test_what_was_decided_is_not_asked_anew(approve):
    approve.post(approve.asked(), "reject", name="Ann")

    with pytest.raises(approvals.ClosedError, match="closed: rejected"):
        approve.step(ask_event())

    assert stored()["by"] == "Ann"
    assert approve.mail() == []


def test_figures_of_another_model_are_not_shown_for_this_one(approve):
    leave_evaluation(model=MODEL | {"sha256": "8" * 64})

    with pytest.raises(ValueError, match="is about another model"):
        approve.step(ask_event())

    assert approve.mail() == []


@pytest.mark.parametrize("execution", [EXECUTION, "another", "a b", "", "x" * 200, "../admin", "<b>"])
@pytest.mark.parametrize("key", ["wrong", "", None, "é\ud800", "x" * 5000])
def test_a_wrong_key_and_an_unknown_execution_are_the_same_404(approve, told, execution, key):
    approve.asked()
    shown = approve.get(key, execution=execution)
    sent = approve.raw(json.dumps({"key": key, "decision": "approve"}), execution=execution, Accept="text/html", **JSON)

    assert shown["statusCode"] == sent["statusCode"] == 404
    assert shown["body"] == sent["body"]
    assert EXECUTION not in shown["body"]
    assert (stored()["status"], told["decisions"]) == ("pending", [])


JSON = {"Content-Type": "application/json"}


def test_after_the_expiry_nothing_can_be_decided(approve, told, later):
    key = approve.asked()
    later()

    for answer in (approve.get(key), approve.post(key, "approve")):
        assert answer["statusCode"] == 410
        assert "has expired" in answer["body"]
        assert "<form" not in answer["body"]
    assert (stored()["status"], told["decisions"]) == ("pending", [])

    concluded = approve.step(conclude_event(in_time=False))
    assert (concluded["release"], concluded["outcome"]) == (False, "expired")
    assert concluded["why"].startswith("the release expired: nobody decided until")
    assert stored()["status"] == "expired"
    assert "task_token" not in stored()


def test_the_pipeline_that_stopped_waiting_closes_the_request(approve, told):
    key = approve.asked()
    approve.step(conclude_event(in_time=False))

    assert approve.get(key)["statusCode"] == approve.post(key, "approve")["statusCode"] == 410
    assert told["decisions"] == []


def test_of_many_decisions_at_once_one_gets_through(approve, told, monkeypatch):
    key, answers = approve.asked(), []
    # All have read the request as pending before the first decides.
    together, one_by_one, decide = Barrier(8), Lock(), approvals.decide

    def decide_together(*args, **options):
        together.wait(timeout=180)
        # DynamoDB writes an item once at a time; moto checks the condition of one write during another.
        with one_by_one:
            return decide(*args, **options)

    monkeypatch.setattr(approvals, "decide", decide_together)
    people = [
        Thread(target=lambda n=n: answers.append(approve.post(key, ("approve", "reject")[n % 2], name=f"P{n}")))
        for n in range(8)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()

    assert sorted(answer["statusCode"] for answer in answers) == [200] + [409] * 7
    assert [decision for _, decision in told["decisions"]] == [stored()["status"]]
    (winner,) = [answer["body"] for answer in answers if answer["statusCode"] == 200]
    assert f"<td>{stored()['by']}</td>" in winner


def states_error(code: str, message: str = "no more"):
    """What Step Functions answers, as boto3 raises it."""
    client = boto3.client("stepfunctions")
    with Stubber(client) as stub:
        stub.add_client_error("send_task_success", code, message)
        with pytest.raises(client.exceptions.ClientError) as caught:
            client.send_task_success(taskToken="t", output="{}")
    return caught.value


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_decision_after_the_pipeline_stopped_waiting_is_recorded_as_too_late(approve, told, code):
    key = approve.asked()
    told["error"] = states_error(code)

    answer = approve.post(key, "approve", name="Ann")

    assert answer["statusCode"] == 410
    assert "came too late" in answer["body"]
    assert "had stopped waiting" in answer["body"]
    assert {name: stored()[name] for name in ("status", "delivery", "by")} == {
        **{"status": "approved", "delivery": "too_late", "by": "Ann"}
    }
    concluded = approve.step(conclude_event(in_time=False))
    assert (concluded["release"], concluded["outcome"]) == (False, "undelivered")
    assert "approved by Ann" in concluded["why"]
    assert "nothing was released" in approve.get(key)["body"]


@pytest.mark.parametrize("kind", ["answer", "silence"])
def test_what_could_not_be_handed_on_is_recorded_and_can_be_sent_again(approve, told, kind):
    key = approve.asked()
    failures = {"answer": states_error("ServiceUnavailable"), "silence": ReadTimeoutError(endpoint_url="https://x")}
    told["error"] = failures[kind]

    assert approve.post(key, "approve", name="Ann")["statusCode"] == 503
    assert (stored()["status"], stored()["delivery"]) == ("approved", "failed")
    told["error"] = None
    page = approve.get(key)
    assert "It was approved, but the pipeline could not be notified" in page["body"]
    assert approve.post(key, "reject")["statusCode"] == 409
    assert approve.post(key, "approve", name="Bob")["statusCode"] == 200
    assert told["decisions"] == [(TOKEN, "approved")]
    assert stored()["by"] == "Ann"


def test_an_answer_that_was_lost_does_not_make_a_decision_late(approve, told):
    """Step Functions took the decision, only its answer was lost; the pipeline goes on meanwhile."""
    key = approve.asked()
    told["error"] = ReadTimeoutError(endpoint_url="https://x")
    approve.post(key, "approve")
    before = approvals.find("control", EXECUTION, key)
    approve.step(conclude_event(in_time=True))
    told["error"] = states_error("TaskTimedOut")

    assert approvals.hand_on("control", before).delivery == "delivered"
    assert approve.post(key, "approve")["statusCode"] == 409


# --- What is sent -----------------------------------------------------------------------------------------------------


def test_the_return_key_in_a_field_decides_nothing(approve):
    body = approve.get(approve.asked())["body"]

    assert re.search(r"<button[^>]*>", body)[0] == "<button disabled hidden>"


def test_json_in_json_out(approve, told):
    key = approve.asked()
    document = json.loads(approve.get(key, Accept="application/json")["body"])
    assert document["status_of_approval"] == "pending"
    assert document["figures"][1]["challenger"] == "0.742 (0.650–0.791)"
    assert document["model_sha256"] == MODEL["sha256"]

    answer = approve.post(key, "reject", json_body=True, name="Ann", comment="the cost plan is wrong")
    assert answer["headers"]["Content-Type"] == "application/json"
    decided = json.loads(answer["body"])
    assert {name: decided[name] for name in ("status_of_approval", "by", "comment", "delivery")} == {
        **{"status_of_approval": "rejected", "by": "Ann", "comment": "the cost plan is wrong", "delivery": "delivered"}
    }
    refused = approve.post(key, "approve", json_body=True)
    assert refused["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(refused["body"])["status"] == refused["statusCode"] == 409
    missing = approve.get("wrong", Accept="application/json")
    assert json.loads(missing["body"])["title"] == "Not Found"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"decision": "maybe"},
        {"decision": ["approve"]},
        {"decision": "approve", "name": "x" * 101},
        {"decision": "approve", "comment": "x" * 1001},
        {"decision": "approve", "name": {"a": 1}},
    ],
)
def test_a_field_that_is_not_understood_decides_nothing(approve, told, fields):
    answer = approve.raw(json.dumps({"key": approve.asked(), **fields}), **JSON)

    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["detail"].startswith("Nothing was decided")
    assert (stored()["status"], told["decisions"]) == ("pending", [])


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ("{", JSON, 400),
        ("[]", JSON, 400),
        ("[" * 16_000, JSON, 400),
        ("&".join("a=1" for _ in range(50)), {}, 400),
        ("x" * 20_000, {}, 413),
        (None, {}, 404),
        ("", JSON, 400),
    ],
)
def test_a_body_that_is_none_is_told_so(approve, body, headers, status):
    approve.asked()

    assert approve.raw(body, **headers)["statusCode"] == status


def test_a_body_in_base64_is_read(approve, told):
    body = base64.b64encode(urlencode({"key": approve.asked(), "decision": "approve"}).encode()).decode()

    assert approve.raw("%%%", encoded=True)["statusCode"] == 400
    assert approve.raw(body, encoded=True)["statusCode"] == 200


def test_what_was_typed_in_is_escaped_and_cleaned_of_what_cannot_be_seen(approve, told):
    key = approve.asked()

    answer = approve.post(
        key, "reject", name="\u202eAnn\x00<script>", comment='"><img src=x onerror=alert(1)>\r\nBcc: x'
    )

    assert answer["statusCode"] == 200
    assert "<script" not in answer["body"]
    assert "<img" not in answer["body"]
    assert (stored()["by"], stored()["comment"]) == ("Ann <script>", '"><img src=x onerror=alert(1)> Bcc: x')


def test_what_comes_from_a_training_is_escaped(approve):
    leave_evaluation(decision={"release": True, "reasons": ["<script>alert(1)</script>"]})

    body = approve.get(approve.asked())["body"]

    assert "<script" not in body
    assert "&lt;script&gt;" in body


def test_a_page_may_do_nothing_but_send_its_form(approve):
    key = approve.asked()

    for answer in (approve.get(key), approve.get("x"), approve.post(key, "reject"), approve.get(key)):
        headers = answer["headers"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        style = re.search(r"<style>(.*)</style>", answer["body"], re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert not re.search(r"<script|style=|\son\w+=", answer["body"])


def test_the_page_links_to_the_report_if_there_is_one(approve):
    key = approve.asked()
    assert "<a " not in approve.get(key)["body"]
    assert approve.get(key, show="report")["statusCode"] == 404
    storage.write_bytes(f"s3://data/reports/{EXECUTION}/report.html", b"<p>Report")

    link = json.loads(approve.get(key, Accept="application/json")["body"])["report"]

    assert link == f"{BASE}/approvals/{EXECUTION}?key={key}&show=report"


@pytest.fixture
def report(approve):
    """The key of an approval whose training has a report."""
    storage.write_bytes(f"s3://data/reports/{EXECUTION}/report.html", b"<p>Report")
    return approve.asked()


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        *((region, "amazonaws.com") for region in ("us-east-1", "eu-central-1", "il-central-1", "me-central-1")),
        *((region, "amazonaws.com") for region in ("eu-north-1", "ap-southeast-5", "us-gov-west-1")),
        ("cn-north-1", "amazonaws.com.cn"),
    ],
)
def test_the_report_opens_by_a_link_that_names_bucket_and_region(approve, report, region, suffix, monkeypatch):
    monkeypatch.setenv("AWS_REGION", region)
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    links.client.cache_clear()

    answer = approve.get(report, show="report")

    assert answer["statusCode"] == 302
    link = urlsplit(answer["headers"]["Location"])
    # Amazon S3 User Guide, "Virtual hosting of general purpose buckets".
    assert (link.scheme, link.netloc) == ("https", f"data.s3.{region}.{suffix}")
    assert link.path == f"/reports/{EXECUTION}/report.html"
    query = parse_qs(link.query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["900"]
    assert query["X-Amz-Credential"][0].split("/")[2:] == [region, "s3", "aws4_request"]
    assert answer["headers"]["Referrer-Policy"] == "no-referrer"
    assert answer["headers"]["Cache-Control"] == "no-store"
    (entry,) = [item for item in audit.audit_trail("control") if item["what"] == "download"]
    assert entry["detail"] == f"s3://data/reports/{EXECUTION}/report.html"


def test_at_an_endpoint_of_its_own_the_link_has_the_bucket_in_its_path(approve, report, monkeypatch):
    from approve import report_link

    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "http://127.0.0.1:4566")
            patch.setattr(report_link.storage, "exists", lambda _: True)
            links.client.cache_clear()
            link = report_link.signed(EXECUTION)
            links.client.cache_clear()
        assert link.startswith(f"http://127.0.0.1:4566/data/reports/{EXECUTION}/report.html?X-Amz-Algorithm=")


def test_each_click_is_signed_anew_with_the_credentials_of_then(approve, report, monkeypatch):
    """A signature ends with the session that made it, whatever it says of itself: none is kept."""
    tokens = []
    for token in ("first", "second"):
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
        links.client.cache_clear()
        link = approve.get(report, show="report")["headers"]["Location"]
        tokens += parse_qs(urlsplit(link).query)["X-Amz-Security-Token"]
    assert tokens == ["first", "second"]
    assert "X-Amz" not in approve.get(report)["body"] + approve.get(report, Accept="application/json")["body"]


def test_the_report_is_shown_to_nobody_without_the_key_and_not_after_the_decision(approve, report, later):
    assert approve.get("x" * 43, show="report")["statusCode"] == 404
    approve.post(report, "reject")

    answer = approve.get(report, show="report")

    assert answer["statusCode"] == 200
    assert "Location" not in answer["headers"]


@pytest.mark.parametrize(
    "address",
    [
        f"{BASE}/approvals/{EXECUTION}",
        f"{BASE}/approvals/{EXECUTION}/",
        f"https://ml.example.com/slipcast/approvals/{EXECUTION}",
        f"https://ml.example.com/approvals/{EXECUTION}",
    ],
)
def test_form_and_report_stay_at_the_address_that_the_page_was_opened_at(approve, report, address):
    shown = Page(approve.get(report)["body"])

    (form,) = [attributes for tag, attributes in shown.elements if tag == "form"]
    (link,) = [attributes for tag, attributes in shown.elements if tag == "a"]

    assert urljoin(f"{address}?key={report}", form["action"]) == f"{address}?decide"
    assert urljoin(f"{address}?key={report}", link["href"]) == f"{address}?key={report}&show=report"


def test_an_unexpected_error_is_a_page_without_its_inside(approve, s3):
    key = approve.asked()
    s3.delete_object(Bucket="data", Key=EVALUATION_URI.removeprefix("s3://data/"))

    answer = approve.get(key)

    assert answer["statusCode"] == 500
    assert "NoSuchKey" not in answer["body"]


# --- By invocation ----------------------------------------------------------------------------------------------------


def test_who_may_invoke_the_function_decides_without_the_key(approve, told):
    approve.asked()

    answer = approve.step({"step": "decide", "execution": EXECUTION, "decision": "approve", "name": "Ann"})

    assert (answer["status"], answer["delivery"]) == ("approved", "delivered")
    assert told["decisions"] == [(TOKEN, "approved")]
    assert stored()["via"] == "invoke"
    with pytest.raises(approvals.ClosedError):
        approve.step({"step": "decide", "execution": EXECUTION, "decision": "reject", "name": "Ann"})


def test_an_invocation_says_who_and_for_what(approve, told):
    approve.asked()

    with pytest.raises(ValueError, match="name is missing"):
        approve.step({"step": "decide", "execution": EXECUTION, "decision": "approve"})
    with pytest.raises(LookupError, match="execution other asked for no approval"):
        approve.step({"step": "decide", "execution": "other", "decision": "approve", "name": "Ann"})
    assert told["decisions"] == []


# --- What becomes of it -----------------------------------------------------------------------------------------------


def test_a_decision_is_kept_as_a_record_an_audit_entry_and_for_mlflow(approve):
    approve.post(approve.asked(), "approve", name="Ann", comment="looks right")

    approve.step(conclude_event(in_time=True))
    approve.step(conclude_event(in_time=True))

    uri = f"s3://data/reports/{EXECUTION}/approval.json"
    record = storage.read_json(uri)
    assert {name: record[name] for name in record.keys() - {"asked_at", "decided_at", "expires_at", "why"}} == {
        **{"execution": EXECUTION, "outcome": "approved", "status": "approved", "delivery": "delivered"},
        **{"champion": "3", "live": "3", "model_id": "abc123", "model_sha256": "9" * 64},
        **{"by": "Ann", "comment": "looks right", "via": "link", "source_ip": "192.0.2.4"},
        "evaluation_uri": EVALUATION_URI,
    }
    assert record["asked_at"] <= record["decided_at"] < record["expires_at"]
    waiting = list(outbox.pending("data"))
    assert waiting == [
        (
            f"s3://data/tracking/pending/{EXECUTION}-3-approval.json",
            {**record, "kind": "approval", "approval_uri": uri},
        )
    ]
    (entry,) = audit.audit_trail("control")
    assert (entry["what"], entry["outcome"]) == ("approval", "approved")
    assert entry["sk"].startswith(record["decided_at"])
    assert "approved by Ann" in entry["detail"]


@pytest.mark.parametrize("version", ["4", None])
def test_another_champion_supersedes_what_was_approved(approve, live, version):
    key = approve.asked()
    approve.post(key, "approve", name="Ann")
    live["version"] = version

    concluded = approve.step(conclude_event(in_time=True))

    assert (concluded["release"], concluded["outcome"]) == (False, "superseded")
    assert "compared with version 3" in concluded["why"]
    assert "The outcome is superseded: nothing was released" in approve.get(key)["body"]


def test_a_first_model_is_approved_while_there_is_none(approve, live):
    leave_evaluation(champion=None, champion_metrics=None)
    live["version"] = None
    approve.post(approve.asked(), "approve")

    assert approve.step(conclude_event(in_time=True))["release"] is True


def test_a_rejection_says_who_and_why(approve):
    approve.post(approve.asked(), "reject", name="Ann", comment="the cost plan is wrong")

    concluded = approve.step(conclude_event(in_time=True))

    assert concluded["release"] is False
    assert concluded["why"].startswith("the release was rejected by Ann on ")
    assert concluded["why"].endswith(": the cost plan is wrong")


def test_a_callback_without_a_recorded_decision_releases_nothing(approve):
    approve.asked()

    concluded = approve.step(conclude_event(in_time=True))

    assert (concluded["release"], concluded["outcome"]) == (False, "unrecorded")
    assert stored()["status"] == "expired"


def test_what_was_never_asked_cannot_be_concluded(approve):
    with pytest.raises(LookupError, match="no request for approval"):
        approve.step(conclude_event(in_time=True))
