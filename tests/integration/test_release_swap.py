"""Releases under load, with our real functions on the emulator: good, bad in each way, stopped by the replay."""

from collections import Counter

import pytest

from local.cloud import LocalCloud
from local.load import Load
from slipcast.features.point_in_time import HISTORY
from slipcast.features.row import CATEGORICAL
from support.release_site import Site
from support.release_trials import Trials
from support.serving_cases import feature_frame, records

# Minutes of waiting for requests; tests/e2e/test_swap.py releases under load with each change.
pytestmark = pytest.mark.slow
RATE = 30


def activities() -> list[dict]:
    """Return activities that look like what the model was fitted to."""
    found = []
    for number, row in enumerate(records(feature_frame(40, seed=3))):
        found.append(
            {
                **{"activity_id": f"A{number}", "start": "2026-01-05", "data_date": "2026-01-04"},
                "baseline_duration_days": abs(row["baseline_duration_days"] or 0.0) + 1.0,
                **{name: row[name] for name in CATEGORICAL},
                "history": {name: row[name] for name in HISTORY if row[name] is not None},
            }
        )
    return found


ACTIVITIES = activities()


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), say=lambda _: None)
    cloud.start_emulator()
    site = Site(cloud)
    trials = Trials(site.stack)
    outcome = site.stack.finish(trials.release(site.first_model(ACTIVITIES)))
    assert (outcome["output"] or {}).get("outcome") == "released", outcome
    yield trials
    assert cloud.down() == ["emulator"]


@pytest.fixture
def settings(trials):
    """A changer of the release function's settings; they are put back afterwards."""
    before = trials.settings()
    yield trials.settings
    trials.settings(**before)


def whole(trials, answer) -> bool:
    """Return whether an answer is of one model: the one that it names."""
    version = answer.version
    return (
        answer.body["model"]["model_id"] == trials.pinned(version)["MODEL_ID"]
        and answer.body["predictions"][0]["probability"] == trials.scores(version, ACTIVITIES)[answer.activity]
    )


def without_ids(trials) -> list:
    status, body, _ = trials.stack.ask("/predictions", {"activities": ACTIVITIES})
    assert status == 200
    return [body["model"], [item | {"prediction_id": ""} for item in body["predictions"]]]


@pytest.mark.fault(
    "release",
    "requests during a release",
    "the version is swapped under load",
    "none fails, each answer is wholly of one model",
)
def test_a_good_release_loses_nothing_and_each_answer_is_of_one_model(trials, settings):
    # How fast two equal versions are depends on what else the machine does.
    settings(CANARY_STEPS="30,60", CANARY_MIN_REQUESTS="40", MAX_LATENCY_RATIO="20")
    old = trials.stack.live_version()
    with Load(trials.stack, ACTIVITIES, RATE) as load:
        outcome = trials.stack.finish(trials.release(trials.model("better", shift=-0.3)))
    new = trials.stack.live_version()

    assert (outcome["output"] or {}).get("outcome") == "released", outcome
    assert outcome["output"]["version"] == new != old
    assert trials.weights() == {}
    assert load.broken == []
    assert Counter(answer.status for answer in load.answers) == {200: len(load.answers)}
    assert {answer.version for answer in load.answers} == {old, new}
    assert all(whole(trials, answer) for answer in load.answers)


BAD = {
    "failing": ({"harm": "failing"}, "failed"),
    "crashing": ({"harm": "crashing"}, "failed"),
    "slow": ({"harm": "slow"}, "median of"),
    "shifted": ({"shift": 3.0}, "mean score"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.fault(
    "release",
    "the new version under load",
    "it fails, dies, is slow, or scores otherwise",
    "rolled back by itself, the old answers are the same",
)
def test_a_bad_canary_is_rolled_back_by_itself_and_the_old_answers_are_the_same(trials, settings, kind):
    # Without a replay, which would have found each of them out before.
    settings(SHADOW_REQUESTS="0", CANARY_MIN_REQUESTS="300")
    how, reason = BAD[kind]
    old, before = trials.stack.live_version(), without_ids(trials)
    with Load(trials.stack, ACTIVITIES, RATE) as load:
        outcome = trials.stack.finish(trials.release(trials.model(kind, **how)))

    assert (outcome["output"] or {}).get("outcome") == "rolled_back", outcome
    assert reason in outcome["output"]["why"]
    assert (trials.stack.live_version(), trials.weights()) == (old, {})
    assert without_ids(trials) == before
    answered = [answer for answer in load.answers if answer.status == 200]
    # One that fails may be gone before it has answered anybody.
    assert {old} <= {answer.version for answer in answered} <= {old, outcome["output"]["version"]}
    assert all(whole(trials, answer) for answer in answered)
    # Only what the bad version was asked may have failed.
    assert len(answered) == len(load.answers) or how.get("harm") in ("failing", "crashing")


@pytest.mark.fault("release", "the new version in the replay", "it fails", "it gets no traffic")
def test_the_replay_stops_what_is_bad_before_any_traffic(trials):
    old = trials.stack.live_version()
    with Load(trials.stack, ACTIVITIES, 10, connections=2) as load:
        outcome = trials.stack.finish(trials.release(trials.model("stopped", harm="failing")))

    assert (outcome["output"] or {}).get("outcome") == "rolled_back", outcome
    assert "of 20 requests that the live version answers failed" in outcome["output"]["why"]
    assert {answer.version for answer in load.answers} == {old}
    assert trials.stack.live_version() == old
