"""One byte of a released artifact is another one: the version refuses it and says so, and the old model stays live."""

import io
import json
import zipfile

import pytest

from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast_aws import storage
from slipcast_aws.release import versions
from support.release_records import SETTINGS, ReleaseContext, model
from tests.integration.test_predict_function import ACTIVITY, trained  # noqa: F401
from tests.integration.test_release_function import alias, cloud  # noqa: F401


@pytest.fixture
def released(trained, cloud):  # noqa: F811
    """What evaluate leaves of a real model: its artifact and golden answers."""
    _, path, sha256, _ = trained
    raw = path.read_bytes()
    loaded = scorer.load(raw, sha256)
    scores = loaded.score([loaded.features(ACTIVITY)])
    item = model("abc", sha256)
    storage.write_bytes(item["artefact_uri"], raw)
    storage.write_json(item["golden_uri"], {"activities": [ACTIVITY], "scores": list(scores)})
    return item, raw


@pytest.fixture
def lambda_runs(load_app, lambda_context, cloud, monkeypatch, tmp_path):  # noqa: F811
    """Lambda runs a version: with the variables of its configuration and the layer that was published for it."""

    def invoke(*, FunctionName, Qualifier, Payload):
        configuration = cloud.get_function_configuration(FunctionName=FunctionName, Qualifier=Qualifier)
        layer = storage.read_bytes("s3://data/models/abc/layer.zip")
        zipfile.ZipFile(io.BytesIO(layer)).extractall(tmp_path)
        variables = configuration["Environment"]["Variables"] | {
            "MODEL_PATH": str(tmp_path / versions.MODEL_FILE),
            "AWS_LAMBDA_FUNCTION_VERSION": configuration["Version"],
        }
        answer = load_app("predict.app", **variables).handler(json.loads(Payload), lambda_context)
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    monkeypatch.setattr(versions.client(), "invoke", invoke)


@pytest.fixture
def release(load_app, cloud):  # noqa: F811
    app = load_app("release", **SETTINGS)
    return lambda step, item, **more: app.handler({"step": step, "model": item, **more}, ReleaseContext())


def test_an_artifact_as_it_was_written_is_verified(release, released, lambda_runs):
    item, raw = released
    storage.write_bytes(f"s3://data/{item['layer_key']}", versions.layer_archive(raw))

    version = release("publish", item)["version"]

    assert release("verify", item, version=version)["compared"] == 1


@pytest.mark.parametrize("place", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.fault(
    "release",
    "the artifact in a layer",
    "one byte is flipped, at five places",
    "the version is refused and counted, the alias stays",
)
def test_a_flipped_byte_is_refused_counted_and_never_live(release, released, lambda_runs, cloud, capsys, place):  # noqa: F811
    item, raw = released
    flipped = bytearray(raw)
    flipped[int(place * (len(raw) - 1))] ^= 1
    storage.write_bytes(f"s3://data/{item['layer_key']}", versions.layer_archive(bytes(flipped)))
    before = alias(cloud)

    version = release("publish", item)["version"]
    with pytest.raises(versions.ReleaseError, match=f"version {version} answered GET /model") as refused:
        release("verify", item, version=version)

    assert alias(cloud) == before
    # What the alarm on model loading counts.
    assert '"ModelLoadFailed":[1.0]' in capsys.readouterr().out.replace(" ", "")
    assert digest(bytes(flipped)) not in str(refused.value)


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
@pytest.mark.fault(
    "release",
    "the live artifact in the bucket",
    "one byte is flipped",
    "it is not used: nothing is scored or compared with it",
)
def test_a_champion_with_a_flipped_byte_scores_nothing(released, place):
    item, raw = released
    flipped = bytearray(raw)
    flipped[int(place * (len(raw) - 1))] ^= 1
    storage.write_bytes(item["artefact_uri"], bytes(flipped))

    # How evaluate and score read it.
    with pytest.raises(storage.DigestMismatchError, match="it is not used"):
        storage.read_bytes(item["artefact_uri"], sha256=item["sha256"])
