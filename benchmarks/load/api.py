"""The API on the local cloud, next to a bare function behind a gateway of that cloud; then bursts beyond its limit."""

import contextlib
import io
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.load import drive, figures
from benchmarks.load.environment import BARE
from local.cloud import LocalCloud
from local.demo import OLDER, read_example, requests
from local.load import limit
from local.watch import Stack
from support.malformed_requests import malformed

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / OLDER
USERS = 4
# What the template has by default would bound the first part.
OPEN = {"ApiRateLimit": "10000", "ApiBurstLimit": "5000"}
# Well below what the emulator can answer, so that it is the limit that answers.
RATE, BURST, TIMES = 20, 40, 10
BEFORE, DURING, AFTER = 10, 10, 20
WARMING = 40
# What was on its way when the burst ended is part of it.
SETTLES = 3


@contextlib.contextmanager
def site() -> Iterator[tuple[LocalCloud, dict[str, dict[str, Any]]]]:
    """Run a local cloud with a released model and a bare function; yield the cloud and what to ask."""
    with tempfile.TemporaryDirectory() as folder, LocalCloud(Path(folder), parameters=OPEN) as cloud:
        stack = Stack(cloud)
        before = stack.executions()
        stack.drop(OLDER, EXAMPLE.read_bytes())
        outcome = stack.finish(stack.new_execution(before))
        assert outcome["output"]["outcome"] == "released", outcome
        headers = {"x-api-key": stack.env["SLIPCAST_API_KEY"]}
        target = {"headers": headers, "wrapped": False}
        url = f"{stack.env['SLIPCAST_API_URL']}/predictions"
        yield (
            cloud,
            {
                "Slipcast": target | {"url": url, "bare": False},
                "bare": target | {"url": _bare(cloud), "bare": True},
            },
        )


def _bare(cloud: LocalCloud) -> str:
    """Deploy the bare handler behind an API with the same kind of integration and return its URL."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(BARE / "bare.py", "bare.py")
    function = cloud.client("lambda").create_function(
        FunctionName="bare",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="bare.handler",
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"LINE": "{}"}},
    )["FunctionArn"]
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="bare")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    resource = gateway.create_resource(restApiId=api, parentId=root, pathPart="predictions")["id"]
    where = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    gateway.put_method(**where, authorizationType="NONE")
    gateway.put_integration(
        **where,
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations",
    )
    gateway.create_deployment(restApiId=api, stageName="v1")
    return f"{cloud._endpoint()}/restapis/{api}/v1/_user_request_/predictions"


def _asked() -> dict[str, list[dict[str, Any]]]:
    activities = requests(read_example(OLDER).head(200))
    right = [
        {"name": "", "body": json.dumps(item), "headers": {"Content-Type": "application/json"}} for item in activities
    ]
    return {"requests": right, "malformed": malformed(activities[0])}


def measure(seconds: int) -> dict[str, Any]:
    """Return speed and ratios of the API, and its answers where one request in a hundred is malformed."""
    with site() as (_, targets):
        answers = drive.run("api", targets=targets, stages=[[seconds, USERS]], block_seconds=3, **_asked())
        figures.check(answers)
        wrong = drive.run(
            "api-malformed",
            targets={"Slipcast": targets["Slipcast"]},
            **{"stages": [[max(seconds // 2, 10), USERS]], "wrong_every": 100, **_asked()},
        )
        figures.check(wrong)
    return {
        "requests": {name: len(item["ms"]) for name, item in answers.items()},
        "speed": {name: figures.speed(item) for name, item in answers.items()},
        "ratios": figures.ratios(answers["Slipcast"], answers["bare"]),
        "malformed": figures.statuses(wrong["Slipcast"]),
    }


def measure_bursts() -> dict[str, dict[int, int]]:
    """Return the answers before, during and after ten times the rate that the API accepts."""
    with site() as (cloud, targets):
        return _burst(cloud, targets)


def _burst(cloud: LocalCloud, targets: dict[str, dict[str, Any]]) -> dict[str, dict[int, int]]:
    # As many at once as the limit lets through: each starts a process, on the two processors that the emulator has too.
    figures.check(drive.run("warm", targets={"Slipcast": targets["Slipcast"]}, stages=[[WARMING, BURST]], **_asked()))
    limit(cloud, RATE, BURST)
    calm = RATE // 2
    found = drive.run(
        "burst",
        targets={"Slipcast": targets["Slipcast"]},
        **{"stages": [[BEFORE, calm], [DURING, RATE * TIMES], [AFTER, calm]], "pace": 1, **_asked()},
    )
    figures.check(found)
    answers = found["Slipcast"]
    at, users = answers["at"], answers["users"]
    bursting = [moment for moment, count in zip(at, users, strict=True) if count > calm]
    begin, end = min(bursting), max(bursting) + SETTLES
    phases: dict[str, Counter] = {"before the burst": Counter(), "burst": Counter(), "after the burst": Counter()}
    for moment, status in zip(at, answers["statuses"], strict=True):
        phases["before the burst" if moment < begin else "burst" if moment <= end else "after the burst"][status] += 1
    assert phases["burst"][429], "the burst met no limit"
    assert set(phases["before the burst"]) == set(phases["after the burst"]) == {200}, phases
    return {name: dict(sorted(counted.items())) for name, counted in phases.items()}
