"""A profile for a table that none reads: drafted, saved, and read by from then on."""

import io
import json
from pathlib import Path

import pytest

from slipcast_aws import storage
from slipcast_aws.control import audit

TABLE = (Path(__file__).resolve().parents[2] / "examples/exports/custom/hochbau_2025-06-30.csv").read_bytes()
KEY = "incoming/hochbau_2025-06-30.csv"
PREPARE = {
    **{"DATA_BUCKET": "data", "CONTROL_TABLE": "control", "PREDICT_FUNCTION": "slipcast-predict"},
    **{"MAX_FILE_MEGABYTES": "50", "MAX_BAD_SHARE": "0.5", "ON_SCHEMA_CHANGE": "warn", "TOLERANCE_DAYS": "30"},
    **{"MIN_MATURED_ROWS": "200", "TRAIN_ON_NEW_DATA": "true", "RETRAIN_BUDGET": "31", "COOLDOWN_MINUTES": "1"},
}


class Functions:
    """Lambda as the SDK shows it, with the real function prepare behind it."""

    def __init__(self, app, context):
        self.app, self.context = app, context

    def invoke(self, *, FunctionName, Payload):
        assert FunctionName == "slipcast-prepare"
        return {"Payload": io.BytesIO(json.dumps(self.app.handler(json.loads(Payload), self.context)).encode())}


@pytest.fixture
def ask(load_app, s3, control_table, lambda_context, monkeypatch):
    prepare = load_app("prepare", **PREPARE)
    environment = {"APPROVE_FUNCTION": "a", "PREPARE_FUNCTION": "slipcast-prepare", "TOPIC_ARN": "t"}
    environment |= {"STATE_MACHINE_ARN": "arn", "PUBLIC_BASE_URL": "https://x.example", "API_AUTH": "jwt"}
    app = load_app("projects", **environment)
    from projects import invoking

    monkeypatch.setattr(invoking, "client", lambda: Functions(prepare, lambda_context))
    storage.write_bytes(f"s3://data/{KEY}", TABLE)

    def send(resource, body, groups="planner,projects:"):
        event = {
            **{"httpMethod": "POST", "resource": resource, "headers": None, "body": json.dumps(body)},
            "requestContext": {"requestId": "r", "authorizer": {"claims": {"sub": "u", "cognito:groups": groups}}},
        }
        found = app.handler(event, lambda_context)
        return found["statusCode"], json.loads(found["body"])

    return send


def test_the_draft_of_a_table_is_saved_under_its_name_once(ask):
    status, draft = ask("/profiles/suggestions", {"key": KEY, "profile": "hochbau"})

    assert status == 200, draft
    guessed = {guess["column"]: guess for guess in draft["guesses"]}
    assert guessed["baseline_finish"]["headers"][0] == "Ende Soll"
    assert all(0 < guess["confidence"] <= 1 for guess in draft["guesses"])
    assert draft["preview"], draft["notes"]
    assert draft["counts"]["accepted"] > 0
    status, saved = ask("/profiles", {"profile": "hochbau", "text": draft["text"]})
    assert (status, saved) == (201, {"profile": "hochbau"})
    assert storage.read_bytes("s3://data/profiles/hochbau.yaml").decode() == draft["text"]
    assert ask("/profiles", {"profile": "hochbau", "text": draft["text"]})[0] == 409
    assert [entry["what"] for entry in audit.audit_trail("control")] == ["profile"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"profile": "mine", "text": "name: other"}, 422),
        ({"profile": "p6", "text": "name: p6\ntitle: t\nextends: p6"}, 409),
        ({"profile": "../x", "text": "name: x"}, 422),
        ({"profile": "mine", "text": "name: [mine"}, 422),
    ],
)
def test_what_is_no_profile_is_not_saved(ask, body, status):
    assert ask("/profiles", body)[0] == status
    assert [*storage.list_uris("s3://data/profiles/")] == []


def test_an_upload_that_is_not_there_or_of_another_project_is_not_looked_at(ask):
    question = {"key": KEY, "profile": "mine"}

    assert ask("/profiles/suggestions", question, groups="viewer,projects:")[0] == 403
    assert ask("/profiles/suggestions", question, groups="planner,projects:other")[0] == 404
    assert ask("/profiles/suggestions", {**question, "key": "profiles/x.yaml"})[0] == 422
