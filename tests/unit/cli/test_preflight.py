"""The check of an account: what real services answer, one line each, all of them."""

import json
import tomllib
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError, UnauthorizedSSOTokenError

from slipcast_cli import preflight, settings
from slipcast_cli.findings import FAIL, PASS, SKIPPED, WARNING, of_error
from support.stubbed_session import ACCOUNT, ANY, REGION, StubbedSession

ROOT = Path(__file__).resolve().parents[3]
IDENTITY = {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/me", "UserId": "AROA:me"}
LIMITS = {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000, "TotalCodeSize": 80_530_636_800}
SMALL = """
Parameters:
  Memory: {Type: Number, Default: 3008, MinValue: 128, MaxValue: 10240}
  Reserved: {Type: Number, Default: 0}
  Concurrency: {Type: Number, Default: 20}
  Uri: {Type: String, Default: ""}
  Auth: {Type: String, Default: api_key, AllowedValues: [api_key, iam]}
Conditions:
  Reserve: !Not [!Equals [!Ref Reserved, 0]]
  MakeMlflow: !Equals [!Ref Uri, ""]
Resources:
  Predict:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub "${AWS::StackName}-predict-batch"
      MemorySize: !Ref Memory
      ReservedConcurrentExecutions: !If [Reserve, !Ref Reserved, !Ref AWS::NoValue]
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/aws/lambda/${AWS::StackName}-predict-batch"}}
  Updates: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${AWS::StackName}-updates.fifo"}}
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: v1}}
  App: {Type: AWS::SageMaker::MlflowApp, Condition: MakeMlflow}
  Pipeline:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub "${AWS::StackName}-pipeline"
      DefinitionUri: machine.asl.yaml
      DefinitionSubstitutions: {Train: !GetAtt Predict.Arn, At: !Ref Concurrency}
"""
MACHINE = """
StartAt: Search
States:
  Search: {Type: Map, MaxConcurrency: ${At}, Next: Done}
  Done: {Type: Task, Resource: "arn:aws:states:::lambda:invoke", Arguments: {FunctionName: "${Train}"}, End: true}
"""


@pytest.fixture
def session() -> StubbedSession:
    return StubbedSession()


@pytest.fixture
def template(tmp_path):
    (tmp_path / "machine.asl.yaml").write_text(MACHINE)
    (tmp_path / "template.yaml").write_text(SMALL)
    return tmp_path / "template.yaml"


@pytest.fixture
def checks(session, template):
    def of(stack="demo", **given):
        return preflight.Preflight(session, stack, {name: str(value) for name, value in given.items()}, template)

    return of


# Without an account


def test_a_name_that_leaves_no_room_for_its_functions_names_is_refused(checks):
    (finding,) = checks("a" * 51).names()

    assert finding.status == FAIL
    assert "64 are allowed" in finding.text
    assert "at most 50" in finding.remedy
    assert [item.status for item in checks("a" * 50).names()] == [PASS]


@pytest.mark.parametrize("name", ["1st", "my_stack", "", "a.b"])
def test_a_name_that_is_none_is_refused(checks, name):
    assert [item.status for item in checks(name).names()] == [FAIL]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"Memroy": 3008}, "no parameter Memroy"),
        ({"Auth": "none"}, "one of api_key, iam is allowed"),
        ({"Memory": 64}, "128 to 10240 is allowed"),
        ({"Memory": "a lot"}, "it is no number"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(checks, given, said):
    (finding,) = checks(**given).parameters()

    assert finding.status == FAIL
    assert said in finding.text


# Credentials and region


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ExpiredToken", "log in again"),
        ("InvalidClientTokenId", "is eu-central-1 enabled for the account?"),
        ("SignatureDoesNotMatch", "AWS_PROFILE"),
    ],
)
def test_credentials_that_do_not_work_have_a_remedy_and_end_no_other_check(session, checks, code, remedy):
    session.refuses("sts", "get_caller_identity", code, status=403)

    found = {item.check: item for item in checks().run()}

    assert found["credentials"].status == FAIL
    assert remedy in found["credentials"].remedy
    assert found["stack name"].status == PASS
    assert found["concurrency"].status == SKIPPED


