"""Smoke test of a deployed stack: file drop, API and alarms.

``python -m slipcast_cli.smoke --stack slipcast-staging``; ``make smoke STACK=slipcast-staging`` calls it. It finds
everything by the stack's outputs and works with the rights of the caller (docs/deploy.md#smoke-test). Exit code 0: all
checks pass; 1: at least one fails; 2: the arguments are wrong.
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from slipcast_cli import stack as stacks
from slipcast_cli.findings import Finding, as_json, failed, of_error, ok, passed, warned

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "nyc_sca_2022-12.csv"
# The source of a file is its name: it identifies this test's file in reports, predictions and audit trail.
SOURCE = "slipcast-smoke"
ACTIVITY = {
    **{"activity_id": "smoke-test", "phase": "Design", "work_type": "SCA CIP", "location": "district 01"},
    **{"data_date": "2025-03-31", "start": "2025-03-03", "baseline_finish": "2025-09-30", "budget": 343300},
}
TOKEN = "SLIPCAST_TOKEN"  # noqa: S105
# Temporary answers: a new API key or a new deployment of the API takes a moment to be active everywhere.
PASSING = {403, 429, 500, 502, 503, 504}
# Missing data count in every alarm of the stack, so that CloudWatch gives it a state soon after it was made.
SETTLED = timedelta(hours=1)
HARMLESS_ALARM = "pipeline-timed-out"
REDACTED_DETAIL = 300


@dataclass(frozen=True)
class Settings:
    """Settings of the test: checks and waiting times.

    Parameters
    ----------
    file
        schedule that is dropped; None drops nothing
    mix
        whether it is also dropped into a stack that learns from other sources
    require_release
        whether only a release by this very file passes
    minutes
        maximum minutes of the execution
    api_seconds
        maximum seconds during which the API may give temporary errors
    alarms
        whether an alarm is switched on, to see that it reaches the trigger function
    every
        seconds between two looks
    say
        called with each line of progress
    """

    file: Path | None = EXAMPLE
    mix: bool = False
    require_release: bool = False
    minutes: float = 60
    api_seconds: float = 120
    alarms: bool = False
    every: float = 5
    say: Callable[[str], None] = print


class Smoke:
    """The checks of one stack."""

    def __init__(self, stack: stacks.DeployedStack, settings: Settings, session: boto3.Session | None = None) -> None:
        self.stack, self.settings = stack, settings
        self.session = session or boto3.Session()

    def run(self) -> Iterator[Finding]:
        """Yield the findings of all checks; an error of AWS in a check is a finding too."""
        checks = [("api", self.api, "execute-api:Invoke"), ("alarms", self.wiring, "cloudwatch:DescribeAlarms")]
        if self.settings.file is not None:
            checks.insert(0, ("file", self.file, "states:DescribeExecution"))
        if self.settings.alarms:
            checks.append(("alarm test", self.alarm_test, "cloudwatch:SetAlarmState"))
        for name, check, permission in checks:
            try:
                yield from check()
            except (ClientError, BotoCoreError) as error:
                call = f"{getattr(error, 'operation_name', '') or permission} (cicd/deploy-roles.yaml has it)"
                yield of_error(name, error, call, optional=False)
            except stacks.StackError as error:
                yield failed(name, str(error), error.remedy)

    # A file

    def file(self) -> Iterator[Finding]:
        """Drop the file and follow the execution that it starts."""
        path = self.settings.file
        bucket = self.stack.output("DataBucketName")
        if path is None or not path.is_file():
            yield failed("file", f"{path} is no file", "name a schedule with FILE=<path>")
            return
        others = self._other_sources(bucket)
        if others and not self.settings.mix:
            yield failed(
                "file",
                f"the stack learns from {', '.join(others[:3])}: it would learn from the test file, too",
                "NO_FILE=1 tests without a file; MIX=1 drops it all the same",
            )
            return
        key = f"incoming/{SOURCE}_{path.name}"
        s3, began = self.session.client("s3"), datetime.now(UTC)
        put = s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        self.settings.say(f"  dropped s3://{bucket}/{key}")
        execution = self._wait(lambda: self._started_by(key, put.get("VersionId", ""), began), seconds=180)
        if execution is None:
            yield failed(
                "file",
                "no execution began within three minutes of the file's arrival",
                "make dead-letters lists what could not be delivered; look at the log of the trigger function",
            )
            return
        yield from self._follow(execution)

    def _other_sources(self, bucket: str) -> list[str]:
        pages = self.session.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="sources/")
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        names = sorted({key.removeprefix("sources/").rpartition("/")[0] for key in keys})
        return [name for name in names if not name.startswith(SOURCE)]

    def _started_by(self, key: str, version: str, since: datetime) -> str | None:
        """Return the ARN of the execution that a version of an object has started; None if there is none yet."""
        states = self.session.client("stepfunctions")
        found = states.list_executions(stateMachineArn=self.stack.output("StateMachineArn"), maxResults=100)
        for item in found["executions"]:
            # The clocks of this machine and of AWS may differ.
            if item["startDate"] < since - timedelta(minutes=5):
                continue
            given = json.loads(states.describe_execution(executionArn=item["executionArn"]).get("input") or "{}")
            source = given.get("source") or {}
            if source.get("key") == key and (not version or source.get("version_id") == version):
                return item["executionArn"]
        return None

    def _follow(self, arn: str) -> Iterator[Finding]:
        states = self.session.client("stepfunctions")
        name = arn.rpartition(":")[2]
        self.settings.say(f"  execution {name}")
        seen: list[str] = []

        def look() -> Mapping[str, Any] | None:
            description = states.describe_execution(executionArn=arn)
            for state in self._states(arn)[len(seen) :]:
                seen.append(state)
                self.settings.say(f"    {state}")
            waits = description["status"] == "RUNNING" and seen[-1:] != ["AskApproval"]
            return None if waits else description

        ended = self._wait(look, seconds=60 * self.settings.minutes)
        if ended is None:
            state = seen[-1] if seen else "none yet"
            yield failed(
                "execution",
                f"{name} still runs after {self.settings.minutes:g} min, state {state}",
                "wait longer with MINUTES=<n>: a canary with little traffic takes CanaryMaxMinutes for each step",
            )
        elif ended["status"] == "RUNNING":
            # An approval may take days.
            yield warned(
                "execution",
                f"{name} waits for a person's approval",
                "open the link in the mail; then NO_FILE=1 tests the released model",
            )
            yield from self._live("the release waits for approval")
        elif ended["status"] != "SUCCEEDED":
            cause = f"{ended.get('error', '')} {ended.get('cause', '')}".strip()[:REDACTED_DETAIL]
            yield failed(
                "execution",
                f"{name} ended as {ended['status']}: {cause or 'no cause is given'}",
                f"aws stepfunctions get-execution-history --execution-arn {arn} --reverse-order --max-results 20",
            )
        else:
            yield from self._outcome(name, json.loads(ended.get("output") or "{}"))

    def _outcome(self, name: str, output: dict[str, Any]) -> Iterator[Finding]:
        outcome, why = output.get("outcome"), output.get("why") or "no reason is given"
        if outcome == "released":
            yield passed("execution", f"{name} released version {output.get('version')}: {why}")
        elif outcome == "refused":
            yield failed(
                "execution", f"{name} refused the file: {why}", f"read reports/{name}/intake.html in the bucket"
            )
        elif outcome in ("kept", "ingested", "rolled_back"):
            said = f"{name} ended as {outcome}: {why}"
            if self.settings.require_release:
                yield failed(
                    "execution", said, "drop a file that a model is released from, or leave REQUIRE_RELEASE out"
                )
                return
            yield passed("execution", said)
            yield from self._live("nothing was released")
        else:
            yield failed("execution", f"{name} ended as {outcome}: {why}", "make history says more")

    def _live(self, why: str) -> Iterator[Finding]:
        """Return the finding for an execution without a release: it passes only if a model is already live."""
        version, has_model = self._live_version()
        if has_model:
            yield passed("model", f"version {version} is live")
        else:
            yield failed(
                "model",
                f"no model is live and {why}",
                "drop a schedule with at least MinMaturedRows known outcomes",
            )

    def _live_version(self) -> tuple[str, bool]:
        """Return the version that the alias points at, and whether it has a model."""
        function, client = self.stack.output("PredictFunctionName"), self.session.client("lambda")
        version = client.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
        settings = client.get_function_configuration(FunctionName=function, Qualifier=version)
        return version, bool(settings.get("Environment", {}).get("Variables", {}).get("MODEL_SHA256"))

    def _states(self, arn: str) -> list[str]:
        pages = self.session.client("stepfunctions").get_paginator("get_execution_history")
        events = (
            event for page in pages.paginate(executionArn=arn, includeExecutionData=False) for event in page["events"]
        )
        return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]

    # The API

    def api(self) -> Iterator[Finding]:
        """Request a prediction with the authentication of the stack's ApiAuth."""
        auth = self.stack.parameters.get("ApiAuth", "api_key")
        url = f"{self.stack.api_url()}/predictions"
        if auth == "jwt" and not os.environ.get(TOKEN):
            yield failed(
                "api",
                f"ApiAuth is jwt and {TOKEN} is not set",
                f"export {TOKEN}=<a token of the stack's Cognito user pool>",
            )
            return
        body = json.dumps({"activities": [ACTIVITY]}).encode()
        headers = {"Content-Type": "application/json"} | self._credentials(auth, url, body)
        last: tuple[int, Any] = (0, "")

        def ask() -> tuple[int, Any] | None:
            nonlocal last
            last = _post(url, body, headers)
            return last if last[0] == 200 or last[0] not in PASSING else None

        self._wait(ask, seconds=self.settings.api_seconds)
        status, answer = last
        if status == 503 and self.settings.file is None and not self._live_version()[1]:
            # Expected until the first schedule is dropped.
            yield warned("api", "it answers that no model is live yet", "drop a schedule, then run this test again")
        elif status != 200:
            yield self._refused(status, answer, auth)
        else:
            yield from self._judge(answer)

    def _credentials(self, auth: str, url: str, body: bytes) -> dict[str, str]:
        if auth == "jwt":
            return {"Authorization": os.environ[TOKEN]}
        if auth == "iam":
            request = AWSRequest(method="POST", url=url, data=body, headers={"Content-Type": "application/json"})
            credentials = self.session.get_credentials()
            if credentials is None:
                raise NoCredentialsError()
            SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self.session.region_name).add_auth(request)
            return dict(request.headers.items())
        client = self.session.client("apigateway")
        return {"x-api-key": client.get_api_key(apiKey=self.stack.output("ApiKeyId"), includeValue=True)["value"]}

    def _refused(self, status: int, answer: Any, auth: str) -> Finding:
        detail = answer.get("detail", answer) if isinstance(answer, dict) else answer
        said = f"POST /predictions answered {status or 'nothing'}: {str(detail)[:REDACTED_DETAIL]}"
        if status in (401, 403):
            remedies = {
                "iam": "allow execute-api:Invoke on the API to the caller",
                "jwt": f"export {TOKEN}=<a token that has not expired and grants JwtScope>",
            }
            return failed(
                "api", said, remedies.get(auth, "is the key in the usage plan? Deploy again with make deploy")
            )
        if status == 503:
            return failed("api", said, "no model is live yet: drop a schedule, or run this test with a file")
        if status == 0:
            return failed("api", said, "check the network, the proxy, and the output ApiUrl of the stack")
        return failed("api", said, "look at the log of the predict function; make rollback if it began with a release")

    def _judge(self, answer: Any) -> Iterator[Finding]:
        try:
            probability = answer["predictions"][0]["probability"]
            version = str(answer["model"]["version"])
        except (KeyError, IndexError, TypeError):
            yield failed(
                "api",
                f"the answer holds no prediction: {str(answer)[:REDACTED_DETAIL]}",
                "look at the log of the predict function",
            )
            return
        function = self.stack.output("PredictFunctionName")
        alias = self.session.client("lambda").get_alias(FunctionName=function, Name="live")
        routed = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
        live = {alias["FunctionVersion"], *routed}
        if not 0 < probability < 1:
            yield failed("api", f"the probability is {probability}", "make rollback goes back to the version before")
        elif version not in live:
            yield failed(
                "api",
                f"version {version} answered, the alias live points at {', '.join(sorted(live))}",
                "does the API call the alias? Deploy again with make deploy",
            )
        else:
            yield passed("api", f"version {version} answered {probability:.3f}")

    # Alarms

    def wiring(self) -> Iterator[Finding]:
        """Check that every alarm has a state and acts on the topic, and that the trigger function listens there."""
        topic, trigger = self.stack.output("TopicArn"), self.stack.output("TriggerFunctionName")
        kinds = ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
        made = [item for item in stacks.resources(self.stack.name, self.session) if item["ResourceType"] in kinds]
        names = sorted(item["PhysicalResourceId"].rpartition(":")[2] for item in made)
        alarms = self._alarms(names)
        wrong = []
        for name in names:
            alarm = alarms.get(name)
            if alarm is None:
                wrong.append(failed("alarms", f"{name} is gone", "make it again: docs/operations.md#gone"))
            elif topic not in alarm["AlarmActions"]:
                wrong.append(
                    failed("alarms", f"{name} does not act on the topic", "make deploy, or put the action back by hand")
                )
            elif not alarm["ActionsEnabled"]:
                remedy = f"aws cloudwatch enable-alarm-actions --alarm-names {name}"
                wrong.append(failed("alarms", f"the actions of {name} are switched off", remedy))
            elif self._stuck(alarm):
                remedy = "does its metric have the dimensions that the functions write? docs/operations.md#alarms"
                wrong.append(failed("alarms", f"{name} has had no state for more than an hour", remedy))
        if not names:
            wrong.append(failed("alarms", "the stack has no alarm", "deploy it from this template with make deploy"))
        yield from wrong
        if not wrong:
            yield passed("alarms", f"all {len(names)} act on the topic")
        if on := [name for name in names if name in alarms and alarms[name]["StateValue"] == "ALARM"]:
            yield warned(
                "alarms", f"on: {', '.join(on)}", "docs/operations.md#alarms; monitor-silent is on until the first run"
            )
        yield from self._listeners(topic, trigger)

    def _alarms(self, names: list[str]) -> dict[str, Mapping[str, Any]]:
        client = self.session.client("cloudwatch")
        found: list[Mapping[str, Any]] = []
        for first in range(0, len(names), 100):
            answer = client.describe_alarms(
                AlarmNames=names[first : first + 100], AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
            )
            found += [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        return {alarm["AlarmName"]: alarm for alarm in found}

    def _stuck(self, alarm: Mapping[str, Any]) -> bool:
        changed = alarm.get("AlarmConfigurationUpdatedTimestamp")
        return (
            alarm["StateValue"] == "INSUFFICIENT_DATA" and changed is not None and datetime.now(UTC) - changed > SETTLED
        )

    def _listeners(self, topic: str, trigger: str) -> Iterator[Finding]:
        pages = self.session.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        subscriptions = [item for page in pages for item in page["Subscriptions"]]
        functions = [item["Endpoint"] for item in subscriptions if item["Protocol"] == "lambda"]
        if any(arn.endswith(f":function:{trigger}") for arn in functions):
            yield passed("topic", f"{trigger} is subscribed")
        else:
            yield failed("topic", f"{trigger} is not subscribed: no alarm starts a training", "docs/operations.md#gone")
        waiting = [item["Endpoint"] for item in subscriptions if item["SubscriptionArn"] == "PendingConfirmation"]
        if waiting:
            yield warned(
                "topic", f"not confirmed: {', '.join(waiting)}", "open the link in the mail of AWS Notifications"
            )

    def alarm_test(self) -> Iterator[Finding]:
        """Set an alarm that starts nothing to ALARM; its notification must reach the trigger function."""
        name, trigger = f"{self.stack.name}-{HARMLESS_ALARM}", self.stack.output("TriggerFunctionName")
        cloudwatch, began = self.session.client("cloudwatch"), int(time.time() * 1000)
        # CloudFormation names the group.
        configuration = self.session.client("lambda").get_function_configuration(FunctionName=trigger)
        group = configuration["LoggingConfig"]["LogGroup"]
        # An alarm acts on a change alone.
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="smoke test begins")
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="smoke test, nothing is wrong")
        try:
            arrived = self._wait(lambda: self._heard(group, began), seconds=self.settings.api_seconds)
        finally:
            cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="smoke test is over")
        if arrived:
            yield passed("alarm test", f"{name} reached {trigger}")
        else:
            yield failed(
                "alarm test",
                f"{trigger} was not called within {self.settings.api_seconds:g} s of {name}",
                "look at the topic's subscriptions and policy, and at make dead-letters",
            )

    def _heard(self, group: str, since_ms: int) -> bool | None:
        logs = self.session.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms)
        lines = (event["message"] for page in pages for event in page["events"])
        # The trigger returns no outcome for an alarm that does not ask for a training.
        return any('"message":"trigger"' in line and '"outcomes":[]' in line for line in lines) or None

    def _wait[Found](self, look: Callable[[], Found | None], *, seconds: float) -> Found | None:
        deadline = time.monotonic() + seconds
        while True:
            if (found := look()) is not None:
                return found
            if time.monotonic() + self.settings.every > deadline:
                return None
            time.sleep(self.settings.every)


