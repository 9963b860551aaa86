"""Publishing while Lambda is slow, busy, or changed by somebody else: answers as they come over the wire, no real wait.

Status, ``x-amzn-ErrorType`` and body are those of Lambda's API reference; botocore itself parses and repeats them.
"""

import io
import json
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse

from slipcast_aws import waiting
from slipcast_aws.release import versions
from support.release_records import FUNCTION, SETTINGS, model

LAYER = "arn:aws:lambda:us-east-1:123456789012:layer:slipcast-model:1"
CODE = "arn:aws:lambda:us-east-1:123456789012:layer:slipcast-domain:1"
TRAINING = SETTINGS["SCIKIT_LEARN_LAYER"]
VARIABLES = {
    **{"MODEL_SHA256": "1" * 64, "MODEL_ID": "abc", "MODEL_URI": "s3://data/models/abc/model.json"},
    **{"MODEL_PROFILE_URI": "s3://data/models/abc/profile.json", "MODEL_DATASET_ID": "d-abc"},
    **{"MODEL_TRAINED_AT": "2026-01-01T00:00:00+00:00", "MODEL_EXECUTION": "new-data-abc"},
}
LIST, GET, UPDATE, PUBLISH = (
    "ListLayerVersions",
    "GetFunctionConfiguration",
    "UpdateFunctionConfiguration",
    "PublishVersion",
)
CONFLICT = (
    409,
    "ResourceConflictException",
    "The operation cannot be performed at this time. An update is in progress",
)
STALE = (412, "PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId")
THROTTLED = (429, "TooManyRequestsException", "Rate exceeded")


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Body(io.BytesIO):
    """The body of an answer, as urllib3 hands it to botocore."""

    def stream(self, *_, **__):
        yield self.read()


class Wire:
    """What Lambda answers, in order; the last answer of an operation is repeated if the script says so."""

    def __init__(self) -> None:
        self.script: list[tuple] = []
        self.sent: list[tuple[str, dict]] = []
        self.forever: tuple | None = None

    def __call__(self, request, event_name, **_):
        operation = event_name.rsplit(".", 1)[1]
        body = json.loads(request.body) if request.body else {}
        self.sent.append((operation, body | {"url": request.url}))
        expected, status, kind, document = self.script.pop(0) if self.script else self.forever
        assert operation == expected, f"{operation} was asked, {expected} was to come"
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": "1"}
        if kind:
            headers["x-amzn-ErrorType"] = kind
            document = {"Type": "User", "message": document}
        return AWSResponse(request.url, status, headers, Body(json.dumps(document).encode()))

    def asked(self) -> list[str]:
        return [operation for operation, _ in self.sent]

    def bodies(self, operation: str) -> list[dict]:
        return [body for name, body in self.sent if name == operation]


def fine(operation: str, document: dict, status: int = 200) -> tuple:
    return (operation, status, None, document)


def refused(operation: str, error: tuple[int, str, str]) -> tuple:
    return (operation, *error)


LAYERS = fine(LIST, {"LayerVersions": [{"LayerVersionArn": LAYER, "Description": "1" * 64}]})


def before(revision: str = "r1", **more) -> tuple:
    """Return the function without the model, as the stack configures it."""
    return seen(revision, **{"Layers": [{"Arn": CODE}], "Environment": {"Variables": {"MODEL_SHA256": ""}}, **more})


def seen(revision: str = "r2", **more) -> tuple:
    """Return the function with the model."""
    document = {
        **{"FunctionName": FUNCTION, "Version": "$LATEST", "RevisionId": revision, "MemorySize": 1024},
        **{"Layers": [{"Arn": CODE}, {"Arn": LAYER}], "Environment": {"Variables": VARIABLES}},
        **{"State": "Active", "LastUpdateStatus": "Successful"},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
    }
    return fine(GET, document | more)


def version(state: str = "Active", number: str = "7", **more) -> tuple:
    return fine(GET, {"FunctionName": FUNCTION, "Version": number, "MemorySize": 1024, "State": state, **more})


PUBLISHED = fine(PUBLISH, {"Version": "7", "State": "Pending"}, 201)
UPDATED = fine(UPDATE, {"RevisionId": "r2", "LastUpdateStatus": "InProgress"})


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr("botocore.endpoint.time", clock)
    return clock


@pytest.fixture
def wire(clock, aws_environment):
    wire = Wire()
    versions.client.cache_clear()
    versions.client().meta.events.register("before-send.lambda.*", wire)
    yield wire
    versions.client.cache_clear()


