"""The predict function as the stack makes it, what evaluate says of a model, and Lambda where moto is not like AWS."""

import hashlib
import io
import json
import uuid
import zipfile
from typing import Any

import boto3
import pytest
from moto.awslambda.exceptions import PreconditionFailedException
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.awslambda.responses import LambdaResponse

from conftest import LambdaContext
from slipcast_aws import storage
from slipcast_aws.release import versions

FUNCTION = "slipcast-predict"
SETTINGS = {
    **{"DATA_BUCKET": "data", "PREDICT_FUNCTION": FUNCTION, "MODEL_LAYER_NAME": "slipcast-model"},
    **{"CONTROL_TABLE": "control", "SHADOW_REQUESTS": "20", "CANARY_STEPS": "10,50", "CANARY_MIN_REQUESTS": "4"},
    **{"CANARY_MIN_MINUTES": "0", "CANARY_MAX_MINUTES": "1", "CANARY_MAX_ERROR_RATE": "0.01", "KEEP_VERSIONS": "2"},
    **{"MAX_LATENCY_RATIO": "1.5", "MAX_SCORE_SHIFT": "0.25", "CANARY_MAX_SCORE_SHIFT": "0.1"},
    **{"PREDICT_MEMORY_MB": "1024", "SCIKIT_LEARN_MEMORY_MB": "1769", "SNAP_START": "auto"},
    "SCIKIT_LEARN_LAYER": "arn:aws:lambda:us-east-1:123456789012:layer:slipcast-training:7",
}
GOLDEN = {"activities": [{"activity_id": "A1"}, {"activity_id": "A2"}], "scores": [0.25, 0.5]}


class ReleaseContext(LambdaContext):
    """The release function has ten minutes."""

    def get_remaining_time_in_millis(self) -> int:
        return 600_000


def model(name: str = "abc", sha256: str = "1" * 64) -> dict[str, Any]:
    """Return what evaluate says of a model."""
    prefix = f"s3://data/models/{name}"
    return {
        **{"model_id": name, "family": "decision_tree", "sha256": sha256, "dataset_id": f"d-{name}"},
        **{"artefact_uri": f"{prefix}/model.json", "profile_uri": f"{prefix}/profile.json"},
        **{"golden_uri": f"{prefix}/golden.json", "layer_key": f"models/{name}/layer.zip"},
        **{"trained_at": "2026-01-01T00:00:00+00:00", "execution": f"new-data-{name}"},
    }


def zip_of(name: str, text: str) -> bytes:
    """Return a zip file with one text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def behave_as_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add what moto leaves out: revision ids, SnapStart, and that writing what is there already changes nothing."""
    described, updated = LambdaFunction.get_configuration, LambdaFunction.update_configuration
    aliased, update_alias = LambdaBackend.update_alias, LambdaResponse.update_alias

    def get_configuration(self, on_create=False):
        document = described(self, on_create) | {"SnapStart": getattr(self, "snap_start", {"ApplyOn": "None"})}
        kept = [document[name] for name in ("Version", "Layers", "MemorySize", "SnapStart")]
        state = json.dumps([*kept, document.get("Environment")], sort_keys=True)
        return document | {"RevisionId": hashlib.sha256(state.encode()).hexdigest()[:32]}

    def update_configuration(self, changes):
        before = self.get_configuration()
        if changes.pop("RevisionId") != before["RevisionId"]:
            raise PreconditionFailedException("The RevisionId provided does not match the latest one")
        pending = self.code_or_config_updated
        self.snap_start = changes.get("SnapStart", before["SnapStart"])
        updated(self, changes)
        self.code_or_config_updated = pending or self.get_configuration() != before
        return self.get_configuration()

    def update_alias_if_unchanged(self):
        expected = json.loads(self.body).get("RevisionId")
        function, name = self.path.rsplit("/")[-3], self.path.rsplit("/", 2)[-1]
        found = self.backend.get_alias(name=name, function_name=function)
        if expected not in (None, found.revision_id):
            raise PreconditionFailedException("The RevisionId provided does not match the latest one")
        return update_alias(self)

    def with_a_new_revision(self, *arguments, **named):
        alias = aliased(self, *arguments, **named)
        alias.revision_id = str(uuid.uuid4())
        return alias

    monkeypatch.setattr(LambdaFunction, "get_configuration", get_configuration)
    monkeypatch.setattr(LambdaFunction, "update_configuration", update_configuration)
    monkeypatch.setattr(LambdaResponse, "update_alias", update_alias_if_unchanged)
    monkeypatch.setattr(LambdaBackend, "update_alias", with_a_new_revision)


def make_function() -> None:
    """Make the predict function with a code layer, its first version, and the alias at that one."""
    client = boto3.client("lambda")
    role = boto3.client("iam").create_role(RoleName="predict", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code_layer = client.publish_layer_version(
        LayerName="slipcast-domain", Content={"ZipFile": zip_of("python/x.py", "")}
    )["LayerVersionArn"]
    client.create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        MemorySize=1024,
        Code={"ZipFile": zip_of("app.py", "def handler(event, context): ...")},
        Layers=[code_layer],
        Environment={"Variables": {"MODEL_PATH": "/opt/slipcast_model/model.json", "MODEL_SHA256": ""}},
    )
    first = client.publish_version(FunctionName=FUNCTION)["Version"]
    client.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion=first)


def leave_models(*names: str) -> None:
    """Leave layer archive and golden answers of models, as evaluate does; the bucket is there."""
    for name in names:
        item = model(name)
        storage.write_bytes(f"s3://data/{item['layer_key']}", versions.layer_archive(name.encode()))
        storage.write_json(item["golden_uri"], GOLDEN)