def _post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
    """Return status and parsed body of an answer; status 0 and the reason if there is none."""
    request = urllib.request.Request(url, body, headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=35) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raw = error.read()
        try:
            return error.code, json.loads(raw)
        except ValueError:
            return error.code, raw.decode(errors="replace")
    except (OSError, ValueError) as error:
        return 0, str(error)


def main(arguments: list[str] | None = None) -> int:
    """Run the smoke test and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m slipcast_cli.smoke", description=__doc__)
    parser.add_argument("--stack", default="slipcast", help="name of the CloudFormation stack (slipcast)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--file", type=Path, default=EXAMPLE, help="schedule to drop (examples/nyc_sca_2022-12.csv)")
    what.add_argument("--no-file", action="store_true", help="drop nothing: a stack that learns from files of its own")
    parser.add_argument("--mix", action="store_true", help="drop the file though the stack learns from other sources")
    parser.add_argument("--require-release", action="store_true", help="only a release by this file passes")
    parser.add_argument("--minutes", type=float, default=60, help="how long the execution may take (60)")
    parser.add_argument("--api-seconds", type=float, default=120, help="how long the API may be away (120)")
    parser.add_argument(
        "--alarms", action="store_true", help="switch an alarm on; whoever is subscribed gets a message"
    )
    parser.add_argument("--every", type=float, default=5, help="seconds between two looks (5)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON; progress goes to standard error")
    options = parser.parse_args(arguments)
    settings = Settings(
        file=None if options.no_file else options.file,
        mix=options.mix,
        require_release=options.require_release,
        minutes=options.minutes,
        api_seconds=options.api_seconds,
        alarms=options.alarms,
        every=options.every,
        say=lambda line: print(line, file=sys.stderr if options.json else sys.stdout, flush=True),
    )
    found: list[Finding] = []
    try:
        for finding in Smoke(stacks.find(options.stack), settings).run():
            found.append(finding)
            settings.say(finding.line())
    except stacks.StackError as error:
        found.append(failed("stack", str(error), error.remedy))
        settings.say(found[-1].line())
    except (ClientError, BotoCoreError) as error:
        found.append(of_error("stack", error, "cloudformation:DescribeStacks", optional=False))
        settings.say(found[-1].line())
    if options.json:
        print(as_json(found, stack=options.stack))
    return 0 if ok(found) else 1


if __name__ == "__main__":
    sys.exit(main())
