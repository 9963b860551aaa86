"""Preflight check of an AWS account: all conditions that would stop a deployment, each with its remedy.

``python -m slipcast_cli.preflight [--env staging]``; ``make preflight`` and ``make deploy`` call it. It reads
samconfig.toml and template.yaml and changes nothing in the account, except that a template which is too long to be sent
is stored in sam's own bucket during the check (docs/deploy.md#preflight). Exit code 0: nothing stops the deployment; 1:
at least one check fails.
"""

import argparse
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound

from slipcast_cli import settings
from slipcast_cli import stack as stacks
from slipcast_cli.findings import FAIL, SKIPPED, Finding, as_json, code_of, failed, of_error, ok, passed, warned

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
MAX_INLINE_TEMPLATE = 51_200
# Lambda's memory limit in accounts with reduced quotas. No API returns this quota: Service Quotas does not list it.
REDUCED_MEMORY = 3008
# Lambda reserves this many executions for functions without reserved concurrency; accounts with fewer can reserve none:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
UNRESERVED = 100
# Maximum length of resource names, from CloudFormation's schemas.
NAME_LIMITS = {
    ("AWS::Serverless::Function", "FunctionName"): 64,
    ("AWS::Lambda::Function", "FunctionName"): 64,
    ("AWS::Serverless::StateMachine", "Name"): 80,
    ("AWS::SQS::Queue", "QueueName"): 80,
    ("AWS::Serverless::LayerVersion", "LayerName"): 140,
    ("AWS::CloudWatch::Alarm", "AlarmName"): 255,
}
CONCURRENCY_QUOTA = "L-B99A9384"
SAM_STACK = "aws-sam-cli-managed-default"
BROKEN = {
    "ROLLBACK_COMPLETE": "delete what is left: aws cloudformation delete-stack --stack-name {name}",
    "ROLLBACK_FAILED": "delete what is left: aws cloudformation delete-stack --stack-name {name}",
    "CREATE_FAILED": "delete what is left: aws cloudformation delete-stack --stack-name {name}",
    "DELETE_FAILED": "remove what the events name, then aws cloudformation delete-stack --stack-name {name}",
    "UPDATE_ROLLBACK_FAILED": "aws cloudformation continue-update-rollback --stack-name {name}",
}


