"""The whole pipeline run by the emulator: it takes the way that the strict walk takes, whichever way is searched.

The functions are stand-ins whose answers fit the contract of the real ones; tests/e2e runs those.
"""

import io
import json
import uuid
import zipfile

import pytest

from infrastructure import test_state_machine_walk as walks
from local.cloud import LocalCloud
from local.watch import until

ROLE = "arn:aws:iam::000000000000:role/any"
# An execution's name says how its search runs and whether a task fails; the rest is in answers.json.
HANDLER = """
import json, os
from pathlib import Path

ANSWERS = json.loads(Path(__file__).with_name("answers.json").read_text())

class OutOfMemory(Exception):
    pass

def handler(event, context):
    function, step = os.environ["STANDS_FOR"], event.get("step")
    if function == "plan" and "round" not in event:
        mode, tasks = event["execution"].split("-")[:2]
        return {**ANSWERS["plan"][0], "next": mode, "tasks": [f"t{n}" for n in range(int(tasks))]}
    if function == "plan":
        return ANSWERS["plan"][1]
    if function == "train":
        if event["task"] == "t1":
            raise OutOfMemory(event["task"])
        return {"task": event["task"], "result": event["round"]["uri"]}
    if function == "notify":
        return {name: event.get(name) for name in ("outcome", "why", "version")}
    return ANSWERS[f"{function} {step}" if step and step != "prepare" else function]
"""
ANSWERS = {name: answer for name, answer in walks.RELEASED.items() if not callable(answer)}
WEIGHED = walks.step("wait") | {"wait_seconds": 0}
ANSWERS |= {"release weigh": WEIGHED, "release judge": WEIGHED | {"action": "promote"}}


class Pipeline:
    """The definition with a stand-in for each function."""

    def __init__(self, cloud):
        self.states, self.lambdas = cloud.client("stepfunctions"), cloud.client("lambda")
        self.dynamodb = cloud.client("dynamodb")
        self.dynamodb.create_table(
            TableName="control",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("index.py", HANDLER)
            archive.writestr("answers.json", json.dumps(ANSWERS))
        for name in {name.partition(" ")[0] for name in walks.RELEASED}:
            self.lambdas.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=ROLE,
                Handler="index.handler",
                Code={"ZipFile": packed.getvalue()},
                Timeout=180,
                Environment={"Variables": {"STANDS_FOR": name}},
            )
        self.arn = self.states.create_state_machine(
            name="pipeline", definition=json.dumps(walks.definition()), roleArn=ROLE
        )["stateMachineArn"]

    def run(self, mode, tasks):
        """Run an execution; return its states without those within a Map, its description and its Map Runs."""
        arn = self.states.start_execution(
            stateMachineArn=self.arn,
            name=f"{mode}-{tasks}-{uuid.uuid4().hex[:8]}",
            input=json.dumps(walks.FILE),
        )["executionArn"]

        def ended():
            found = self.states.describe_execution(executionArn=arn)
            return found if found["status"] != "RUNNING" else None

        found = until(ended, seconds=300, what="end of the execution", every=0.1)
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=arn)
        entered = [event.get("stateEnteredEventDetails") for page in pages for event in page["events"]]
        top = walks.definition()["States"]
        passed = [details["name"] for details in entered if details and details["name"] in top]
        return passed, found, self.states.list_map_runs(executionArn=arn)["mapRuns"]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    cloud = LocalCloud(tmp_path_factory.mktemp("cloud"), say=lambda _: None)
    cloud.start_emulator()
    yield Pipeline(cloud)
    assert cloud.down() == ["emulator"]


@pytest.mark.parametrize("mode", ["inline", "distributed"])
def test_the_emulator_goes_the_way_of_the_strict_walk(pipeline, mode):
    passed, found, runs = pipeline.run(mode, 4)

    plan = [walks.RELEASED["plan"][0] | {"next": mode, "tasks": ["t0", "t2", "t3"]}, walks.RELEASED["plan"][1]]
    world = walks.World(plan=plan, **{"release__weigh": WEIGHED, "release__judge": ANSWERS["release judge"]})
    strict = [name for name in walks.walk(world).passed if name in walks.definition()["States"]]
    assert found["status"] == "SUCCEEDED", found
    assert json.loads(found["output"])["outcome"] == "released"
    assert passed == strict
    assert pipeline.dynamodb.scan(TableName="control")["Items"] == []
    # The task that failed stops nothing: its child has caught it.
    counts = [pipeline.states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"] for run in runs]
    assert [count["succeeded"] for count in counts] == ([4] if mode == "distributed" else [])
