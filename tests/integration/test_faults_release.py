"""Each step of a release, each call to AWS, each fault; and two releases that race at each call."""

import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from faults import worlds
from faults.explore import Scenario, world
from faults.injector import Fault
from faults.table import TRIED
from slipcast.features.activity import AHEAD_OF_ALL
from slipcast.features.row import feature_row
from slipcast_aws import storage
from slipcast_aws.release import traffic, versions
from slipcast_aws.tracking import outbox
from slipcast_cli import switch
from support.release_records import (
    FUNCTION,
    GOLDEN,
    SETTINGS,
    ReleaseContext,
    behave_as_aws,
    leave_models,
    make_function,
    model,
)

FIRST, SECOND, THIRD = model(), model("def", "2" * 64), model("ghi", "3" * 64)
GIVEN = {"previous": "2", "index": 0, "notes": [], "why": "better", "canary": True, "outcome": "failed"}


class Stage:
    """The release function beside a live model: version 2; `SECOND` is published as version 3."""

    def __init__(self, app: Any, context: Any) -> None:
        self.app, self.context = app, context

    def step(self, step: str, item: dict[str, Any] = SECOND, version: str = "3", **more: Any) -> dict[str, Any]:
        return self.app.handler({"step": step, "model": item, "version": version, **GIVEN, **more}, self.context)

    def build(self, *steps: str) -> None:
        """Fill an empty AWS and carry out `steps` of the release of `SECOND`."""
        worlds.bucket()
        worlds.control_table()
        make_function()
        leave_models("abc", "def", "ghi")
        self.step("publish", FIRST)
        self.step("promote", FIRST, "2", previous="1", canary=False)
        log(6)
        for step in steps:
            self.step(step)

    def scenario(self, step: str, *before: str, then: Callable[[], Any] = lambda: None, **more: Any) -> Scenario:
        """Return what harms `step` of the release of `SECOND`."""

        def arrange() -> Callable[[], dict[str, Any]]:
            self.build(*before)
            then()
            return lambda: self.step(step, **more)

        # Golden answers and the record of the release have no digest anywhere.
        return Scenario(
            f"release, {step}",
            arrange,
            unchecked=("models/", "reports/", "prediction-log/"),
            forget=(self.app.replay.evidence.client.cache_clear,),
            stand_ins={"lambda:Invoke": answered},
        )


def answered(request: dict[str, Any]) -> dict[str, Any]:
    """Answer for a version of the predict function, by the model that it is pinned to."""
    event = json.loads(request["Payload"])
    if "path" not in event:
        # A person's switch asks the track function.
        return {}
    found = versions.model_of(FUNCTION, request["Qualifier"])
    if event["path"] == "/model":
        body = {"sha256": found.sha256}
    else:
        asked = json.loads(event["body"])["activities"]
        golden = [{**item, **AHEAD_OF_ALL} for item in GOLDEN["activities"]]
        scores = GOLDEN["scores"] if asked == golden else [0.4] * len(asked)
        body = {"predictions": [{"probability": score} for score in scores]}
    answer = {"statusCode": 200, "body": json.dumps(body), "multiValueHeaders": {"Server-Timing": ["app;dur=4.0"]}}
    return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def log(requests: int) -> None:
    """Leave answered requests of both versions in the log of now."""
    now = datetime.now(UTC)
    head = {"at": now.isoformat(timespec="milliseconds"), "model_id": "abc", "activity_id": "A1", "ms": 4.0}
    head |= {"score": 0.4, "features": feature_row({"baseline_duration_days": 30})}
    rows = [
        {
            "request_id": f"{version}-{number}",
            "prediction_id": f"{version}-{number}:0",
            "model_version": version,
            **head,
        }
        for version in ("2", "3")
        for number in range(requests)
    ]
    key = f"prediction-log/{now:dt=%Y-%m-%d/hour=%H}/one.jsonl.gz"
    body = gzip.compress("\n".join(map(json.dumps, rows)).encode())
    boto3.client("s3").put_object(Bucket="data", Key=key, Body=body)


@pytest.fixture
def stage(load_app, monkeypatch) -> Stage:
    behave_as_aws(monkeypatch)
    return Stage(load_app("release", **SETTINGS | {"SHADOW_REQUESTS": "2", "KEEP_VERSIONS": "1"}), ReleaseContext())


