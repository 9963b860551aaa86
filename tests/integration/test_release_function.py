"""Publish, verify, try, promote: a model becomes a version, the version proves itself, the alias moves."""

import gzip
import io
import json
import zipfile
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from faults import worlds
from slipcast.features.activity import AHEAD_OF_ALL
from slipcast.features.row import feature_row
from slipcast_aws import storage
from slipcast_aws.control import audit as control_audit
from slipcast_aws.control import releases as control_releases
from slipcast_aws.control import table as control
from slipcast_aws.release import traffic
from slipcast_aws.release import versions as releases
from slipcast_aws.tracking import outbox
from slipcast_cli import switch
from support import quick_aws
from support.release_records import (
    FUNCTION,
    GOLDEN,
    SETTINGS,
    ReleaseContext,
    behave_as_aws,
    leave_models,
    make_function,
    model,
    zip_of,
)

CLIENTS = (storage.client, releases.client, control.client)


@pytest.fixture
def cloud(aws_environment, monkeypatch):
    """The predict function as the stack makes it, and two models that are not released yet."""
    behave_as_aws(monkeypatch)
    with mock_aws(), quick_aws.clients_once():
        boto3.client("s3").create_bucket(Bucket="data")
        make_function()
        for function in CLIENTS:
            function.cache_clear()
        leave_models("abc", "def")
        worlds.control_table()
        yield boto3.client("lambda")
        for function in CLIENTS:
            function.cache_clear()


@pytest.fixture
def release(load_app, cloud):
    app = load_app("release", **SETTINGS)

    def run(step: str, item: dict, version: str | None = None, **more) -> dict:
        event = {"step": step, "model": item, **more} | ({} if version is None else {"version": version})
        return app.handler(event, ReleaseContext())

    yield run
    app.replay.evidence.client.cache_clear()


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


def test_a_layer_holds_the_forecast_next_to_its_model():
    with zipfile.ZipFile(io.BytesIO(releases.layer_archive(b"model", b"forecast"))) as opened:
        assert {entry.filename: opened.read(entry) for entry in opened.infolist()} == {
            "slipcast_model/model.json": b"model",
            "slipcast_model/forecast.json": b"forecast",
        }
        assert {entry.external_attr >> 16 for entry in opened.infolist()} == {0o100644}


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


def runs_with(client, version: str) -> tuple[list[str], int, str]:
    found = client.get_function_configuration(FunctionName=FUNCTION, Qualifier=version)
    return layer_names(client, version), found["MemorySize"], found["SnapStart"]["ApplyOn"]


@pytest.fixture
def scikit_learn(cloud, monkeypatch):
    """The layer with scikit-learn, and a release that knows it."""
    arn = cloud.publish_layer_version(LayerName="slipcast-training", Content={"ZipFile": zip_of("python/y.py", "")})[
        "LayerVersionArn"
    ]
    monkeypatch.setitem(SETTINGS, "SCIKIT_LEARN_LAYER", arn)


def test_a_model_that_needs_scikit_learn_gets_its_layer_memory_and_a_snapshot(scikit_learn, release, cloud):
    release("publish", model())
    release("publish", model("def", "2" * 64) | {"runtime": "scikit-learn"})
    again = release("publish", model("def", "2" * 64) | {"runtime": "scikit-learn"})
    release("publish", model("abc", "1" * 64) | {"runtime": None})

    assert again["version"] == "3"
    assert [runs_with(cloud, version) for version in ("2", "3", "4")] == [
        (["slipcast-domain:1", "slipcast-model:1"], 1024, "None"),
        (["slipcast-domain:1", "slipcast-training:1", "slipcast-model:2"], 1769, "PublishedVersions"),
        (["slipcast-domain:1", "slipcast-model:1"], 1024, "None"),
    ]


@pytest.mark.parametrize(("choice", "expected"), [("on", ["PublishedVersions"] * 2), ("off", ["None"] * 2)])
def test_snapshots_can_be_had_for_all_versions_or_for_none(
    scikit_learn, choice, expected, monkeypatch, cloud, load_app
):
    app = load_app("release", **SETTINGS | {"SNAP_START": choice})
    for item in (model(), model("def", "2" * 64) | {"runtime": "scikit-learn"}):
        app.handler({"step": "publish", "model": item}, ReleaseContext())

    assert [runs_with(cloud, version)[2] for version in ("2", "3")] == expected


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