@pytest.mark.parametrize(
    ("error", "remedy"), [(NoCredentialsError(), "aws configure"), (UnauthorizedSSOTokenError(), "aws sso login")]
)
def test_no_credentials_are_no_traceback(error, remedy):
    finding = of_error("credentials", error, "sts:GetCallerIdentity", optional=False)

    assert finding.status == FAIL
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    ("region", "status"), [(None, FAIL), ("eu-mittel-1", FAIL), ("eu-central-1", PASS), ("cn-north-1", FAIL)]
)
def test_the_region_is_one_that_works(template, region, status):
    found = list(preflight.Preflight(StubbedSession(region), "demo", {}, template).region())

    assert [item.status for item in found] == [status]


# The stack


def described(session, status):
    item = {"StackName": "demo", "StackStatus": status, "CreationTime": "2026-11-30T00:00:00Z"}
    session.answers("cloudformation", "describe_stacks", {"Stacks": [item]}, StackName="demo")


@pytest.mark.parametrize(
    ("status", "verdict", "remedy"),
    [
        ("CREATE_COMPLETE", PASS, ""),
        ("UPDATE_ROLLBACK_COMPLETE", PASS, ""),
        ("REVIEW_IN_PROGRESS", PASS, ""),
        ("ROLLBACK_COMPLETE", FAIL, "delete-stack --stack-name demo"),
        ("DELETE_FAILED", FAIL, "delete-stack --stack-name demo"),
        ("UPDATE_ROLLBACK_FAILED", FAIL, "continue-update-rollback --stack-name demo"),
        ("UPDATE_IN_PROGRESS", FAIL, "wait stack-update-complete"),
        ("DELETE_IN_PROGRESS", FAIL, "wait stack-delete-complete"),
    ],
)
def test_the_state_of_the_stack_decides(session, checks, status, verdict, remedy):
    described(session, status)

    (finding,) = checks().state()

    assert finding.status == verdict
    assert remedy in finding.remedy


def new(session, groups=(), queues=()):
    session.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack with id demo does not exist")
    session.answers("logs", "describe_log_groups", {"logGroups": [{"logGroupName": name} for name in groups]})
    session.answers("sqs", "list_queues", {"QueueUrls": list(queues)})


def test_what_an_earlier_stack_left_is_named_with_the_command_that_removes_it(session, checks):
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/demo-updates.fifo"
    new(session, ["/aws/lambda/demo-predict-batch", "/aws/lambda/demo-other"], [url, url.replace("updates", "else")])

    found = list(checks().state())

    assert [item.status for item in found] == [FAIL, FAIL]
    assert found[0].remedy == "aws logs delete-log-group --log-group-name /aws/lambda/demo-predict-batch"
    assert f"delete-queue --queue-url {url}" in found[1].remedy


def test_a_new_stack_with_nothing_in_its_way_passes(session, checks):
    new(session)

    assert [item.status for item in checks().state()] == [PASS]


# Quotas


def account(session, **limits):
    session.answers("lambda", "get_account_settings", {"AccountLimit": LIMITS | limits, "AccountUsage": {}})


def test_a_usual_account_passes(session, checks):
    account(session)

    assert [item.status for item in checks().concurrency()] == [PASS]


def test_a_search_as_wide_as_the_account_is_warned_of(session, checks):
    account(session, ConcurrentExecutions=10, UnreservedConcurrentExecutions=10)

    (finding,) = checks().concurrency()

    assert finding.status == WARNING
    assert "up to 20 tasks at once, 10 of 10" in finding.text
    assert "set Concurrency below 10" in finding.remedy
    assert "L-B99A9384" in finding.remedy


@pytest.mark.parametrize(("total", "status"), [(10, FAIL), (100, FAIL), (104, FAIL), (105, PASS)])
def test_a_reserve_that_lambda_would_refuse_fails(session, checks, total, status):
    account(session, ConcurrentExecutions=total, UnreservedConcurrentExecutions=total)
    session.refuses("lambda", "get_function_concurrency", "ResourceNotFoundException", status=404)

    found = list(checks(Reserved=5, Concurrency=2).concurrency())

    assert [item.status for item in found] == [status]
    assert status == PASS or "set Reserved to 0" in found[0].remedy


def test_a_reserve_that_the_stack_has_already_is_not_asked_for_twice(session, checks):
    account(session, ConcurrentExecutions=100, UnreservedConcurrentExecutions=50)
    session.answers("lambda", "get_function_concurrency", {"ReservedConcurrentExecutions": 50})

    assert [item.status for item in checks(Reserved=50).concurrency()] == [PASS]


