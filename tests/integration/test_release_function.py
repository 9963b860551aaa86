"""Publish, verify, promote: a model becomes a version, the version proves itself, the alias moves."""

import hashlib
import io
import json
import zipfile

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from moto import mock_aws
from moto.awslambda.models import LambdaFunction

from slipcast_aws import outbox, releases, storage

FUNCTION = "slipcast-predict"
LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:slipcast-model:1"
GOLDEN = {"activities": [{"activity_id": "A1"}, {"activity_id": "A2"}], "scores": [0.25, 0.5]}


def model(name: str = "abc", sha256: str = "1" * 64) -> dict:
    """What evaluate says of a model."""
    prefix = f"s3://data/models/{name}"
    return {
        **{"model_id": name, "family": "decision_tree", "sha256": sha256, "dataset_id": f"d-{name}"},
        **{"artefact_uri": f"{prefix}/model.json", "profile_uri": f"{prefix}/profile.json"},
        **{"golden_uri": f"{prefix}/golden.json", "layer_key": f"models/{name}/layer.zip"},
        **{"trained_at": "2026-01-01T00:00:00+00:00", "execution": f"new-data-{name}"},
    }


def zip_of(name: str, text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def lambdas_of_aws(monkeypatch):
    """What moto leaves out: revision ids of functions, and that writing what is there already changes nothing."""
    described, updated = LambdaFunction.get_configuration, LambdaFunction.update_configuration

    def get_configuration(self, on_create=False):
        document = described(self, on_create)
        state = json.dumps([document["Version"], document["Layers"], document.get("Environment")], sort_keys=True)
        return document | {"RevisionId": hashlib.sha256(state.encode()).hexdigest()[:32]}

    def update_configuration(self, changes):
        before = self.get_configuration()
        assert changes.pop("RevisionId") == before["RevisionId"]
        pending = self.code_or_config_updated
        updated(self, changes)
        self.code_or_config_updated = pending or self.get_configuration() != before
        return self.get_configuration()

    monkeypatch.setattr(LambdaFunction, "get_configuration", get_configuration)
    monkeypatch.setattr(LambdaFunction, "update_configuration", update_configuration)


@pytest.fixture
def cloud(aws_environment, lambdas_of_aws):
    """The predict function as the stack makes it: a code layer, no model, the alias at the first version."""
    with mock_aws():
        s3, client = boto3.client("s3"), boto3.client("lambda")
        s3.create_bucket(Bucket="data")
        role = boto3.client("iam").create_role(RoleName="predict", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        code_layer = client.publish_layer_version(
            LayerName="slipcast-domain", Content={"ZipFile": zip_of("python/x.py", "")}
        )["LayerVersionArn"]
        client.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.13",
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": zip_of("app.py", "def handler(event, context): ...")},
            Layers=[code_layer],
            Environment={"Variables": {"MODEL_PATH": "/opt/slipcast_model/model.json", "MODEL_SHA256": ""}},
        )
        first = client.publish_version(FunctionName=FUNCTION)["Version"]
        client.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=first)
        for function in (storage.client, releases.client):
            function.cache_clear()
        for name in ("abc", "def"):
            item = model(name)
            s3.put_object(Bucket="data", Key=item["layer_key"], Body=releases.layer_archive(name.encode()))
            storage.write_json(item["golden_uri"], GOLDEN)
        yield client
        for function in (storage.client, releases.client):
            function.cache_clear()


@pytest.fixture
def release(load_app, cloud, lambda_context):
    app = load_app("release", DATA_BUCKET="data", PREDICT_FUNCTION=FUNCTION, MODEL_LAYER_NAME="slipcast-model")

    def run(step: str, item: dict, version: str | None = None) -> dict:
        event = {"step": step, "model": item} | ({} if version is None else {"version": version})
        return app.handler(event, lambda_context)

    return run


@pytest.fixture
def answers(monkeypatch):
    """What a version answers, without running it."""
    state = {
        "/model": {"sha256": "1" * 64},
        "/predictions": {"predictions": [{"probability": 0.25}, {"probability": 0.5}]},
        "asked": [],
    }

    def ask(function, version, method, path, body):
        state["asked"].append((function, version, method, path, body))
        return state[path]

    monkeypatch.setattr(releases, "_ask", ask)
    return state


def versions(client) -> list[str]:
    return [item["Version"] for item in client.list_versions_by_function(FunctionName=FUNCTION)["Versions"]]


def alias(client) -> str:
    return client.get_alias(FunctionName=FUNCTION, Name="live")["FunctionVersion"]