def test_verify_asks_the_version_itself_for_model_and_known_answers(release, answers):
    assert release("verify", model(), "2") == {"version": "2", "compared": 2}

    assert answers["asked"] == [
        (FUNCTION, "2", "GET", "/model", None),
        (
            FUNCTION,
            "2",
            "POST",
            "/predictions",
            {"activities": [{**item, **AHEAD_OF_ALL} for item in GOLDEN["activities"]]},
        ),
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


PROMOTE = {"previous": "1", "canary": False, "why": "better"}


def audit() -> list[tuple[str, str]]:
    return [(item["outcome"], item["version"]) for item in control_audit.audit_trail("control")]


def weights(client) -> dict[str, float]:
    found = client.get_alias(FunctionName=FUNCTION, Name="live")
    return found.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})


def give(client, version: str, weight: float) -> None:
    client.update_alias(
        FunctionName=FUNCTION, Name="live", RoutingConfig={"AdditionalVersionWeights": {version: weight}}
    )


def test_promote_moves_the_alias_and_leaves_its_records(release, cloud):
    version = release("publish", model())["version"]

    assert release("promote", model(), version, **PROMOTE) == {"version": "2", "previous": "1"}

    assert alias(cloud) == "2"
    assert releases.live_model(FUNCTION) == releases.LiveModel(
        version="2",
        model_id="abc",
        sha256="1" * 64,
        artefact_uri="s3://data/models/abc/model.json",
        profile_uri="s3://data/models/abc/profile.json",
        dataset_id="d-abc",
        trained_at="2026-01-01T00:00:00+00:00",
        execution="new-data-abc",
    )
    ((uri, record),) = outbox.pending("data")
    assert uri == "s3://data/tracking/pending/new-data-abc-2-release.json"
    assert record.pop("at")
    assert record == {
        **{"kind": "release", "execution": "new-data-abc", "version": "2", "previous": "1", "model_id": "abc"},
        "why": "better",
    }
    assert audit() == [("promoted", "2")]
    kept = control_releases.release("control", "2")
    assert (kept["previous"], kept["model"]) == ("1", releases.live_model(FUNCTION).variables())
    document = storage.read_json("s3://data/reports/new-data-abc/release.json")
    assert (document["outcome"], document["version"], document["previous"]) == ("released", "2", "1")


def test_a_promotion_that_is_repeated_finds_its_work_done(release, cloud):
    version = release("publish", model())["version"]
    first = release("promote", model(), version, **PROMOTE)
    revision = cloud.get_alias(FunctionName=FUNCTION, Name="live")["RevisionId"]

    assert release("promote", model(), version, **PROMOTE) == first
    assert cloud.get_alias(FunctionName=FUNCTION, Name="live")["RevisionId"] == revision
    assert control_releases.release("control", "2")["previous"] == "1"


def test_promote_ends_a_split_of_traffic(release, cloud):
    version = release("publish", model())["version"]
    give(cloud, "2", 0.5)

    release("promote", model(), version, **PROMOTE | {"canary": True})

    assert (alias(cloud), weights(cloud)) == ("2", {})


def test_a_canary_that_somebody_ended_is_not_promoted(release, cloud):
    version = release("publish", model())["version"]

    with pytest.raises(traffic.MovedError, match="version 2 has no weight any more: somebody ended its canary"):
        release("promote", model(), version, **PROMOTE | {"canary": True})

    assert alias(cloud) == "1"
    assert list(outbox.pending("data")) == []


def test_a_release_that_began_with_another_live_version_loses(release, cloud):
    release("publish", model())
    third = release("publish", model("def", "2" * 64))["version"]
    release("promote", model("def", "2" * 64), third, **PROMOTE)

    for step in ("promote", "weigh"):
        with pytest.raises(
            traffic.MovedError, match="version 3 is live, the release of version 2 began with version 1"
        ):
            release(step, model(), "2", **PROMOTE, index=0, notes=[])
    assert (alias(cloud), weights(cloud)) == ("3", {})


