"""An alarm storm on the local cloud: one retraining runs, the rest is recorded, no file is lost."""

import json
import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from local.demo import OLDER
from local.watch import Stack, until
from support.families import search_all_families, search_only

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]
MESSAGES, DISTINCT = 500, 400
BURST = 10
# An execution lets go of its claim in its last state but one.
NOTIFYING = timedelta(seconds=15)


class Storm:
    """What happens at once: alarm messages, files, a person; and what the control table says of it afterwards."""

    def __init__(self, cloud) -> None:
        self.stack, self.began = Stack(cloud), datetime.now(UTC)
        self.dynamodb, self.table = cloud.client("dynamodb"), cloud.env["SLIPCAST_CONTROL_TABLE"]
        # Of its own: messages of this storm are known by their reason.
        self.name = f"storm {self.began:%H%M%S}"

    def forget(self) -> None:
        """As after a quiet day: no alarm is open, no cooldown is left."""
        for sk in ("alarms", "last_start"):
            self.dynamodb.delete_item(TableName=self.table, Key={"pk": {"S": "GATE"}, "sk": {"S": sk}})

    def items(self, pk: str) -> list[dict[str, str]]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.table)
        found = [item for page in pages for item in page["Items"] if item["pk"]["S"] == pk]
        return [{name: value.get("S", "") for name, value in item.items()} for item in found]

    def asked(self, reason: str) -> list[dict[str, str]]:
        """Answers of the trigger since this storm began, those to alarms of this storm only."""
        since = self.began.strftime("%Y-%m-%dT%H:%M:%S")
        entries = [item for item in self.items("AUDIT") if item["what"] == "gate" and item["sk"] > since]
        return [
            item for item in entries if item["reason"] == reason and (reason != "alarm" or self.name in item["detail"])
        ]

    def alarm(self, number: int) -> None:
        message = {
            "AlarmName": self.stack.env["SLIPCAST_DRIFT_ALARM"],
            "NewStateValue": "ALARM",
            "NewStateReason": f"{self.name}, {number}",
            "StateChangeTime": (self.began + timedelta(milliseconds=number)).isoformat(),
        }
        self.stack.sns.publish(TopicArn=self.stack.env["SLIPCAST_TOPIC_ARN"], Message=json.dumps(message))

    def alarms(self, numbers: list[int], before: int) -> None:
        """Send messages as fast as the trigger answers them, `BURST` ahead.

        The emulator starts a process for each delivery that finds none idle: without this, hundreds.
        """
        for place in range(0, len(numbers), BURST):
            for number in numbers[place : place + BURST]:
                self.alarm(number)
            self._answered(before + place)

    def _answered(self, wanted: int) -> None:
        until(lambda: len(self.asked("alarm")) >= wanted or None, seconds=600, what=f"{wanted} answers", every=0.2)

    def manual(self) -> str:
        request = json.dumps({"reason": "manual", "id": self.name, "detail": "a person, in the middle of it"})
        answer = self.stack.lambdas.invoke(FunctionName=self.stack.env["SLIPCAST_TRIGGER_FUNCTION"], Payload=request)
        return json.loads(answer["Payload"].read())["outcomes"][0]


def schedule(name: str, rows: int, begin: int) -> bytes:
    """Activities with known outcomes that no file had before, as another portfolio of the same agency."""
    table = pd.read_csv(EXAMPLES / OLDER, dtype=str, keep_default_na=False).iloc[begin : begin + rows].copy()
    table["activity_id"] = name + "-" + table["activity_id"]
    table["project_id"] = name + "-" + table["project_id"]
    return table.to_csv(index=False).encode()


@pytest.fixture(scope="module")
def storm(cloud) -> Iterator[Storm]:
    """A stack with a live model and a file with new outcomes that waits for the next alarm."""
    stack, found = Stack(cloud), Storm(cloud)
    search_only(stack, "logistic_regression")
    if stack.ask("/model")[0] != 200:
        before = stack.executions()
        stack.drop(OLDER, (EXAMPLES / OLDER).read_bytes())
        assert stack.finish(stack.new_execution(before))["output"]["outcome"] == "released"
    found.forget()
    before = stack.executions()
    stack.drop(f"{found.name}-waits.csv", schedule(f"{found.name}-w", 400, 0))
    outcome = stack.finish(stack.new_execution(before))["output"]
    assert outcome["outcome"] == "ingested", outcome
    yield found
    search_all_families(stack)


