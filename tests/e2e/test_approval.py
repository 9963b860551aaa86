"""A release that waits for a person: approved by the link in the mail, then rejected. The tests build on each other."""

import json
import re
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from local.cloud import DIRECT, LocalCloud
from local.demo import NEWER, OLDER
from local.watch import Stack, until
from support.families import search_only

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# A stack of its own: minutes. make verify runs it.
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Approver:
    """Who drops files, gets the mails and follows their links with a browser."""

    def __init__(self, cloud):
        self.stack = Stack(cloud)
        self.sqs, self.dynamodb = cloud.client("sqs"), cloud.client("dynamodb")
        self.queue = self.sqs.create_queue(QueueName="mail")["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])
        arn = found["Attributes"]["QueueArn"]
        self.stack.sns.subscribe(TopicArn=self.stack.env["SLIPCAST_TOPIC_ARN"], Protocol="sqs", Endpoint=arn)

    def drop(self, name):
        """Drop a file and return its execution's ARN."""
        before = self.stack.executions()
        self.stack.drop(name, (EXAMPLES / name).read_bytes())
        return self.stack.new_execution(before)

    def mail(self, outcome):
        """Return the text of the next mail of that kind."""

        def find():
            for message in self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])
                if body.get("MessageAttributes", {}).get("outcome", {}).get("Value") == outcome:
                    return body["Message"]
            return None

        return until(find, seconds=600, what=f"mail: {outcome}")

    def link(self, mail):
        """Return address and key; the domain is the one that the API would have on AWS."""
        path, key = re.search(r"^https://\S+?/v1(/approvals/\S+)\?key=(\S+)$", mail, re.MULTILINE).groups()
        return self.stack.env["SLIPCAST_API_URL"] + path, key

    def browse(self, url, form=None):
        """Return status and page of a GET, or of a POST of a form."""
        data = urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(url, data, {"Accept": "text/html"})  # noqa: S310
        try:
            with DIRECT.open(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def lease(self):
        table = self.stack.env["SLIPCAST_CONTROL_TABLE"]
        return self.dynamodb.get_item(TableName=table, Key={"pk": {"S": "LEASE"}, "sk": {"S": "training"}}).get("Item")


@pytest.fixture(scope="module")
def approver(tmp_path_factory):
    with LocalCloud(tmp_path_factory.mktemp("approval"), parameters={"ApprovalRequired": "true"}) as running:
        found = Approver(running)
        search_only(found.stack, "logistic_regression")
        yield found


@pytest.fixture(scope="module")
def story() -> dict:
    """What earlier tests of this module found out."""
    return {}


def test_nothing_is_live_until_somebody_presses_the_button(approver, story):
    execution = approver.drop(OLDER)
    url, key = approver.link(approver.mail("approval"))
    before = approver.stack.live_version()

    status, page = approver.browse(f"{url}?key={key}")
    assert status == 200
    assert "Release this model?" in page
    assert "nothing: it is the first model" in page
    assert approver.browse(f"{url}?key={key[:-1]}")[0] == approver.browse(url)[0] == 404
    assert approver.stack.executions()[execution] == "RUNNING"
    assert approver.stack.live_version() == before
    assert approver.lease() is None

    # Two people at once, and one of them twice.
    forms = [
        {"key": key, "decision": "approve", "name": name, "comment": "looks right"} for name in ("Ann", "Bob", "Bob")
    ]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda form: approver.browse(url, form), forms))
    assert sorted(status for status, _ in answers) == [200, 409, 409]

    outcome = approver.stack.finish(execution)
    assert outcome["output"]["outcome"] == "released", outcome["output"]
    assert re.search(r"approved by (Ann|Bob) on .* UTC: looks right", outcome["output"]["why"])
    assert approver.stack.live_version() == outcome["output"]["version"] != before
    story["first"] = outcome


def test_who_decided_is_kept(approver, story):
    record = approver.stack.document(f"reports/{story['first']['name']}/approval.json")

    assert (record["outcome"], record["via"], record["champion"]) == ("approved", "link", None)
    assert f"approved by {record['by']}" in story["first"]["output"]["why"]
    assert approver.stack.keys("tracking/pending/") == []


def test_a_rejection_keeps_the_live_model(approver, story):
    # Surely better than the live model.
    search_only(approver.stack, "random_forest")
    execution = approver.drop(NEWER)
    url, key = approver.link(approver.mail("approval"))

    status, page = approver.browse(url, {"key": key, "decision": "reject", "name": "Ann", "comment": "<b>wait</b>"})
    assert status == 200
    assert "&lt;b&gt;wait&lt;/b&gt;" in page

    outcome = approver.stack.finish(execution)
    assert (outcome["status"], outcome["output"]["outcome"]) == ("SUCCEEDED", "kept")
    assert "rejected by Ann" in outcome["output"]["why"]
    assert "rejected by Ann" in approver.mail("kept")
    assert approver.stack.live_version() == story["first"]["output"]["version"]