@pytest.fixture
def publish(stage):
    return stage.scenario("publish")


@pytest.fixture
def verify(stage):
    return stage.scenario("verify", "publish")


@pytest.fixture
def shadow(stage):
    return stage.scenario("shadow", "publish")


@pytest.fixture
def weigh(stage):
    return stage.scenario("weigh", "publish")


@pytest.fixture
def weigh_more(stage):
    return stage.scenario("weigh", "publish", "weigh", index=1)


@pytest.fixture
def judge(stage):
    begun = {"index": 0, "started_at": f"{datetime.now(UTC):%Y-%m-%dT00:00:00+00:00}", "notes": []}
    return stage.scenario("judge", "publish", "weigh", canary=begun)


@pytest.fixture
def promote(stage):
    return stage.scenario("promote", "publish", "weigh")


@pytest.fixture
def roll_back(stage):
    return stage.scenario("roll_back", "publish", "weigh")


@pytest.fixture
def prune(stage):
    """Four versions with models, of which the live one and the one before it are kept."""

    def more() -> None:
        stage.step("publish", THIRD)
        stage.step("promote", THIRD, "4", canary=False, previous="3")

    return stage.scenario("prune", "publish", "weigh", "promote", then=more)


CALLS = "one of its calls to AWS"
SAME = "the old model or the new one answers all that it should; the step again leads to the same end"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("publish", marks=pytest.mark.fault("release", "publish: layer, settings, version", CALLS, SAME)),
        pytest.param("verify", marks=pytest.mark.fault("release", "verify: known answers", CALLS, SAME)),
        pytest.param("shadow", marks=pytest.mark.fault("release", "shadow: the replay", CALLS, SAME)),
        pytest.param("weigh", marks=pytest.mark.fault("release", "weigh: the first weight", CALLS, SAME)),
        pytest.param("weigh_more", marks=pytest.mark.fault("release", "weigh: a larger weight", CALLS, SAME)),
        pytest.param("judge", marks=pytest.mark.fault("release", "judge: the look at a canary", CALLS, SAME)),
        pytest.param("promote", marks=pytest.mark.fault("release", "promote: the alias", CALLS, SAME)),
        pytest.param("roll_back", marks=pytest.mark.fault("release", "roll back: the alias", CALLS, SAME)),
        pytest.param("prune", marks=pytest.mark.fault("release", "prune: old versions", CALLS, SAME)),
    ],
)
def test_after_any_fault_the_same_step_leads_to_the_same_end(name, assert_survives, request):
    assert_survives(request.getfixturevalue(name))


# --- Races ------------------------------------------------------------------------------------------------------------

PLACE = switch.Place(FUNCTION, "data", "control", "arn:aws:sns:us-east-1:123456789012:slipcast", "slipcast-track")


class Race:
    """The release of `SECOND` (version 3), and at one of its calls somebody else who does all of their own at once."""

    def __init__(self, stage: Stage, injector: Any, permissions: Any) -> None:
        self.stage, self.injector, self.permissions = stage, injector, permissions
        self.tried = 0

    def run(self, step: str, before: tuple[str, ...], other: Callable[[], Any], check: Callable[[Any], None]) -> int:
        """Let `other` come in between at each call of `step`; `check` gets what the step gave, or None."""
        scenario = self.stage.scenario(step, *before, then=self._others_model)
        with world(self.injector, scenario) as run:
            self.injector.watch()
            run()
            calls = len(self.injector.calls)
        for number in range(calls):
            with world(self.injector, scenario) as run:
                self.injector.watch(number, Fault.OVERTAKEN, lambda: self._other(other))
                try:
                    result = run()
                except (versions.ReleaseError, versions.client().exceptions.PreconditionFailedException):
                    result = None
                self.injector.reset()
                if result is None:
                    # What the state machine does then.
                    self.stage.step("roll_back")
                check(result)
        return calls

    def _others_model(self) -> None:
        boto3.client("sns").create_topic(Name="slipcast")
        self.stage.step("publish", THIRD)

    def _other(self, other: Callable[[], Any]) -> None:
        with self.permissions.others():
            other()