def test_of_a_storm_one_retraining_runs_the_rest_is_coalesced_and_no_file_is_lost(storm):
    stack = storm.stack
    before = stack.executions()
    # Re-ordered, a fifth of them twice.
    numbers = random.Random(7).choices(range(DISTINCT), k=MESSAGES - DISTINCT) + list(range(DISTINCT))
    random.Random(8).shuffle(numbers)
    files = {
        f"{storm.name}-{number}.csv": schedule(f"{storm.name}-{number}", 60, 400 + 60 * number) for number in (1, 2)
    }

    storm.began = datetime.now(UTC)
    began = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        storm.alarms(numbers[: MESSAGES // 2], 0)
        dropped = [pool.submit(stack.drop, *file) for file in files.items()]
        person = pool.submit(storm.manual)
        storm.alarms(numbers[MESSAGES // 2 :], MESSAGES // 2)
        assert [future.result() for future in dropped] == [None, None]
    published = time.monotonic() - began

    answers = until(
        lambda: found if len(found := storm.asked("alarm")) >= MESSAGES else None,
        seconds=600,
        what=f"Answers of the trigger to each of {MESSAGES} messages",
        every=2,
    )
    outcomes = [item["outcome"] for item in answers]
    assert outcomes.count("started") == 1
    assert set(outcomes) <= {"started", "coalesced", "duplicate", "cooldown"}
    assert len(outcomes) == MESSAGES
    (started,) = [item["execution"] for item in answers if item["outcome"] == "started"]
    # On a slow machine the training may be over before the last messages are asked about: those find the cooldown.
    over = stack.outcome(stack.machine.replace(":stateMachine:", ":execution:") + f":{started}").get("stopDate")
    late = [item["sk"] for item in answers if item["outcome"] == "cooldown"]
    assert not late or (over.astimezone(UTC) - NOTIFYING).strftime("%Y-%m-%dT%H:%M:%S") <= min(late)
    assert outcomes.count("coalesced") >= MESSAGES // 2
    assert {item["into"] for item in answers if item["outcome"] == "coalesced"} == {started}
    assert person.result() == "coalesced"
    assert [item["into"] for item in storm.asked("manual")] == [started]

    # Both files were taken in by executions of their own, and started no training.
    new = until(
        lambda: found if len(found := stack.executions().keys() - before.keys()) >= 3 else None,
        seconds=300,
        what="three executions",
    )
    ended = {arn: stack.finish(arn) for arn in new}
    trained = [arn for arn in new if "Plan" in stack.seconds_per_state(arn)]
    assert [arn.rsplit(":", 1)[-1] for arn in trained] == [started]
    assert {outcome["status"] for outcome in ended.values()} == {"SUCCEEDED"}
    by_file = [outcome["output"]["outcome"] for arn, outcome in ended.items() if arn not in trained]
    assert by_file == ["ingested", "ingested"]
    latest = next(item for item in storm.items("DATASET"))
    manifest = stack.document(json.loads(latest["reference"])["manifest_uri"].split("/", 3)[-1])
    taken_in = {source["uri"].rsplit("/", 1)[-1] for source in manifest["sources"]}
    assert taken_in >= {*files, f"{storm.name}-waits.csv"}
    print(f"{MESSAGES} messages published in {published:.1f} s, answered within {time.monotonic() - began:.1f} s")


def test_the_history_tells_the_storm_in_a_few_lines(storm):
    text = stack_history(storm)

    assert len([line for line in text if re.search(r"alarm +started +(released|kept)", line)]) == 1
    coalesced = [line for line in text if "coalesced" in line]
    assert sum(int(found[1]) for line in coalesced if (found := re.search(r"(\d+) requests until", line))) >= 300
    assert any("manual" in line for line in coalesced)
    assert len(text) < 20


def stack_history(storm) -> list[str]:
    printed = storm.stack.run("history", "--last", "0")
    since = storm.began.strftime("%Y-%m-%d %H:%M:%S")
    return [line for line in printed.splitlines() if line[:19] >= since and line[:4].isdigit()]


def test_after_the_storm_the_gate_is_open_again(storm):
    now = datetime.now(UTC)
    item = storm.dynamodb.get_item(
        TableName=storm.table, Key={"pk": {"S": "GATE"}, "sk": {"S": "last_start"}}, ConsistentRead=True
    )["Item"]

    assert "lands_by_ms" not in item
    assert not [lease for lease in storm.items("LEASE") if int(lease["expires_at_ms"] or 0) > now.timestamp() * 1000]