class Preflight:
    """The checks of one deployment.

    Parameters
    ----------
    stack
        name of the stack
    given
        parameters with values other than their defaults
    file
        the template
    """

    def __init__(
        self,
        session: boto3.Session,
        stack: str,
        given: dict[str, str] | None = None,
        file: Path = settings.ROOT / "template.yaml",
    ) -> None:
        self.session, self.stack, self.given, self.file = session, stack, given or {}, file
        region = session.region_name or "us-east-1"
        self.template = settings.Template(self._place(region, "000000000000"), self.given, file)

    def _place(self, region: str, account: str) -> settings.Place:
        try:
            partition = self.session.get_partition_for_region(region)
        except (BotoCoreError, ValueError):
            partition = "aws"
        return settings.Place(self.stack, region, account, partition)

    def run(self) -> Iterator[Finding]:
        """Yield the findings of all checks; without credentials, those that need them are skipped."""
        yield from self.names()
        yield from self.parameters()
        region = list(self.region())
        credentials = list(self.credentials()) if self._good(region) else []
        yield from [*region, *credentials]
        remote: list[tuple[str, Callable[[], Iterator[Finding]], str]] = [
            ("stack", self.state, "cloudformation:DescribeStacks"),
            ("concurrency", self.concurrency, "lambda:GetAccountSettings"),
            ("memory", self.memory, "lambda:ListFunctions"),
            ("state machine", self.definition, "states:ValidateStateMachineDefinition"),
            ("template", self.body, "cloudformation:ValidateTemplate"),
            ("mlflow", self.mlflow, "cloudformation:DescribeType"),
            ("api log role", self.api_log_role, "apigateway:GET"),
        ]
        for name, check, permission in remote:
            if not self._good([*region, *credentials]):
                yield Finding(name, SKIPPED, "not checked without credentials and region")
                continue
            try:
                yield from check()
            except (ClientError, BotoCoreError) as error:
                yield of_error(name, error, permission)

    @staticmethod
    def _good(findings: list[Finding]) -> bool:
        return all(finding.status != FAIL for finding in findings)

    # Without an account

    def names(self) -> Iterator[Finding]:
        """Check that the stack's name is valid and short enough for the names built from it."""
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,127}", self.stack):
            yield failed(
                "stack name", f"{self.stack!r} is no name for a stack", "begin with a letter; letters, digits, hyphens"
            )
            return
        long = []
        for (kind, key), limit in NAME_LIMITS.items():
            long += [
                (len(name) - limit, name, limit) for name in self.template.fixed_names(kind, key) if len(name) > limit
            ]
        if long:
            over, name, limit = max(long)
            room = len(self.stack) - over
            yield failed(
                "stack name",
                f"{name} would have {len(name)} characters, {limit} are allowed",
                f"choose a stack name of at most {room} characters",
            )
        else:
            yield passed("stack name", self.stack)

    def parameters(self) -> Iterator[Finding]:
        """Check that the given parameters exist and have allowed values."""
        wrong = [
            failed(
                "parameters", f"the template has no parameter {name}", "correct parameter_overrides in samconfig.toml"
            )
            for name in self.template.unknown
        ]
        for name, item in self.template.document.get("Parameters", {}).items():
            if reason := _not_allowed(item, self.template.parameters[name]):
                wrong.append(
                    failed(
                        "parameters",
                        f"{name} is {self.template.parameters[name]!r}: {reason}",
                        "correct parameter_overrides",
                    )
                )
        yield from wrong or [passed("parameters", f"{len(self.given)} differ from their defaults")]

    # The account

    def region(self) -> Iterator[Finding]:
        """Check that a region is set and has Lambda."""
        region = self.session.region_name
        if not region:
            yield failed("region", "no region is set", "export AWS_REGION=<region>, or region in samconfig.toml")
            return
        partition = self.template.place.partition
        known = self.session.get_available_regions("lambda", partition_name=partition)
        if region not in known:
            yield failed(
                "region", f"{region} is no region that is known", "correct AWS_REGION, or update boto3 with uv lock"
            )
        elif partition != "aws" and "arn:aws:states:::" in self.template.definition:
            yield failed(
                "region",
                f"{region} is in the partition {partition}",
                "the state machine names arn:aws: use a commercial region",
            )
        else:
            yield passed("region", region)

    def credentials(self) -> Iterator[Finding]:
        """Check that there are valid credentials."""
        try:
            who = self.session.client("sts").get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            found = of_error("credentials", error, "sts:GetCallerIdentity", optional=False)
            if code_of(error) == "InvalidClientTokenId":
                found = failed(
                    "credentials", found.text, f"{found.remedy}; is {self.session.region_name} enabled for the account?"
                )
            yield found
            return
        self.template = settings.Template(self._place(self.session.region_name, who["Account"]), self.given, self.file)
        yield passed("credentials", f"account {who['Account']} as {who['Arn']}")

    def state(self) -> Iterator[Finding]:
        """Check that the stack can be created or updated, and that no resource of an earlier stack conflicts."""
        found = stacks.describe(self.stack, self.session)
        if found is None:
            yield from self._leftovers()
        elif found.status in BROKEN:
            yield failed(
                "stack",
                f"{self.stack} is in state {found.status} {found.reason}",
                BROKEN[found.status].format(name=self.stack),
            )
        elif found.status.endswith("_IN_PROGRESS") and found.status != "REVIEW_IN_PROGRESS":
            wait = {"CREATE_IN_PROGRESS": "stack-create-complete", "DELETE_IN_PROGRESS": "stack-delete-complete"}
            kind = wait.get(found.status, "stack-update-complete")
            yield failed(
                "stack",
                f"{self.stack} is in state {found.status}",
                f"aws cloudformation wait {kind} --stack-name {self.stack}",
            )
        else:
            yield passed("stack", f"{self.stack} is in state {found.status}")

    def _leftovers(self) -> Iterator[Finding]:
        wrong = []
        wanted = self.template.fixed_names("AWS::Logs::LogGroup", "LogGroupName")
        logs = self.session.client("logs").get_paginator("describe_log_groups")
        for prefix in sorted({f"{name.rpartition('/')[0]}/{self.stack}-" for name in wanted}):
            for page in logs.paginate(logGroupNamePrefix=prefix):
                for group in page["logGroups"]:
                    if (name := group["logGroupName"]) in wanted:
                        remedy = f"aws logs delete-log-group --log-group-name {name}"
                        wrong.append(failed("leftovers", f"log group {name} is there already", remedy))
        queues = self.template.fixed_names("AWS::SQS::Queue", "QueueName")
        if queues:
            pages = self.session.client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=f"{self.stack}-")
            for url in (url for page in pages for url in page.get("QueueUrls", [])):
                if url.rpartition("/")[2] in queues:
                    remedy = f"read what is in it, then aws sqs delete-queue --queue-url {url}"
                    wrong.append(failed("leftovers", f"queue {url} is there already", remedy))
        yield from wrong or [passed("stack", f"{self.stack} is new, nothing is in its way")]

    def concurrency(self) -> Iterator[Finding]:
        """Check that the account allows the concurrency that the parameters need."""
        answer = self.session.client("lambda").get_account_settings()
        limits, used = answer["AccountLimit"], answer.get("AccountUsage", {})
        total, free = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
        remedy = (
            "ask for more: aws service-quotas request-service-quota-increase --service-code lambda "
            f"--quota-code {CONCURRENCY_QUOTA} --desired-value 1000"
        )
        wrong = []
        own = self._reserved()
        present = self._reserved_now(own) if own else {}
        more = sum(value for _, value in own.values()) - sum(present.values())
        kept = min(UNRESERVED, total)
        if more > 0 and free - more < kept:
            names = ", ".join(sorted({name for name, _ in own.values() if name})) or "the reserve in the template"
            wrong.append(
                failed(
                    "concurrency",
                    f"a reserve of {more} leaves {free - more} of {total}; Lambda keeps {kept}",
                    f"set {names} to 0, or {remedy}",
                )
            )
        for value, name in self._map_concurrency():
            room = free - max(more, 0)
            if value >= room:
                lower = f"set {name} below {room}" if name else f"lower MaxConcurrency below {room}"
                wrong.append(
                    warned(
                        "concurrency",
                        f"a search runs up to {value} tasks at once, {room} of {total} are free: it would take longer",
                        f"{lower}, or {remedy}",
                    )
                )
        size, limit = used.get("TotalCodeSize", 0), limits.get("TotalCodeSize", 0)
        if limit and size > 0.9 * limit:
            wrong.append(
                warned(
                    "code storage",
                    f"{size / 1e9:.0f} of {limit / 1e9:.0f} GB are used",
                    "delete old versions and layers",
                )
            )
        yield from wrong
        if not any(finding.check == "concurrency" for finding in wrong):
            yield passed("concurrency", f"{free} of {total} executions are free")

    def _reserved(self) -> dict[str, tuple[str, int]]:
        found = {}
        for _, properties in self.template.functions():
            node = properties.get("ReservedConcurrentExecutions")
            # A disabled reserve is Ref AWS::NoValue in a Fn::If.
            value = str(self.template.value(node))
            if node is not None and value.isdigit():
                found[str(self.template.value(properties["FunctionName"]))] = (self._cause(node), int(value))
        return found

    def _cause(self, node: Any) -> str:
        """Return the parameter that a reserve comes from, also through a Fn::If."""
        if isinstance(node, dict) and "Fn::If" in node:
            return next(filter(None, map(self.template.parameter_of, node["Fn::If"][1:])), "")
        return self.template.parameter_of(node)

    def _reserved_now(self, own: dict[str, Any]) -> dict[str, int]:
        client, found = self.session.client("lambda"), {}
        for name in own:
            try:
                found[name] = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions", 0)
            except ClientError as error:
                if code_of(error) != "ResourceNotFoundException":
                    raise
        return found

    def _map_concurrency(self) -> Iterator[tuple[int, str]]:
        """Yield the number of parallel tasks of a search, and the parameter that sets it."""
        names = re.findall(r"MaxConcurrency:.*\$\{(\w+)\}", self.template.definition_text)
        given = self.template.machine.get("DefinitionSubstitutions", {})
        cause = self.template.parameter_of(given.get(names[0])) if names else ""
        # A number, or a JSONata expression that contains one.
        values = re.findall(r'"MaxConcurrency": (?:"[^"\d]*)?(\d+)', self.template.definition)
        if values:
            yield max(map(int, values)), cause

    def memory(self) -> Iterator[Finding]:
        """Check that the account allows the memory of the functions, or already has a function of that size."""
        asked = {
            name: (int(self.template.value(item["MemorySize"])), item["MemorySize"])
            for name, item in self.template.functions()
        }
        most, (size, node) = max(asked.items(), key=lambda item: item[1][0])
        if size <= REDUCED_MEMORY:
            yield passed("memory", f"{most} asks for {size} MB, which every account gives")
            return
        pages = self.session.client("lambda").get_paginator("list_functions").paginate()
        present = max((item.get("MemorySize", 0) for page in pages for item in page["Functions"]), default=0)
        name = self.template.parameter_of(node) or f"MemorySize of {most}"
        if present >= size:
            yield passed("memory", f"{most} asks for {size} MB, a function with {present} MB is there already")
        else:
            yield warned(
                "memory",
                f"{most} asks for {size} MB; reduced quotas give {REDUCED_MEMORY}, and no API tells the quota",
                f"set {name} to {REDUCED_MEMORY} if this is a new account; support raises the quota",
            )

    def definition(self) -> Iterator[Finding]:
        """Check that Step Functions accepts the state machine."""
        client = self.session.client("stepfunctions")
        answer = client.validate_state_machine_definition(definition=self.template.definition, type="STANDARD")
        for item in answer["diagnostics"]:
            said = f"{item.get('location', '/')}: {item['code']}: {item['message']}"
            if item["severity"] == "ERROR":
                yield failed("state machine", said, "correct statemachine/pipeline.asl.yaml")
            else:
                yield warned("state machine", said, "it deploys; look at the place that is named")
        if answer["result"] == "OK":
            yield passed("state machine", "Step Functions takes the definition")
        elif not answer["diagnostics"]:
            yield failed("state machine", "Step Functions refuses it without a reason", "make lint")

    def body(self) -> Iterator[Finding]:
        """Check that CloudFormation accepts the template."""
        raw = self.template.body.encode()
        client = self.session.client("cloudformation")
        try:
            if len(raw) <= MAX_INLINE_TEMPLATE:
                client.validate_template(TemplateBody=self.template.body)
            else:
                sam = stacks.describe(SAM_STACK, self.session)
                if sam is None or "SourceBucket" not in sam.outputs:
                    yield Finding(
                        "template",
                        SKIPPED,
                        f"{len(raw)} bytes cannot be sent by themselves, and sam's bucket is made by the first "
                        "deployment: its change set validates the template",
                    )
                    return
                with self._uploaded(sam.outputs["SourceBucket"], raw) as url:
                    client.validate_template(TemplateURL=url)
        except ClientError as error:
            if code_of(error) != "ValidationError":
                raise
            yield failed("template", error.response["Error"]["Message"], "make lint; correct template.yaml")
            return
        yield passed("template", "CloudFormation takes it")

    def _uploaded(self, bucket: str, raw: bytes) -> "_Uploaded":
        return _Uploaded(self.session, bucket, raw)

    def mlflow(self) -> Iterator[Finding]:
        """Check that the region has the serverless MLflow app, if the stack creates one."""
        if not list(self.template.resources("AWS::SageMaker::MlflowApp")):
            uri = self.template.parameters.get("MlflowTrackingUri", "")
            yield passed("mlflow", f"no app is made, MlflowTrackingUri is {uri or 'empty'}")
            return
        try:
            self.session.client("cloudformation").describe_type(Type="RESOURCE", TypeName="AWS::SageMaker::MlflowApp")
        except ClientError as error:
            if code_of(error) != "TypeNotFoundException":
                raise
            yield failed(
                "mlflow",
                f"{self.session.region_name} has no serverless MLflow app",
                "set MlflowTrackingUri to none, or to the URI or ARN of a server of yours (docs/deploy.md#mlflow)",
            )
            return
        yield passed("mlflow", "the region has the serverless MLflow app")

    def api_log_role(self) -> Iterator[Finding]:
        """Check that API Gateway may write logs, if the template enables logs of the API."""
        kinds = ("AWS::Serverless::Api", "AWS::ApiGateway::Stage")
        asks = [
            name
            for name, item in self.template.resources(*kinds)
            if "AccessLogSetting" in item
            or any(s.get("LoggingLevel", "OFF") != "OFF" for s in item.get("MethodSettings", []))
        ]
        if not asks:
            yield passed("api log role", "the API writes no log, so no role is needed")
            return
        if self.session.client("apigateway").get_account().get("cloudwatchRoleArn"):
            yield passed("api log role", "the account has one")
        else:
            yield failed(
                "api log role",
                f"{asks[0]} writes a log and API Gateway has no role for it in this region",
                "aws apigateway update-account --patch-operations op=replace,path=/cloudwatchRoleArn,value=<role ARN>",
            )


