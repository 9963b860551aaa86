"""Versions that start from a snapshot: the hooks run as the Lambda runtime runs them."""

import importlib
import random
import sys

import numpy as np
import pytest
import snapshot_restore_py
from awslambdaric import lambda_runtime_hooks_runner as runtime

from slipcast_aws.serving import feature_store
from tests.integration.test_predict_entry import event
from tests.integration.test_predict_function import ACTIVITY, environment, trained  # noqa: F401 - a fixture


@pytest.fixture
def start(load_app, trained, monkeypatch):  # noqa: F811
    """A function that starts the prediction function, as a version with a snapshot or not; no hook outlives a test."""
    for registry in (snapshot_restore_py._before_snapshot_registry, snapshot_restore_py._after_restore_registry):
        monkeypatch.setattr(f"snapshot_restore_py.{_name(registry)}", [])
    monkeypatch.delitem(sys.modules, "predict.app", raising=False)

    def run(kind: str):
        load_app("predict", **environment(*trained[1:3]), AWS_LAMBDA_INITIALIZATION_TYPE=kind)
        return importlib.import_module("predict.app")

    yield run
    sys.modules.pop("predict.app", None)


def _name(registry) -> str:
    return next(name for name, value in vars(snapshot_restore_py).items() if value is registry)


def test_before_the_snapshot_everything_is_loaded(start):
    start("snap-start")
    assert "predict.registry" not in sys.modules
    runtime.run_before_snapshot()

    assert {"predict.registry", "predict.api.idempotency"} <= sys.modules.keys()


def test_after_the_restore_nothing_of_another_environment_is_left(start, lambda_context, monkeypatch, aws_environment):
    fast = start("snap-start")
    fast.handler(event(ACTIVITY), lambda_context)
    batches, log = (
        importlib.import_module("predict.serving.offload"),
        importlib.import_module("predict.serving.log_writer"),
    )
    clients = feature_store.client(), batches.client()
    monkeypatch.setitem(feature_store._cache, ("features", "portfolio"), (float("inf"), None))
    random.seed(1)
    np.random.seed(1)
    in_snapshot = random.random(), np.random.random()

    def restored() -> tuple[float, float]:
        random.seed(1)
        np.random.seed(1)
        runtime.run_after_restore()
        return random.random(), np.random.random()

    first, second = restored(), restored()

    assert len({in_snapshot[0], first[0], second[0]}) == len({in_snapshot[1], first[1], second[1]}) == 3
    assert feature_store.client() is not clients[0]
    assert batches.client() is not clients[1]
    assert not feature_store._cache
    assert log._Request.cold
    assert fast.handler(event(ACTIVITY), lambda_context)["statusCode"] == 200


def test_without_a_snapshot_no_hook_is_registered(start):
    start("on-demand")

    assert "predict.snapstart" not in sys.modules
    assert snapshot_restore_py._after_restore_registry == []


def test_a_runtime_without_hooks_is_fine(start, monkeypatch):
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)

    assert start("snap-start").serving.loaded is not None