def test_memory_that_every_account_gives_passes_without_a_call(checks):
    assert [item.status for item in checks().memory()] == [PASS]


@pytest.mark.parametrize(("present", "status"), [(1024, WARNING), (4096, PASS)])
def test_more_memory_is_proven_by_a_function_that_has_it(session, checks, present, status):
    session.answers("lambda", "list_functions", {"Functions": [{"FunctionName": "other", "MemorySize": present}]})

    (finding,) = checks(Memory=3538).memory()

    assert finding.status == status
    if status == WARNING:
        assert "set Memory to 3008" in finding.remedy


# Definition and template


def test_a_definition_that_step_functions_refuses_is_quoted(session, checks):
    # As Step Functions answers, by AWS's own samples of the operation.
    error = {
        **{"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "location": "/States/Search"},
        "message": "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
    }
    warning = {"severity": "WARNING", "code": "STEP_FUNCTION_ARN", "message": "look here", "location": "/States/Done"}
    answer = {"result": "FAIL", "diagnostics": [error, warning]}
    session.answers("stepfunctions", "validate_state_machine_definition", answer, definition=ANY, type="STANDARD")

    found = list(checks().definition())

    assert [item.status for item in found] == [FAIL, WARNING]
    assert "/States/Search: SCHEMA_VALIDATION_FAILED" in found[0].text


def test_the_definition_is_sent_with_its_substitutions(checks):
    definition = json.loads(checks(Concurrency=7).template.definition)

    assert definition["States"]["Search"]["MaxConcurrency"] == 7
    assert definition["States"]["Done"]["Arguments"]["FunctionName"].startswith(f"arn:aws:lambda:{REGION}:")


def test_the_projects_own_definition_has_no_substitution_left():
    place = settings.Place("slipcast", REGION, ACCOUNT)
    definition = settings.Template(place, {}).definition

    assert "${" not in definition
    assert json.loads(definition)["StartAt"]


def test_a_template_that_cloudformation_refuses_is_quoted(session, checks):
    session.refuses("cloudformation", "validate_template", "ValidationError", "Template error: unresolved Api")

    (finding,) = checks().body()

    assert (finding.status, finding.text) == (FAIL, "Template error: unresolved Api")


def test_a_long_template_is_looked_at_in_sams_bucket_and_taken_away(session, checks, template):
    template.write_text(f"{SMALL}Description: {'x' * preflight.MAX_INLINE_TEMPLATE}\n")
    outputs = [{"OutputKey": "SourceBucket", "OutputValue": "sam-bucket"}]
    sam = {"StackName": preflight.SAM_STACK, "StackStatus": "CREATE_COMPLETE", "CreationTime": "2026-01-01T00:00:00Z"}
    session.answers("cloudformation", "describe_stacks", {"Stacks": [sam | {"Outputs": outputs}]})
    session.answers("s3", "put_object", {}, Bucket="sam-bucket", Key=ANY, Body=ANY)
    session.refuses("cloudformation", "validate_template", "ValidationError", "Template error")
    session.answers("s3", "delete_object", {}, Bucket="sam-bucket", Key=ANY)

    assert [item.status for item in checks().body()] == [FAIL]
    session.all_asked()


def test_a_long_template_without_a_bucket_is_left_to_the_change_set(session, checks, template):
    template.write_text(f"{SMALL}Description: {'x' * preflight.MAX_INLINE_TEMPLATE}\n")
    missing = f"Stack with id {preflight.SAM_STACK} does not exist"
    session.refuses("cloudformation", "describe_stacks", "ValidationError", missing)

    (finding,) = checks().body()

    assert finding.status == SKIPPED
    assert "bytes cannot be sent" in finding.text


# Region and roles


def test_a_region_without_mlflow_is_named_with_the_parameter(session, checks):
    session.refuses("cloudformation", "describe_type", "TypeNotFoundException", "The type does not exist", 404)

    (finding,) = checks().mlflow()

    assert finding.status == FAIL
    assert "MlflowTrackingUri to none" in finding.remedy


def test_a_registry_that_does_not_answer_stops_nothing(session, checks):
    session.answers("sts", "get_caller_identity", IDENTITY)
    described(session, "CREATE_COMPLETE")
    account(session)
    answer = {"result": "OK", "diagnostics": []}
    session.answers("stepfunctions", "validate_state_machine_definition", answer)
    session.answers("cloudformation", "validate_template", {})
    session.refuses("cloudformation", "describe_type", "CFNRegistryException", "out of order", 400)

    found = {item.check: item.status for item in checks().run()}

    assert found.pop("mlflow") == SKIPPED
    assert set(found.values()) == {PASS}


def test_mlflow_of_ones_own_asks_nobody(checks):
    assert [item.status for item in checks(Uri="https://mlflow.example.com").mlflow()] == [PASS]


def test_a_log_of_the_api_needs_a_role(session, checks, template):
    logged = "Properties: {StageName: v1, AccessLogSetting: {Format: x}}"
    template.write_text(SMALL.replace("Properties: {StageName: v1}", logged))
    session.answers("apigateway", "get_account", {})

    (finding,) = checks().api_log_role()

    assert finding.status == FAIL
    assert "update-account" in finding.remedy


def test_an_api_without_a_log_needs_none(checks):
    assert [item.status for item in checks().api_log_role()] == [PASS]


def test_what_the_caller_may_not_ask_is_left_out_with_the_permission(session, checks):
    session.answers("sts", "get_caller_identity", IDENTITY)
    described(session, "CREATE_COMPLETE")
    session.refuses("lambda", "get_account_settings", "AccessDeniedException", status=403)
    session.refuses("stepfunctions", "validate_state_machine_definition", "AccessDeniedException")
    session.refuses("cloudformation", "validate_template", "AccessDenied", status=403)
    session.refuses("cloudformation", "describe_type", "AccessDenied", status=403)

    found = {item.check: item for item in checks().run()}

    assert {name for name, item in found.items() if item.status == SKIPPED} == {
        *("concurrency", "state machine", "template", "mlflow"),
    }
    assert found["concurrency"].remedy == "allow lambda:GetAccountSettings to the caller"
    assert not [item for item in found.values() if item.status == FAIL]


def test_all_faults_are_reported_and_the_exit_code_says_so(session, checks, monkeypatch, capsys):
    monkeypatch.setattr(preflight.boto3, "Session", lambda **_: session)
    session.answers("sts", "get_caller_identity", IDENTITY)
    session.refuses("cloudformation", "describe_stacks", "AccessDenied", status=403)
    account(session, ConcurrentExecutions=10, UnreservedConcurrentExecutions=10)
    answer = {"result": "FAIL", "diagnostics": [{"severity": "ERROR", "code": "X", "message": "no"}]}
    session.answers("stepfunctions", "validate_state_machine_definition", answer)
    session.refuses("cloudformation", "describe_stacks", "AccessDenied", status=403)
    session.refuses("cloudformation", "describe_type", "TypeNotFoundException", status=404)
    session.answers("lambda", "list_functions", {"Functions": []})

    code = preflight.main(["--json", "--stack", "s" * 60])

    document = json.loads(capsys.readouterr().out)
    verdicts = {item["check"]: item["status"] for item in document["checks"]}
    assert code == 1
    assert (verdicts["stack name"], verdicts["state machine"], verdicts["mlflow"]) == (FAIL, FAIL, FAIL)


# samconfig.toml


def test_samconfig_has_an_environment_for_each_stage():
    document = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    stages = {name for name, value in document.items() if isinstance(value, dict)}

    assert stages == {"default", "staging", "production"}
    assert len({settings.options(stage)["stack_name"] for stage in stages}) == len(stages)


@pytest.mark.parametrize("stage", ["default", "staging", "production"])
def test_the_parameters_of_each_stage_are_taken_by_the_template(stage):
    options = settings.options(stage)
    given = settings.overrides(options.get("parameter_overrides"))
    found = preflight.Preflight(StubbedSession(), options["stack_name"], given).parameters()

    assert [item.status for item in found] == [PASS]


def test_an_environment_that_is_not_there_is_named(capsys):
    assert preflight.main(["--env", "stagnig"]) == 1
    assert "no environment stagnig" in capsys.readouterr().out


def test_overrides_are_read_as_sam_reads_them():
    given = ["RetrainSchedule='rate(30 days)'", "MissedDelayCost=2"]

    assert settings.overrides(given) == {"RetrainSchedule": "rate(30 days)", "MissedDelayCost": "2"}
