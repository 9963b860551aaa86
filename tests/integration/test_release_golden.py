"""A release asks its new version for forecasts too: what its layer holds has to be the model that was evaluated."""

import io
import json

import numpy as np
import pytest

from conftest import LambdaContext
from slipcast.evaluation.golden import golden, requests
from slipcast.model import scorer
from slipcast.model.artifact import digest
from slipcast_aws.release import versions
from support.forecast_models import forecast_json, with_forecast
from support.predict_api import artifact, environment
from support.search_records import labelled_rows


@pytest.fixture
def release(load_app, tmp_path, monkeypatch, aws_environment):
    """Verify a version whose layer holds `stored` as its forecast."""
    raw = with_forecast(artifact())
    table = labelled_rows(25)
    p = np.array(scorer.load(raw, digest(raw)).predict_proba(requests(table)))
    known = json.loads(json.dumps(golden(table, p, raw, forecast_json())))

    def verify(stored: bytes | None, pinned: bytes | None = None) -> int:
        model = raw
        if pinned is not None:
            document = json.loads(raw)
            document["metadata"]["forecast"]["sha256"] = digest(pinned)
            model = json.dumps(document).encode()
        (tmp_path / "model.json").write_bytes(model)
        if stored is not None:
            (tmp_path / "forecast.json").write_bytes(stored)
        variables = {"MODEL_PATH": str(tmp_path / "model.json"), "MODEL_SHA256": digest(model)}
        app = load_app("predict.app", **environment(tmp_path) | variables)

        def invoke(**request):
            answer = app.handler(json.loads(request["Payload"]), LambdaContext())
            return {"Payload": io.BytesIO(json.dumps(answer).encode())}

        monkeypatch.setattr(versions.client(), "invoke", invoke)
        return versions.verify(function="predict", version="2", sha256=digest(model), golden=known)

    yield verify
    versions.client.cache_clear()


def test_predictions_and_forecasts_are_those_that_evaluate_knows(release):
    assert release(forecast_json()) == 40


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_a_damaged_forecast_is_noticed_before_the_version_gets_requests(release, damage):
    stored = {"gone": None, "cut": forecast_json()[:-1], "flipped": forecast_json().replace(b"5", b"7", 1)}[damage]

    with pytest.raises(versions.ReleaseError, match=r"version 2 answered POST /forecasts with .*could not be read"):
        release(stored)


def test_a_forecast_that_is_another_one_is_noticed(release):
    document = json.loads(forecast_json())
    document["blend"] = {name: weight + 1e-6 for name, weight in document["blend"].items()}
    other = json.dumps(document).encode()

    with pytest.raises(versions.ReleaseError, match="version 2 differs in the known forecast 0: probability_late is"):
        release(other, pinned=other)