class _Uploaded:
    """Template that is stored in a bucket during a check."""

    def __init__(self, session: boto3.Session, bucket: str, raw: bytes) -> None:
        self.client, self.bucket, self.raw = session.client("s3"), bucket, raw
        self.key = f"preflight/{uuid.uuid4()}.yaml"

    def __enter__(self) -> str:
        self.client.put_object(Bucket=self.bucket, Key=self.key, Body=self.raw)
        endpoint = self.client.meta.endpoint_url.rstrip("/")
        return f"{endpoint}/{self.bucket}/{self.key}"

    def __exit__(self, *_: object) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.key)


def _not_allowed(item: dict[str, Any], value: str) -> str:
    """Return why a parameter may not have a value; empty if it may."""
    allowed = [str(each) for each in item.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"one of {', '.join(allowed)} is allowed"
    if "AllowedPattern" in item and not re.fullmatch(item["AllowedPattern"], value):
        return "it does not have the form that the parameter's AllowedPattern asks for"
    if item.get("Type") == "Number":
        try:
            number = float(value)
        except ValueError:
            return "it is no number"
        if number < float(item.get("MinValue", number)) or number > float(item.get("MaxValue", number)):
            return f"{item.get('MinValue', '-')} to {item.get('MaxValue', '-')} is allowed"
    return ""


def main(arguments: list[str] | None = None) -> int:
    """Run all checks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m slipcast_cli.preflight", description=__doc__)
    parser.add_argument("--env", default="default", help="environment of samconfig.toml (default)")
    parser.add_argument("--stack", help="name of the stack, if it is not the one of samconfig.toml")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args(arguments)
    try:
        given = settings.options(options.env)
        session = boto3.Session(profile_name=given.get("profile"), region_name=given.get("region"))
        stack = options.stack or given.get("stack_name", "slipcast")
        checks = Preflight(session, stack, settings.overrides(given.get("parameter_overrides")))
    except (settings.SettingsError, ProfileNotFound) as error:
        found = [failed("settings", str(error), "correct samconfig.toml")]
        print(as_json(found) if options.json else found[0].line())
        return 1
    found = []
    for finding in checks.run():
        found.append(finding)
        if not options.json:
            print(finding.line(), flush=True)
    if options.json:
        print(as_json(found, stack=stack))
    elif not ok(found):
        print(f"error: {sum(item.status == FAIL for item in found)} of {len(found)} checks fail", file=sys.stderr)
    return 0 if ok(found) else 1


if __name__ == "__main__":
    sys.exit(main())