@pytest.fixture
def publish(load_app, wire, clock):
    app = load_app("release", **SETTINGS)

    def run(*script, seconds: float = 600.0, item: dict | None = None) -> dict:
        wire.script = list(script)
        ends = clock.now + seconds
        context = SimpleNamespace(
            **{"function_name": "slipcast-release", "memory_limit_in_mb": 512, "aws_request_id": "1"},
            invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:slipcast-release",
            get_remaining_time_in_millis=lambda: int((ends - clock.now) * 1000),
        )
        return app.handler({"step": "publish", "model": item or model()}, context)

    yield run
    app.replay.evidence.client.cache_clear()


def test_a_version_is_published_of_the_very_revision_that_was_seen_to_be_right(publish, wire):
    found = publish(LAYERS, before(), UPDATED, seen("r3"), PUBLISHED, version())

    assert found == {"version": "7", "layer": LAYER}
    (update,) = wire.bodies(UPDATE)
    assert update["RevisionId"] == "r1"
    assert update["Layers"] == [CODE, LAYER]
    (published,) = wire.bodies(PUBLISH)
    assert published["RevisionId"] == "r3"


def test_an_update_of_the_stack_before_the_publishing_is_noticed_by_what_it_reset(publish, wire):
    publish(LAYERS, before(), UPDATED, before("r3"), UPDATED, seen("r5"), PUBLISHED, version())

    assert [body["RevisionId"] for body in wire.bodies(UPDATE)] == ["r1", "r3"]
    assert [body["RevisionId"] for body in wire.bodies(PUBLISH)] == ["r5"]


def test_an_update_of_the_stack_between_look_and_publishing_is_noticed_by_the_revision(publish, wire):
    publish(
        *(LAYERS, before(), UPDATED, seen("r2"), refused(PUBLISH, STALE)),
        *(before("r3"), UPDATED, seen("r5"), PUBLISHED, version()),
    )

    assert [body["RevisionId"] for body in wire.bodies(PUBLISH)] == ["r2", "r5"]


@pytest.mark.parametrize("error", [CONFLICT, STALE])
def test_a_conflict_of_the_configuration_is_waited_for_and_what_others_set_is_kept(publish, wire, error):
    theirs = {"Layers": [{"Arn": CODE[:-1] + "2"}]}
    publish(LAYERS, before(), refused(UPDATE, error), before("r8", **theirs), UPDATED, seen("r9", Layers=[
        {"Arn": CODE[:-1] + "2"}, {"Arn": LAYER}]), PUBLISHED, version())  # fmt: skip

    assert wire.bodies(UPDATE)[-1]["Layers"] == [CODE[:-1] + "2", LAYER]
    assert wire.bodies(UPDATE)[-1]["RevisionId"] == "r8"


@pytest.mark.parametrize("operation", [GET, UPDATE, PUBLISH])
def test_throttling_that_outlives_the_attempts_of_the_sdk_is_waited_for(publish, wire, operation):
    steps = [LAYERS, before(), UPDATED, seen(), PUBLISHED, version()]
    at = next(number for number, step in enumerate(steps) if step[0] == operation)
    # A look at the function comes before each change.
    again = [] if operation == GET else [seen() if operation == PUBLISH else before()]
    throttled = [refused(operation, THROTTLED)] * 4
    assert publish(*steps[:at], *throttled, *again, *steps[at:])["version"] == "7"

    assert wire.asked().count(operation) >= 5


def test_an_update_in_progress_is_waited_for_before_anything_is_changed(publish, wire):
    busy = {"LastUpdateStatus": "InProgress"}
    publish(LAYERS, *[before(**busy)] * 20, before("r4"), UPDATED, seen(**busy), seen("r6"), PUBLISHED, version())

    assert [body["RevisionId"] for body in wire.bodies(UPDATE)] == ["r4"]
    assert [body["RevisionId"] for body in wire.bodies(PUBLISH)] == ["r6"]


SNAPSHOT = {"SnapStart": {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}}


def test_a_snapshot_that_takes_eight_minutes_is_waited_for(publish, wire, clock):
    scikit = {"Layers": [{"Arn": CODE}, {"Arn": TRAINING}, {"Arn": LAYER}], "MemorySize": 1769, **SNAPSHOT}
    began = clock.now
    waits = [version("Pending", StateReasonCode="Creating", **SNAPSHOT)] * 100
    found = publish(
        LAYERS, seen(**scikit), PUBLISHED, *waits, version(**SNAPSHOT), item=model() | {"runtime": "scikit-learn"}
    )

    assert found["version"] == "7"
    assert clock.now - began > 450