def layer_names(client, version: str) -> list[str]:
    layers = client.get_function_configuration(FunctionName=FUNCTION, Qualifier=version)["Layers"]
    return [item["Arn"].split(":layer:")[1] for item in layers]


def test_a_layer_archive_is_the_same_for_the_same_model():
    archive = releases.layer_archive(b'{"trees": []}')

    assert archive == releases.layer_archive(b'{"trees": []}')
    assert archive != releases.layer_archive(b'{"trees": [1]}')
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.namelist() == ["slipcast_model/model.json"]
        assert opened.read("slipcast_model/model.json") == b'{"trees": []}'
        (entry,) = opened.infolist()
        # Lambda runs as another user: the file has to be readable by all.
        assert entry.external_attr >> 16 == 0o100644


def test_before_the_first_release_no_model_is_live(cloud):
    assert releases.live_model(FUNCTION) is None


def test_publish_pins_the_model_to_a_version(release, cloud):
    result = release("publish", model())

    assert result["version"] == "2"
    assert result["layer"].endswith(":layer:slipcast-model:1")
    configuration = cloud.get_function_configuration(FunctionName=FUNCTION, Qualifier="2")
    assert configuration["Environment"]["Variables"] == {
        "MODEL_PATH": "/opt/slipcast_model/model.json",
        "MODEL_SHA256": "1" * 64,
        "MODEL_ID": "abc",
        "MODEL_URI": "s3://data/models/abc/model.json",
        "MODEL_PROFILE_URI": "s3://data/models/abc/profile.json",
        "MODEL_DATASET_ID": "d-abc",
        "MODEL_TRAINED_AT": "2026-01-01T00:00:00+00:00",
        "MODEL_EXECUTION": "new-data-abc",
    }
    assert layer_names(cloud, "2") == ["slipcast-domain:1", "slipcast-model:1"]


def test_publish_leaves_the_alias_alone(release, cloud):
    release("publish", model())

    assert alias(cloud) == "1"
    assert releases.live_model(FUNCTION) is None


def test_a_repeated_publish_makes_no_second_version_and_no_second_layer(release, cloud):
    first = release("publish", model())

    assert release("publish", model()) == first
    assert versions(cloud) == ["$LATEST", "1", "2"]
    assert len(cloud.list_layer_versions(LayerName="slipcast-model")["LayerVersions"]) == 1


def test_the_next_model_replaces_the_layer_of_the_last_one(release, cloud):
    release("publish", model("abc", "1" * 64))
    second = release("publish", model("def", "2" * 64))

    assert second["version"] == "3"
    assert layer_names(cloud, "3") == ["slipcast-domain:1", "slipcast-model:2"]
    assert layer_names(cloud, "2") == ["slipcast-domain:1", "slipcast-model:1"]
    pinned = cloud.get_function_configuration(FunctionName=FUNCTION, Qualifier="2")["Environment"]["Variables"]
    assert pinned["MODEL_SHA256"] == "1" * 64


def test_a_model_that_returns_uses_its_old_layer(release, cloud):
    release("publish", model("abc", "1" * 64))
    release("publish", model("def", "2" * 64))
    again = release("publish", model("abc", "1" * 64))

    assert layer_names(cloud, again["version"]) == ["slipcast-domain:1", "slipcast-model:1"]
    assert len(cloud.list_layer_versions(LayerName="slipcast-model")["LayerVersions"]) == 2


def test_a_configuration_that_another_changed_meanwhile_is_not_overwritten(release, cloud):
    configuration = {"RevisionId": "seen", "Layers": [], "Environment": {"Variables": {}}}
    client = releases.client()
    with Stubber(client) as stub:
        stub.add_response(
            "list_layer_versions", {"LayerVersions": [{"Description": "1" * 64, "LayerVersionArn": LAYER}]}
        )
        stub.add_response("get_function_configuration", configuration)
        stub.add_client_error(
            "update_function_configuration",
            "PreconditionFailedException",
            expected_params={**{"FunctionName": FUNCTION, "Layers": [LAYER], "Environment": ANY, "RevisionId": "seen"}},
        )
        with pytest.raises(ClientError, match="PreconditionFailed"):
            release("publish", model())
        stub.assert_no_pending_responses()


def test_verify_asks_the_version_itself_for_model_and_known_answers(release, answers):
    assert release("verify", model(), "2") == {"version": "2", "compared": 2}

    assert answers["asked"] == [
        (FUNCTION, "2", "GET", "/model", None),
        (FUNCTION, "2", "POST", "/predictions", {"activities": GOLDEN["activities"]}),
    ]