def test_an_alias_that_another_release_moved_meanwhile_stays_where_it_is(cloud):
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
            traffic.promote(FUNCTION, version="2", live="1", canary=False)


def test_another_error_of_the_alias_is_told_as_it_is(release, cloud):
    with pytest.raises(ClientError, match="ResourceNotFound"):
        release("promote", model(), "9", **PROMOTE)

    assert alias(cloud) == "1"


def test_an_unknown_step_is_an_error(release):
    with pytest.raises(KeyError, match="roll"):
        release("roll", model())


# The trial: replay and canary


def log(version: str, n: int, *, score: float = 0.4, prefix: str = "prediction-log", begin: int = 0, **more) -> None:
    """Write lines to the log of now as collect does."""
    now = datetime.now(UTC)
    lines = [
        {
            **{"request_id": f"{version}-{number}", "at": now.isoformat(timespec="milliseconds")},
            **{"model_version": version, "model_id": "abc", "ms": 4.0},
            **(
                {"prediction_id": f"{version}-{number}:0", "activity_id": "A1", "score": score}
                if prefix == "prediction-log"
                else {}
            ),
            **({"features": feature_row({"baseline_duration_days": 30})} if prefix == "prediction-log" else {}),
            **more,
        }
        for number in range(begin, begin + n)
    ]
    body = gzip.compress("\n".join(map(json.dumps, lines)).encode())
    key = f"{prefix}/{now:dt=%Y-%m-%d/hour=%H}/{version}-{begin}.jsonl.gz"
    boto3.client("s3").put_object(Bucket="data", Key=key, Body=body)


@pytest.fixture
def second(release, cloud) -> dict:
    """A model that is published while another one is live: versions 3 and 2."""
    first = release("publish", model())["version"]
    release("promote", model(), first, **PROMOTE)
    item = model("def", "2" * 64)
    assert release("publish", item)["version"] == "3"
    return item


def answering(monkeypatch, **scores: float):
    """Let versions answer every activity with a score; a missing one fails."""

    def ask(function, version, method, path, body):
        if f"v{version}" not in scores:
            return releases.Answer(502, {"errorMessage": "no"}, None, 1.0)
        predictions = [{"activity_id": "A1", "probability": scores[f"v{version}"]} for _ in body["activities"]]
        return releases.Answer(200, {"model": {"version": version}, "predictions": predictions}, 2.0, 50.0)

    monkeypatch.setattr(releases, "ask", ask)


def test_the_first_model_needs_no_trial(release, cloud):
    version = release("publish", model())["version"]

    found = release("shadow", model(), version)
    assert (found["next"], found["previous"]) == ("promote", "1")


def test_logged_requests_are_replayed_and_the_shift_is_handed_on(release, second, monkeypatch):
    log("2", 30, score=0.4)
    answering(monkeypatch, v2=0.4, v3=0.5)

    found = release("shadow", second, "3")

    assert (found["next"], found["previous"]) == ("canary", "2")
    assert found["predicted"]["shift"] == pytest.approx(0.1)
    document = storage.read_json("s3://data/reports/new-data-def/release.json")
    assert (document["shadow"]["requests"], document["shadow"]["faithful"]) == (20, 1.0)


@pytest.mark.parametrize(
    ("scores", "reason"), [({"v2": 0.4, "v3": 0.9}, "mean score"), ({"v2": 0.4}, "20 of 20 requests")]
)
def test_a_bad_replay_stops_the_release_and_is_recorded_without_a_weight(
    release, second, monkeypatch, scores, reason, cloud
):
    log("2", 30)
    answering(monkeypatch, **scores)

    found = release("shadow", second, "3")
    assert found["next"] == "stop"
    assert reason in found["why"]

    assert release("roll_back", second, "3", outcome="rolled_back", why=found["why"])["withdrawn"] is False
    assert (alias(cloud), weights(cloud)) == ("2", {})
    assert audit()[-1] == ("rolled_back", "3")
    assert [record["outcome"] for _, record in outbox.pending("data") if record["kind"] == "rollback"] == [
        "rolled_back"
    ]


def test_without_a_log_or_without_steps_a_release_goes_on(release, second, monkeypatch):
    answering(monkeypatch, v2=0.4, v3=0.4)
    found = release("shadow", second, "3")
    assert (found["next"], found["predicted"], found["why"]) == ("canary", None, "no logged request to replay")

    monkeypatch.setenv("CANARY_STEPS", "")
    assert release("shadow", second, "3")["next"] == "promote"