@pytest.fixture
def race(stage, injector, permissions) -> Race:
    return Race(stage, injector, permissions)


def outcome_of(item: dict[str, Any]) -> str | None:
    uri = f"s3://data/reports/{item['execution']}/release.json"
    return storage.read_json(uri).get("outcome") if storage.exists(uri) else None


def told(kind: str) -> list[str]:
    found = [record["execution"] for _, record in outbox.pending("data") if record["kind"] == kind]
    return [execution for execution in found if execution != FIRST["execution"]]


WINNER = "one of them is live and has no weight next to it, the other is notified and recorded as failed"


@pytest.mark.fault("release", "promote, at each of its calls", "another release promotes its version", WINNER)
def test_of_two_releases_that_race_one_is_live_and_the_other_knows(race, stage, record_property):
    seen = set()

    def other() -> None:
        try:
            stage.step("promote", THIRD, "4", canary=False)
        except traffic.MovedError:
            stage.step("roll_back", THIRD, "4")

    def check(result: Any) -> None:
        now = traffic.current(FUNCTION)
        winner, loser = (SECOND, THIRD) if result else (THIRD, SECOND)
        assert (now.version, now.weights) == ("3" if result else "4", {})
        assert versions.live_model(FUNCTION).sha256 == winner["sha256"]
        assert (outcome_of(winner), outcome_of(loser)) == ("released", "failed")
        assert (told("release"), told("rollback")) == ([winner["execution"]], [loser["execution"]])
        seen.add(now.version)

    record_property(TRIED, race.run("promote", ("publish", "weigh"), other, check))
    assert seen == {"3", "4"}


@pytest.mark.fault("release", "weigh, at each of its calls", "another release promotes its version", WINNER)
def test_a_canary_that_another_release_overtakes_gets_no_traffic(race, stage, record_property):
    def check(result: Any) -> None:
        now = traffic.current(FUNCTION)
        assert (now.version, now.weights) == ("4", {})
        assert outcome_of(THIRD) == "released"
        if result:
            # The other came after the weight was given: the next look finds out.
            begun = {"index": 0, "started_at": datetime.now(UTC).isoformat(), "notes": []}
            assert stage.step("judge", canary=begun)["action"] == "roll_back"

    tried = race.run("weigh", ("publish",), lambda: stage.step("promote", THIRD, "4", canary=False), check)
    record_property(TRIED, tried)


@pytest.mark.fault(
    "release",
    "promote, at each of its calls",
    "a person goes back to the version before",
    "the hand counts: a canary that it ended is not promoted, a version that it took back is not live",
)
def test_a_hand_wins_against_a_release(race, record_property):
    def check(result: Any) -> None:
        now = traffic.current(FUNCTION)
        # After the promotion the hand went back to version 2; before it, it ended the canary beside version 2.
        assert (now.version, now.weights) == ("2", {})
        assert versions.live_model(FUNCTION).sha256 == FIRST["sha256"]

    tried = race.run("promote", ("publish", "weigh"), lambda: switch.rollback(PLACE, "Ann"), check)
    record_property(TRIED, tried)


@pytest.mark.fault(
    "release",
    "publish, at each of its calls",
    "another release publishes its version",
    "a version holds the model that it was made for, or is refused by its known answers",
)
def test_a_version_that_two_releases_mixed_up_is_not_verified(race, stage, record_property):
    mixed = []

    def check(result: Any) -> None:
        assert traffic.current(FUNCTION) == traffic.Traffic("2", {}, traffic.current(FUNCTION).revision_id)
        if result is None:
            return
        if versions.model_of(FUNCTION, result["version"]).sha256 == SECOND["sha256"]:
            assert stage.step("verify", version=result["version"])["compared"] == 2
        else:
            mixed.append(result)
            with pytest.raises(versions.ReleaseError, match="holds the model"):
                stage.step("verify", version=result["version"])

    def other() -> None:
        stage.step("publish", model("jkl", "4" * 64))

    leave = race._others_model
    race._others_model = lambda: (leave(), leave_models("jkl"))
    record_property(TRIED, race.run("publish", (), other, check))
    assert mixed