def test_before_the_function_is_stopped_it_gives_up_with_an_error_that_is_retried(publish, wire, clock):
    wire.forever = version("Pending", StateReasonCode="Creating", **SNAPSHOT)
    began = clock.now

    with pytest.raises(
        waiting.NotReadyError, match=r"version 7 of slipcast-predict to become active: not within 5\d\d s"
    ):
        publish(LAYERS, seen(), PUBLISHED)

    # A call that hangs still ends before the time of the function.
    assert 530 < clock.now - began <= 540
    # Repeated, Lambda answers with the version that is there.
    assert publish(LAYERS, seen(), PUBLISHED, version())["version"] == "7"


def test_a_function_that_is_updated_for_ever_is_given_up_in_time(publish, wire, clock):
    wire.forever = before(LastUpdateStatus="InProgress")
    began = clock.now

    with pytest.raises(waiting.NotReadyError, match="slipcast-predict to take the configuration of model abc"):
        publish(LAYERS, seconds=120)

    assert clock.now - began <= 60


def test_a_snapshot_that_cannot_be_taken_says_why_and_what_to_do(publish, wire):
    failed = version(
        "Failed", StateReasonCode="FunctionError.InitTimeout", StateReason="Function Init timed out", **SNAPSHOT
    )
    with pytest.raises(
        versions.ReleaseError,
        match=r"version 7 of slipcast-predict is Failed \(FunctionError.InitTimeout, Function Init timed out\).*"
        "SnapStart=off",
    ):
        publish(LAYERS, seen(), PUBLISHED, version("Pending"), failed)


def test_a_version_whose_snapshot_sleeps_is_fine(publish, wire):
    assert publish(LAYERS, seen(), PUBLISHED, version("Inactive", StateReasonCode="Idle"))["version"] == "7"


def test_an_update_that_fails_says_why(publish, wire):
    why = {"LastUpdateStatusReasonCode": "DisabledKMSKey", "LastUpdateStatusReason": "The key is disabled"}
    with pytest.raises(
        versions.ReleaseError, match=r"could not update slipcast-predict \(DisabledKMSKey, The key is disabled\)"
    ):
        publish(LAYERS, before(), UPDATED, before("r2", LastUpdateStatus="Failed", **why))


def test_an_update_of_somebody_else_that_failed_is_mended_by_ours(publish, wire):
    failed = {"LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "InternalError"}
    assert publish(LAYERS, before(**failed), UPDATED, seen(), PUBLISHED, version())["version"] == "7"


def test_somebody_who_keeps_changing_the_function_ends_the_release(publish, wire):
    with pytest.raises(
        versions.ReleaseError, match="configured 10 times and is still different in Environment, Layers"
    ):
        publish(LAYERS, *[before(), UPDATED] * 10, before())


def test_what_is_wrong_for_good_is_not_repeated(publish, wire):
    wrong = (400, "InvalidParameterValueException", "Layers consume more than the available size of 262144000 bytes")
    with pytest.raises(versions.client().exceptions.InvalidParameterValueException, match="262144000"):
        publish(LAYERS, before(), refused(UPDATE, wrong))

    assert wire.asked() == [LIST, GET, UPDATE]


@pytest.mark.parametrize(
    "error",
    [
        THROTTLED,
        (409, "SnapStartNotReadyException", "Lambda is initializing your function"),
        (408, "SnapStartTimeoutException", "Lambda couldn't restore the snapshot within the timeout limit"),
        (502, "ResourceNotReadyException", "The function is inactive"),
    ],
)
def test_a_version_that_wakes_up_is_asked_again(wire, error):
    answer = {"statusCode": 200, "body": "{}", "multiValueHeaders": {}}
    wire.script = [*[refused("Invoke", error)] * 9, fine("Invoke", answer)]

    assert versions.ask(FUNCTION, "7", "GET", "/model", None).status == 200


def test_a_version_that_stays_throttled_is_an_error_that_is_retried(wire):
    wire.forever = refused("Invoke", THROTTLED)

    with pytest.raises(waiting.NotReadyError, match="version 7 of slipcast-predict to take a request"):
        versions.ask(FUNCTION, "7", "GET", "/model", None)


@pytest.mark.parametrize("error", [THROTTLED, (500, "ServiceException", "An error occurred")])
def test_every_step_that_is_refused_for_load_may_be_retried_by_the_state_machine(publish, wire, error):
    wire.forever = refused(LIST, error)

    with pytest.raises(waiting.NotReadyError, match=f"{error[2]}.*repeated, this step goes on"):
        publish()