WEIGH = {"previous": "2", "index": 0, "notes": []}


def test_a_weight_is_given_in_one_update_and_recorded(release, second, cloud):
    found = release("weigh", second, "3", **WEIGH)

    assert (alias(cloud), weights(cloud)) == ("2", {"3": 0.1})
    assert (found["action"], found["index"], found["weight"]) == ("wait", 0, 10)
    assert audit()[-1] == ("canary 10 %", "3")
    assert control_releases.release("control", "3")["previous"] == "2"


@pytest.mark.fault("release", "a canary", "its release dies for good", "the next release takes its weight over")
def test_a_weight_that_a_dead_release_left_behind_is_taken_over(release, second, cloud):
    give(cloud, "1", 0.3)

    assert (
        "version 1 had a weight that a release without end left behind" in release("weigh", second, "3", **WEIGH)["why"]
    )
    assert weights(cloud) == {"3": 0.1}


def test_a_later_step_goes_on_from_its_own_weight_only(release, second, cloud):
    with pytest.raises(traffic.MovedError, match="somebody ended its canary"):
        release("weigh", second, "3", **WEIGH | {"index": 1})

    give(cloud, "3", 0.1)
    assert release("weigh", second, "3", **WEIGH | {"index": 1})["weight"] == 50
    assert weights(cloud) == {"3": 0.5}


def test_a_canary_is_judged_on_what_both_versions_logged(release, second, cloud):
    step = release("weigh", second, "3", **WEIGH)
    assert release("judge", second, "3", previous="2", canary=step, predicted=None)["action"] == "wait"

    log("2", 60)
    log("3", 5, score=0.41)
    found = release("judge", second, "3", previous="2", canary=step, predicted={"shift": 0.01, "distance": 0.1})

    assert (found["action"], found["index"]) == ("advance", 1)
    assert found["notes"] == [found["why"]]
    judged = storage.read_json("s3://data/reports/new-data-def/release.json")["steps"]["0"]
    assert judged["numbers"]["live"]["requests"] == 60
    assert judged["numbers"]["new"]["median_ms"] == 4.0


def test_a_line_that_was_delivered_twice_counts_once(release, second):
    step = release("weigh", second, "3", **WEIGH)
    log("3", 3)
    log("3", 3, begin=0, delivery=2)
    log("3", 2, prefix="failed-requests", status=500)

    numbers = storage_after(release("judge", second, "3", previous="2", canary=step, predicted=None))
    assert (numbers["requests"], numbers["failed"]) == (5, 2)


def storage_after(_: dict) -> dict:
    return storage.read_json("s3://data/reports/new-data-def/release.json")["steps"]["0"]["numbers"]["new"]


def test_failures_are_rolled_back_with_their_reason(release, second, cloud):
    step = release("weigh", second, "3", **WEIGH)
    log("2", 100)
    log("3", 20)
    log("3", 20, prefix="failed-requests", status=500, begin=50)

    found = release("judge", second, "3", previous="2", canary=step, predicted=None)
    assert found["action"] == "roll_back"
    assert "failed 20 of 40 requests, the live version 0 of 100" in found["why"]

    done = release("roll_back", second, "3", outcome="rolled_back", why=found["why"])
    assert (done["withdrawn"], done["live"]) == (True, "2")
    assert (alias(cloud), weights(cloud)) == ("2", {})
    assert control_audit.audit_trail("control")[-1]["detail"] == found["why"]


