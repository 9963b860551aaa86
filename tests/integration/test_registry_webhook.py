"""The door of MLflow's registry: deliveries that MLflow's own code signs and sends, and what becomes of them."""

import io
import json
import time

import boto3
import pytest
import requests
from mlflow.entities.webhook import Webhook, WebhookAction, WebhookEntity, WebhookEvent
from mlflow.tracking import MlflowClient
from mlflow.webhooks import delivery
from mlflow.webhooks.types import ModelVersionAliasCreatedPayload, ModelVersionTagSetPayload
from requests.adapters import BaseAdapter

from permissions.template import WEBHOOK
from support.tracking_records import EXPERIMENT, make_database

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:sqlalchemy.exc.SADeprecationWarning")

SECRET = "a secret of 32 characters or more"
ALIAS = WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
TAG = WebhookEvent(WebhookEntity.MODEL_VERSION_TAG, WebhookAction.SET)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A registry with a live model (1), one that was live before (2), and one that never was (3)."""
    uri = f"sqlite:///{make_database(tmp_path_factory.mktemp('mlflow') / 'mlflow.db')}"
    client = MlflowClient(uri, uri)
    experiment = client.create_experiment(EXPERIMENT)
    client.create_registered_model("slipcast")
    for number in (1, 2, 3):
        run = client.create_run(experiment, tags={"execution": f"e{number}"})
        client.set_terminated(run.info.run_id)
        found = client.create_model_version("slipcast", "s3://none/model", run.info.run_id)
        released = {"slipcast.release": "released", "lambda_version": f"{number + 10}"} if number < 3 else {}
        tags = {"execution": f"e{number}", "artefact_sha256": f"{number}" * 64, **released}
        for name, value in tags.items():
            client.set_model_version_tag("slipcast", found.version, name, value)
    return uri


@pytest.fixture
def registry(database):
    client = MlflowClient(database, database)
    client.set_registered_model_alias("slipcast", "champion", "2")
    return client


class Release:
    """The release function, as the door sees it."""

    def __init__(self):
        self.asked, self.answer = [], {"outcome": "promoted", "why": "version 12 is live", "live": "e2"}

    def invoke(self, FunctionName, Payload):
        self.asked.append((FunctionName, json.loads(Payload)))
        failed = {} if isinstance(self.answer, dict) else {"FunctionError": "Unhandled"}
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode()), **failed}


@pytest.fixture
def release():
    return Release()


@pytest.fixture
def track(load_app, s3, lambda_context, database, release, monkeypatch):
    # The stack's parameter names this secret: the judge of permissions compares the two.
    monkeypatch.setattr("moto.secretsmanager.utils.generate_str_id", lambda **_: WEBHOOK.rpartition("-")[2])
    secret = boto3.client("secretsmanager").create_secret(Name="webhook", SecretString=SECRET)["ARN"]
    app = load_app(
        "track",
        DATA_BUCKET="data",
        MLFLOW_TRACKING_URI=database,
        MLFLOW_EXPERIMENT=EXPERIMENT,
        MLFLOW_MODEL_NAME="slipcast",
        REGISTRY_WEBHOOK_KEY_ARN=secret,
        RELEASE_FUNCTION="slipcast-release",
    )
    app.webhook.secrets.cache_clear()
    monkeypatch.setattr(app.webhook, "functions", lambda: release)
    yield lambda event: app.handler(event, lambda_context)
    app.webhook.secrets.cache_clear()


class FunctionUrl(BaseAdapter):
    """Lambda's function URL: the event is that of payload format 2.0."""

    def __init__(self, handler):
        super().__init__()
        self.handler, self.sent = handler, []

    def send(self, request, **_):
        headers = {name.lower(): value for name, value in request.headers.items()}
        event = {
            **{"version": "2.0", "rawPath": "/", "headers": headers, "isBase64Encoded": False},
            **{"requestContext": {"http": {"method": request.method}}, "body": request.body.decode()},
        }
        self.sent.append(event)
        return self.answered(request, self.handler(event))

    def answered(self, request, found):
        answer = requests.Response()
        answer.status_code, answer.request = found["statusCode"], request
        answer.raw = io.BytesIO(found["body"].encode())
        return answer

    def close(self):
        pass


@pytest.fixture
def door(track):
    return FunctionUrl(track)