def test_a_version_with_another_model_is_not_verified(release, answers):
    answers["/model"] = {"sha256": "2" * 64}

    with pytest.raises(releases.ReleaseError, match=f"version 2 holds the model {'2' * 64}, {'1' * 64} was published"):
        release("verify", model(), "2")


@pytest.mark.parametrize(("difference", "passes"), [(5e-10, True), (-5e-10, True), (2e-9, False), (-2e-9, False)])
def test_scores_may_differ_by_rounding_alone(release, answers, difference, passes):
    answers["/predictions"]["predictions"][1]["probability"] += difference

    if passes:
        assert release("verify", model(), "2")["compared"] == 2
    else:
        with pytest.raises(releases.ReleaseError, match=r"differs from scikit-learn by 2\.00e-09"):
            release("verify", model(), "2")


def test_an_answer_that_lacks_a_prediction_is_not_verified(release, answers):
    answers["/predictions"]["predictions"].pop()

    with pytest.raises(releases.ReleaseError, match="answered 1 of 2"):
        release("verify", model(), "2")


def test_an_answer_that_is_no_number_is_not_verified(release, answers):
    answers["/predictions"]["predictions"][1]["probability"] = float("nan")

    with pytest.raises(releases.ReleaseError, match="differs"):
        release("verify", model(), "2")


@pytest.mark.parametrize(
    ("answer", "payload"),
    [
        ({}, {"statusCode": 503, "body": "no model"}),
        ({"FunctionError": "Unhandled"}, {"errorMessage": "No module named slipcast"}),
        ({}, {}),
    ],
)
def test_a_version_that_does_not_answer_is_not_verified(release, monkeypatch, answer, payload):
    def invoke(**request):
        assert request["FunctionName"] == FUNCTION
        assert request["Qualifier"] == "2"
        event = json.loads(request["Payload"])
        assert event["requestContext"]["stage"] == "slipcast-verify"
        return answer | {"Payload": io.BytesIO(json.dumps(payload).encode())}

    monkeypatch.setattr(releases.client(), "invoke", invoke)

    with pytest.raises(releases.ReleaseError, match="version 2 answered GET /model with"):
        release("verify", model(), "2")


def test_promote_moves_the_alias_and_leaves_a_record_for_mlflow(release, cloud):
    version = release("publish", model())["version"]

    assert release("promote", model(), version) == {"version": "2", "previous": "1"}

    assert alias(cloud) == "2"
    assert releases.live_model(FUNCTION) == releases.LiveModel(
        version="2",
        model_id="abc",
        sha256="1" * 64,
        artefact_uri="s3://data/models/abc/model.json",
        profile_uri="s3://data/models/abc/profile.json",
        dataset_id="d-abc",
        trained_at="2026-01-01T00:00:00+00:00",
    )
    record = {"kind": "release", "execution": "new-data-abc", "version": "2", "previous": "1", "model_id": "abc"}
    assert list(outbox.pending("data")) == [("s3://data/tracking/pending/new-data-abc-2-release.json", record)]


def test_promote_ends_a_split_of_traffic(release, cloud):
    version = release("publish", model())["version"]
    cloud.update_alias(
        FunctionName=FUNCTION, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )

    release("promote", model(), version)

    routing = cloud.get_alias(FunctionName=FUNCTION, Name="live").get("RoutingConfig", {})
    assert routing.get("AdditionalVersionWeights", {}) == {}


def test_an_alias_that_another_release_moved_stays_where_it_is(release, cloud):
    with Stubber(releases.client()) as stub:
        stub.add_response("get_alias", {"FunctionVersion": "1", "RevisionId": "seen"})
        stub.add_client_error(
            "update_alias",
            "PreconditionFailedException",
            expected_params={
                "FunctionName": FUNCTION,
                "Name": "live",
                "FunctionVersion": "2",
                "RoutingConfig": {"AdditionalVersionWeights": {}},
                "RevisionId": "seen",
            },
        )
        with pytest.raises(releases.ReleaseError, match="another release moved the alias while version 2 was released"):
            release("promote", model(), "2")

    assert list(outbox.pending("data")) == []


def test_another_error_of_the_alias_is_told_as_it_is(release, cloud):
    with pytest.raises(ClientError, match="ResourceNotFound"):
        release("promote", model(), "9")

    assert alias(cloud) == "1"


def test_an_unknown_step_is_an_error(release):
    with pytest.raises(KeyError, match="roll"):
        release("roll", model())