@pytest.mark.fault(
    "release", "the new version in a canary", "it dies without a line in the log", "its weight is taken away"
)
def test_crashes_that_log_nothing_are_counted_by_their_metric(release, second, monkeypatch):
    step = release("weigh", second, "3", **WEIGH)
    log("2", 100)
    log("3", 20)
    for version, errors in (("2", 0), ("3", 20)):
        dimensions = {"FunctionName": FUNCTION, "Resource": f"{FUNCTION}:live", "ExecutedVersion": version}
        boto3.client("cloudwatch").put_metric_data(
            Namespace="AWS/Lambda",
            MetricData=[
                {
                    **{"MetricName": "Errors", "Value": errors, "Timestamp": datetime.now(UTC)},
                    "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                }
            ],
        )

    found = release("judge", second, "3", previous="2", canary=step, predicted=None)
    assert found["action"] == "roll_back"
    assert "failed 20 of 40 requests" in found["why"]


@pytest.mark.parametrize("moved", [{"3": 0.0}, {"1": 0.5}])
def test_a_canary_whose_alias_somebody_moved_is_given_up(release, second, cloud, moved):
    step = release("weigh", second, "3", **WEIGH)
    cloud.update_alias(
        FunctionName=FUNCTION,
        Name="live",
        RoutingConfig={"AdditionalVersionWeights": {k: v for k, v in moved.items() if v}},
    )

    found = release("judge", second, "3", previous="2", canary=step, predicted=None)
    assert (found["action"], found["why"]) == ("roll_back", "somebody else moved the alias during the canary")
    assert release("roll_back", second, "3", outcome="rolled_back", why="x")["withdrawn"] is False
    assert weights(cloud) == {k: v for k, v in moved.items() if v}


def test_a_release_whose_last_record_failed_stays_live(release, second, cloud):
    release("promote", second, "3", **PROMOTE | {"previous": "2"})

    assert release("roll_back", second, "3", outcome="failed", why="MLflow") == {
        **{"version": "3", "live": "3", "withdrawn": False, "why": "MLflow"}
    }
    assert alias(cloud) == "3"
    assert ("failed", "3") not in audit()


def test_old_versions_go_with_their_layers_and_what_is_needed_stays(release, cloud):
    for number in range(2, 7):
        item = model(f"m{number}", str(number) * 64)
        boto3.client("s3").put_object(Bucket="data", Key=item["layer_key"], Body=releases.layer_archive(b"x"))
        assert release("publish", item)["version"] == str(number)
    give(cloud, "3", 0.1)
    cloud.update_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="4")
    control_releases.put_release("control", "4", {"previous": "2", "execution": "e", "model": {}})

    # The last two, the live one, the one before it, the weighted one, the first without a model.
    found = release("prune", model("m4", "4" * 64))
    assert found == {"versions": [], "layers": []}

    control_releases.put_release("control", "4", {"previous": "3", "execution": "e", "model": {}})
    cloud.update_alias(FunctionName=FUNCTION, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    found = release("prune", model("m4", "4" * 64))
    assert found["versions"] == ["2"]
    assert [arn.rsplit(":", 1)[1] for arn in found["layers"]] == ["1"]
    assert versions(cloud) == ["$LATEST", "1", "3", "4", "5", "6"]
    assert release("prune", model("m4", "4" * 64)) == {"versions": [], "layers": []}


# By hand


@pytest.fixture
def place(release, second) -> switch.Place:
    """A stack whose version 3 was released after version 2, with somebody who listens."""
    release("promote", second, "3", **PROMOTE | {"previous": "2"})
    topic = boto3.client("sns").create_topic(Name="topic")["TopicArn"]
    queue = boto3.client("sqs").create_queue(QueueName="mail")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    boto3.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    # There is no function to track here: MLflow is told later.
    return switch.Place(FUNCTION, "data", "control", topic, "slipcast-track")


def mail() -> list[str]:
    queue = boto3.client("sqs").get_queue_url(QueueName="mail")["QueueUrl"]
    messages = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"])["Message"] for message in messages]


@pytest.mark.fault(
    "release", "the live version", "a person wants the one before", "one update of the alias, recorded everywhere"
)
def test_a_rollback_goes_to_the_version_before_and_is_recorded_everywhere(place, cloud):
    said = switch.rollback(place, "Ann")

    assert said == "version 2 (model abc) is live again instead of version 3, by Ann"
    assert (alias(cloud), weights(cloud)) == ("2", {})
    assert mail() == [said]
    assert audit()[-1] == ("rolled back by hand", "2")
    record = [record for uri, record in outbox.pending("data") if "by-hand" in uri]
    assert [(item["kind"], item["execution"], item["version"]) for item in record] == [("release", "new-data-abc", "2")]


def test_a_rollback_refuses_where_no_model_was_live_before(place, cloud):
    switch.rollback(place, "Ann")

    with pytest.raises(releases.ReleaseError, match="version 1, the one before version 2, has no model"):
        switch.rollback(place, "Ann")
    assert alias(cloud) == "2"
    assert len(mail()) == 1


def test_a_rollback_during_a_canary_ends_it(place, cloud):
    give(cloud, "2", 0.3)

    assert "the canary of version 2 was ended by Ann, version 3 answers all" in switch.rollback(place, "Ann")
    assert (alias(cloud), weights(cloud)) == ("3", {})


def test_a_version_without_a_record_is_not_rolled_back_by_guessing(place, cloud):
    boto3.client("dynamodb").delete_item(TableName="control", Key={"pk": {"S": "RELEASE"}, "sk": {"S": "3"}})

    with pytest.raises(releases.ReleaseError, match="not on record which version was live before version 3"):
        switch.rollback(place, "Ann")


def test_a_pruned_predecessor_is_named(place, cloud):
    cloud.delete_function(FunctionName=FUNCTION, Qualifier="2")

    with pytest.raises(releases.ReleaseError, match="there is no version 2 of"):
        switch.rollback(place, "Ann")
    assert alias(cloud) == "3"


def test_a_version_is_promoted_once_it_gives_its_known_answers(place, cloud, answers):
    assert "version 2 (model abc) is live instead of version 3, by Ann" in switch.promote(place, "2", "Ann")

    assert alias(cloud) == "2"
    assert [asked[1] for asked in answers["asked"]] == ["2", "2"]
    # And back: what was live before it is on record.
    answers["/model"] = {"sha256": "2" * 64}
    assert "version 3" in switch.rollback(place, "Ann")


def test_a_version_with_other_answers_is_not_promoted(place, cloud, answers):
    answers["/predictions"]["predictions"][0]["probability"] = 0.9

    with pytest.raises(releases.ReleaseError, match="differs from scikit-learn"):
        switch.promote(place, "2", "Ann")
    assert alias(cloud) == "3"


@pytest.mark.parametrize(
    ("version", "reason"), [("3", "is live already"), ("1", "has no model"), ("9", "there is no version 9")]
)
@pytest.mark.fault(
    "release", "make promote", "the version is unknown, without a model, or live", "refused, the alias stays"
)
def test_what_cannot_be_promoted_is_refused(place, cloud, version, reason):
    with pytest.raises(releases.ReleaseError, match=reason):
        switch.promote(place, version, "Ann")
    assert alias(cloud) == "3"


# By MLflow's alias champion


@pytest.fixture
def choose(place, load_app, monkeypatch):
    monkeypatch.setenv("TOPIC_ARN", place.topic)
    app = load_app("release", **SETTINGS | {"TOPIC_ARN": place.topic})
    return lambda version, sha256: app.handler(
        {"step": "choose", "version": version, "sha256": sha256, "by": "the alias"}, ReleaseContext()
    )


def test_a_version_that_is_chosen_in_mlflow_is_promoted_with_its_known_answers(choose, cloud, answers):
    found = choose("2", "1" * 64)

    assert (found["outcome"], found["live"]) == ("promoted", "new-data-abc")
    assert alias(cloud) == "2"
    assert mail() == ["version 2 (model abc) is live instead of version 3, by the alias"]
    assert choose("2", "1" * 64)["outcome"] == "live"
    assert mail() == []


@pytest.mark.parametrize(
    ("version", "sha256", "reason"),
    [
        ("", "1" * 64, "never released"),
        ("9", "1" * 64, "there is no version 9"),
        ("2", "7" * 64, "another model than the one registered"),
        ("1", "1" * 64, "has no model"),
    ],
)
def test_a_choice_that_cannot_be_promoted_is_refused_with_a_message(choose, cloud, version, sha256, reason):
    found = choose(version, sha256)

    assert (found["outcome"], found["live"]) == ("refused", "new-data-def")
    assert reason in found["why"]
    assert mail() == [found["why"]]
    assert alias(cloud) == "3"


def test_a_choice_does_not_disturb_a_release(choose, cloud):
    give(cloud, "2", 0.3)

    assert "under way" in choose("2", "1" * 64)["why"]
    assert weights(cloud) == {"2": 0.3}