def deliver(door, payload, event=ALIAS, secret=SECRET):
    """Let MLflow deliver an event; return status and body of the answer."""
    session = requests.Session()
    session.mount("https://", door)
    webhook = Webhook("w1", "slipcast", "https://52.95.110.1/", [event], 0, 0, secret=secret)
    found = delivery._send_webhook_request(webhook, payload, event, session)
    return found.status_code, found.json()


def moved(version="2", alias="champion", name="slipcast"):
    return ModelVersionAliasCreatedPayload(name=name, alias=alias, version=version)


def test_the_alias_moved_by_hand_asks_for_a_promotion(door, release, registry):
    assert deliver(door, moved()) == (200, {"outcome": "promoted", "why": "version 12 is live"})

    by = "the alias champion of model version 2 in MLflow"
    assert release.asked == [
        ("slipcast-release", {"step": "choose", "version": "12", "sha256": "2" * 64, "by": by}),
    ]
    assert str(registry.get_model_version_by_alias("slipcast", "champion").version) == "2"


def test_a_refused_alias_goes_back_to_the_live_model(door, release, registry):
    release.answer = {"outcome": "refused", "why": "it was never released", "live": "e1"}
    registry.set_registered_model_alias("slipcast", "champion", "3")

    assert deliver(door, moved("3"))[0] == 409

    assert release.asked[0][1]["version"] == ""
    assert str(registry.get_model_version_by_alias("slipcast", "champion").version) == "1"
    assert registry.get_model_version("slipcast", "3").tags["slipcast.refused"] == "it was never released"


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (moved(alias="challenger"), ALIAS),
        (moved(name="another"), ALIAS),
        (ModelVersionTagSetPayload(name="slipcast", version="2", key="champion", value="x"), TAG),
    ],
)
def test_other_events_are_answered_and_change_nothing(door, release, payload, event):
    assert deliver(door, payload, event)[0] == 200
    assert release.asked == []


@pytest.mark.parametrize("secret", ["another secret", None])
def test_a_delivery_that_is_not_signed_with_the_secret_is_refused(door, release, secret):
    status, body = deliver(door, moved(), secret=secret)

    assert (status, release.asked) == (401, [])
    assert "secret" in body["why"]
    assert SECRET not in json.dumps(body)


def test_a_delivery_is_answered_once_and_not_late(door, release, track, monkeypatch):
    deliver(door, moved())
    (event,) = door.sent

    assert json.loads(track(event)["body"])["outcome"] == "repeated"
    changed = {**event, "body": event["body"].replace('"2"', '"1"')}
    assert track(changed)["statusCode"] == 401
    now = time.time()
    for late in (301, -301):
        monkeypatch.setattr("time.time", lambda late=late: now + late)
        assert track(event)["statusCode"] == 401
    assert len(release.asked) == 1


def test_a_delivery_that_failed_may_come_again(door, release, track):
    release.answer = "an error"
    with pytest.raises(RuntimeError, match="release function failed"):
        deliver(door, moved())
    release.answer = {"outcome": "live", "why": "version 12 is live already", "live": "e2"}

    assert json.loads(track(door.sent[0])["body"])["outcome"] == "live"


def test_what_is_no_delivery_is_refused(door, track):
    deliver(door, moved())
    event = door.sent[0]
    get = {**event, "requestContext": {"http": {"method": "GET"}}, "body": None}

    assert track(get)["statusCode"] == 405
    assert track({**event, "headers": {}, "body": "x"})["statusCode"] == 401
    assert track({**event, "headers": event["headers"] | {"x-mlflow-timestamp": "soon"}})["statusCode"] == 401
    assert track({**event, "body": "AAA=", "isBase64Encoded": True})["statusCode"] == 401


@pytest.mark.parametrize("delivery_id", ["", "../delivery/1", "x" * 65])
def test_an_id_that_is_no_name_is_refused_however_it_is_signed(door, release, track, delivery_id):
    deliver(door, moved())
    event, at = door.sent[0], str(int(time.time()))
    signature = delivery._generate_hmac_signature(SECRET, delivery_id, at, event["body"])
    named = {"x-mlflow-delivery-id": delivery_id, "x-mlflow-timestamp": at, "x-mlflow-signature": signature}

    assert track({**event, "headers": event["headers"] | named})["statusCode"] == 401
    assert len(release.asked) == 1


@pytest.mark.parametrize("version", ["two", "2/../3", "-1", ""])
def test_a_version_that_is_no_number_is_refused(door, release, version):
    assert deliver(door, moved(version))[0] == 400
    assert release.asked == []
