"""A release of the real template under load: nothing is lost, no deploy moves it. The tests build on each other.

Bad canaries of each kind are rolled back in tests/integration/test_release_swap.py.
"""

import math
from collections import Counter

import pytest
from mlflow.tracking import MlflowClient

from local.demo import OLDER, read_example, requests
from local.load import Load
from local.watch import until
from support.release_trials import Trials

pytestmark = pytest.mark.e2e
RATE = 40


@pytest.fixture(scope="module")
def activities() -> list[dict]:
    # With their history, so that answers do not depend on what the feature store has learnt.
    return [item | {"history": {}} for item in requests(read_example(OLDER).head(40))]


@pytest.fixture(scope="module")
def trials(released) -> Trials:
    return Trials(released)


@pytest.fixture
def settings(trials):
    """A changer of the release function's settings; they are put back afterwards."""
    before = trials.settings()
    yield trials.settings
    trials.settings(**before)


def release_of(trials, stack) -> str:
    """Return the key of the record of the live model's release."""
    return f"reports/{trials.pinned(stack.live_version())['MODEL_EXECUTION']}/release.json"


def assert_each_from_one_model(trials, load, activities) -> Counter:
    """Check that no request failed and that each answer is wholly of the model that it names."""
    assert load.broken == []
    assert Counter(answer.status for answer in load.answers) == {200: len(load.answers)}
    expected = {}
    for answer in load.answers:
        version = answer.version
        if version not in expected:
            expected[version] = (trials.pinned(version)["MODEL_ID"], trials.scores(version, activities))
        model_id, scores = expected[version]
        assert answer.body["model"]["model_id"] == model_id
        assert answer.body["predictions"][0]["probability"] == scores[answer.activity]
    return Counter(answer.version for answer in load.answers)


def test_a_release_under_load_loses_no_request_and_each_answer_is_of_one_model(trials, stack, activities, settings):
    # How fast two equal versions are depends on what else the machine does: slow versions have tests of their own.
    settings(MAX_LATENCY_RATIO="20", SHADOW_REQUESTS="20")
    settings(CANARY_STEPS="20,50", CANARY_MIN_REQUESTS="60", CANARY_MAX_MINUTES="2")
    old = stack.live_version()
    with Load(stack, activities, RATE) as load:
        execution = trials.release(trials.model("better", shift=-0.2))
        seen, spans = [], []
        for state in stack.states_passed(execution):
            seen.append(state)
            spans.append((load.now(), state, dict(trials.weights())))
        outcome = stack.outcome(execution)
    new = stack.live_version()

    assert outcome["output"]["outcome"] == "released", outcome["output"]
    assert outcome["output"]["version"] == new != old
    assert [state for state in seen if state in ("ShadowReplay", "SetWeight", "Promote")] == [
        *("ShadowReplay", "SetWeight", "SetWeight", "Promote")
    ]
    assert trials.weights() == {}
    counts = assert_each_from_one_model(trials, load, activities)
    assert set(counts) == {old, new}
    record = stack.document(release_of(trials, stack))
    assert (record["outcome"], record["previous"], record["version"]) == ("released", old, new)
    assert record["shadow"]["requests"] == 20
    assert record["shadow"]["shift"] < 0
    for step, percent in (("0", 20), ("1", 50)):
        found = record["steps"][step]["numbers"]
        ours, theirs = found["new"]["requests"], found["live"]["requests"]
        assert ours >= 60
        # Five standard deviations of a binomial share: once in two million runs by chance.
        share, n = percent / 100, ours + theirs
        assert abs(ours / n - share) <= 5 * math.sqrt(share * (1 - share) / n) + 1 / n


@pytest.mark.slow
def test_a_deploy_during_a_canary_moves_nothing(trials, stack, cloud):
    live = stack.live_version()
    found = stack.lambdas.get_alias(FunctionName=trials.function, Name="live")
    older = str(int(live) - 1)
    stack.lambdas.update_alias(
        FunctionName=trials.function, Name="live", RoutingConfig={"AdditionalVersionWeights": {older: 0.25}}
    )
    moved = stack.lambdas.get_alias(FunctionName=trials.function, Name="live")

    cloud.redeploy()

    after = stack.lambdas.get_alias(FunctionName=trials.function, Name="live")
    assert after == moved | {"ResponseMetadata": after["ResponseMetadata"]}
    assert after["FunctionVersion"] == found["FunctionVersion"] == live
    stack.lambdas.update_alias(
        FunctionName=trials.function, Name="live", RoutingConfig={"AdditionalVersionWeights": {}}
    )


def test_a_rollback_by_hand_goes_to_the_version_before_and_only_once_more_if_there_is_one(trials, stack, activities):
    new, before = stack.live_version(), stack.document(release_of(trials, stack))["previous"]
    with Load(stack, activities, RATE / 2, connections=4) as load:
        said = stack.run("rollback", "--by", "Ann")
        until(
            lambda: stack.predict(activities[:1])["model"]["version"] == before or None, seconds=180, what="old answer"
        )

    assert f"version {before}" in said
    assert f"instead of version {new}, by Ann" in said
    assert stack.live_version() == before
    assert set(assert_each_from_one_model(trials, load, activities)) <= {before, new}
    said = stack.run("promote", new)
    assert f"version {new}" in said
    assert stack.live_version() == new


def test_a_model_that_the_replay_finds_out_gets_no_traffic_and_mlflow_knows_why(trials, stack, activities, monkeypatch):
    old = stack.live_version()
    with Load(stack, activities, 10, connections=2) as load:
        outcome = stack.finish(trials.release(trials.model("stopped", shift=3.0)))

    assert outcome["output"]["outcome"] == "rolled_back", outcome["output"]
    assert "logged requests replayed: mean score" in outcome["output"]["why"]
    assert {answer.version for answer in load.answers} == {old}
    assert stack.live_version() == old
    monkeypatch.setenv("MLFLOW_TRACKING_URI", stack.env["MLFLOW_TRACKING_URI"])
    tagged = MlflowClient(stack.env["MLFLOW_TRACKING_URI"]).get_model_version_by_alias("slipcast", "champion").tags
    assert tagged["slipcast.release"] == "rolled_back"
    assert tagged["slipcast.release_reason"] == outcome["output"]["why"]
