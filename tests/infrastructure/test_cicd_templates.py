"""The pipelines: stages in their order, roles that are apart, commands that exist."""

import re
from pathlib import Path
from subprocess import CalledProcessError

import pytest
import yaml
from samcli.commands.deploy import command as sam_deploy
from samtranslator.yaml_helper import yaml_parse

from slipcast_cli import bootstrap_cicd
from support.stubbed_session import ACCOUNT, REGION, StubbedSession

ROOT = Path(__file__).resolve().parents[2]
CICD = ROOT / "cicd"
PIPELINE = yaml_parse((CICD / "codepipeline.yaml").read_text(encoding="utf-8"))
OIDC = yaml_parse((CICD / "oidc.yaml").read_text(encoding="utf-8"))
RESOURCES = PIPELINE["Resources"]
STAGES = RESOURCES["Pipeline"]["Properties"]["Stages"]
PROJECTS = {name: item["Properties"] for name, item in RESOURCES.items() if item["Type"] == "AWS::CodeBuild::Project"}
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def actions() -> list[tuple[str, str, str]]:
    """Return stage, action and project of every action, in the order in which they run."""
    return [
        (stage["Name"], action["Name"], action["Configuration"].get("ProjectName", {}).get("Ref", ""))
        for stage in STAGES
        for action in sorted(stage["Actions"], key=lambda action: action.get("RunOrder", 1))
    ]


def test_a_version_is_tested_built_tried_and_approved_before_production():
    assert actions() == [
        ("Source", "Source", ""),
        ("Test", "Test", "TestProject"),
        ("Build", "Build", "BuildProject"),
        ("Staging", "Deploy", "StagingDeployProject"),
        ("Staging", "Smoke", "StagingSmokeProject"),
        ("Approval", "Approve", ""),
        ("Production", "Deploy", "ProductionDeployProject"),
        ("Production", "Smoke", "ProductionSmokeProject"),
    ]
    assert RESOURCES["Pipeline"]["Properties"]["PipelineType"] == "V2"
    approve = STAGES[4]["Actions"][0]["ActionTypeId"]
    assert (approve["Category"], approve["Provider"]) == ("Approval", "Manual")


def test_both_stages_get_the_same_build():
    for stage in ("Staging", "Production"):
        for action in next(item for item in STAGES if item["Name"] == stage)["Actions"]:
            assert action["InputArtifacts"] == [{"Name": "Built"}]


def test_a_build_has_the_role_of_its_stage_and_the_tests_reach_none():
    roles = {name: item["ServiceRole"]["Fn::GetAtt"][0] for name, item in PROJECTS.items()}

    assert roles == {
        **{"TestProject": "TestRole", "BuildProject": "TestRole"},
        **{"StagingDeployProject": "StagingRole", "StagingSmokeProject": "StagingRole"},
        **{"ProductionDeployProject": "ProductionRole", "ProductionSmokeProject": "ProductionRole"},
    }
    deploys = {
        name for name in ("TestRole", "StagingRole", "ProductionRole") if "DeployPolicyArn" in str(RESOURCES[name])
    }
    assert deploys == {"StagingRole", "ProductionRole"}
    assert "ProductionDeployPolicyArn" not in str(RESOURCES["StagingRole"])


def test_every_build_logs_where_logs_expire_and_asks_nobody():
    for project in PROJECTS.values():
        assert project["LogsConfig"]["CloudWatchLogs"]["GroupName"] == {"Ref": "BuildLogGroup"}
        variables = {item["Name"]: item["Value"] for item in project["Environment"]["EnvironmentVariables"]}
        assert variables["CI"] == "true"
    production = PROJECTS["ProductionSmokeProject"]["Environment"]["EnvironmentVariables"]
    # What is dropped into production is learned from.
    assert {"Name": "NO_FILE", "Value": "1"} in production


def test_artifacts_are_encrypted_versioned_and_stay_when_the_stack_goes():
    bucket = RESOURCES["ArtifactBucket"]

    assert bucket["DeletionPolicy"] == "RetainExceptOnCreate"
    assert bucket["Properties"]["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["Properties"]["BucketEncryption"]
    assert all(bucket["Properties"]["PublicAccessBlockConfiguration"].values())


def test_a_role_is_taken_by_its_service_for_this_account_only():
    for name, item in RESOURCES.items():
        if item["Type"] == "AWS::IAM::Role":
            for statement in item["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
                condition = statement["Condition"]["StringEquals"]
                assert condition == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}, name


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_a_token_is_taken_of_one_repository_and_environment(stage):
    role = OIDC["Resources"][f"{stage.capitalize()}Role"]["Properties"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    wanted = statement["Condition"]["StringEquals"]

    assert wanted["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
    assert wanted["token.actions.githubusercontent.com:sub"] == {"Fn::Sub": f"repo:${{Repository}}:environment:{stage}"}
    assert role["ManagedPolicyArns"] == [{"Ref": f"{stage.capitalize()}DeployPolicyArn"}]


@pytest.mark.parametrize("name", ["test", "build", "deploy", "smoke"])
def test_a_buildspec_is_used_and_runs_what_is_there(name):
    file = f"cicd/buildspec-{name}.yaml"
    assert any(project["Source"]["BuildSpec"] == file for project in PROJECTS.values())
    document = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))

    assert document["version"] == 0.2
    for command in document["phases"]["build"]["commands"]:
        kind, *words = command.split()
        if kind == "make":
            assert words[0] in TARGETS, command
        elif kind == "chmod":
            assert (ROOT / words[1]).is_file(), command
        else:
            assert (ROOT / kind).is_file(), command


# make bootstrap-cicd


def stack(session, name, parameters=(), **outputs):
    item = {
        **{"StackName": name, "StackStatus": "CREATE_COMPLETE", "CreationTime": "2026-11-30T00:00:00Z"},
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters],
    }
    session.answers("cloudformation", "describe_stacks", {"Stacks": [item]}, StackName=name)


def arn(kind, name):
    return f"arn:aws:iam::{ACCOUNT}:{kind}/{name}"


@pytest.fixture
def bootstrapped(monkeypatch):
    """Run the command with what AWS says, and return what was deployed with which parameters."""

    def of(session, **options):
        deployed = {}
        monkeypatch.setattr(
            bootstrap_cicd.Bootstrap,
            "deploy",
            lambda self, template, name, **parameters: deployed.update({name: (template, parameters)}),
        )
        todo = list(bootstrap_cicd.Bootstrap(session, **options).run())
        session.all_asked()
        return deployed, todo

    return of


def stages(session):
    for stage in ("staging", "production"):
        outputs = {
            "CloudFormationRoleArn": arn("role", f"cfn-{stage}"),
            "DeployPolicyArn": arn("policy", f"deploy-{stage}"),
        }
        stack(session, f"slipcast-cicd-{stage}", **outputs)


GITHUB = {"StagingRoleArn": arn("role", "staging"), "ProductionRoleArn": arn("role", "production")}
PROVIDER = arn("oidc-provider", "token.actions.githubusercontent.com")


def test_roles_are_made_for_each_stage_by_the_name_of_its_stack(bootstrapped):
    session = StubbedSession()
    stages(session)

    deployed, _ = bootstrapped(session)

    assert {name: parameters["StackName"] for name, (_, parameters) in deployed.items()} == {
        "slipcast-cicd-staging": "slipcast-staging",
        "slipcast-cicd-production": "slipcast-production",
    }


@pytest.mark.parametrize("present", [True, False])
def test_githubs_provider_is_made_unless_the_account_has_it(bootstrapped, present):
    session = StubbedSession()
    stages(session)
    session.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack with id x does not exist")
    found = [{"Arn": PROVIDER}] if present else []
    session.answers("iam", "list_open_id_connect_providers", {"OpenIDConnectProviderList": found})
    stack(session, "slipcast-cicd-github", **GITHUB)

    deployed, todo = bootstrapped(session, github="owner/name")

    template, parameters = deployed["slipcast-cicd-github"]
    assert template == "oidc.yaml"
    assert parameters["ProviderArn"] == (PROVIDER if present else "")
    assert parameters["StagingDeployPolicyArn"] == arn("policy", "deploy-staging")
    assert any(arn("role", "production") in line for line in todo)


def test_a_provider_that_this_stack_has_made_stays_in_it(bootstrapped):
    session = StubbedSession()
    stages(session)
    stack(session, "slipcast-cicd-github", parameters=[("ProviderArn", "")], **GITHUB)
    stack(session, "slipcast-cicd-github", **GITHUB)

    deployed, _ = bootstrapped(session, github="owner/name")

    assert deployed["slipcast-cicd-github"][1]["ProviderArn"] == ""


def test_a_pipeline_gets_the_roles_and_its_connection_has_to_be_confirmed(bootstrapped):
    session = StubbedSession()
    stages(session)
    outputs = {"PipelineName": "pipe", "ConnectionArn": f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/1"}
    stack(session, "slipcast-cicd-pipeline", **outputs)

    deployed, todo = bootstrapped(session, pipeline="owner/name", boundary=arn("policy", "developers"))

    _, parameters = deployed["slipcast-cicd-pipeline"]
    declared = PIPELINE["Parameters"].keys()
    assert parameters.keys() <= declared
    assert {name for name in declared if "Default" not in PIPELINE["Parameters"][name]} <= parameters.keys()
    assert parameters["ProductionCloudFormationRoleArn"] == arn("role", "cfn-production")
    assert parameters["PermissionsBoundaryArn"] == arn("policy", "developers")
    assert "confirm" in todo[-1]


@pytest.mark.parametrize(("ci", "asks"), [("true", False), ("", True)])
def test_it_asks_before_it_changes_anything_unless_in_ci(monkeypatch, ci, asks):
    monkeypatch.setenv("CI", ci)
    words = bootstrap_cicd.command("oidc.yaml", "slipcast-cicd-github", {"Repository": "owner/name"}, REGION)
    assert words[:2] == ["sam", "deploy"]
    # The bucket is asked for in the account: left out here.
    words = [word for word in words[2:] if word != "--resolve-s3"]
    params = sam_deploy.cli.make_context("deploy", words).params

    assert params["confirm_changeset"] is asks
    assert params["stack_name"] == "slipcast-cicd-github"
    assert params["parameter_overrides"] == {"Repository": "owner/name"}
    assert params["fail_on_empty_changeset"] is False


def test_a_deployment_that_is_refused_ends_the_command_with_an_error(monkeypatch, capsys):
    session = StubbedSession()
    monkeypatch.setattr(bootstrap_cicd.boto3, "Session", lambda: session)
    seen = []

    def run(words, **_):
        seen.append(words)
        # As sam ends where the person who is asked says no.
        raise CalledProcessError(1, words)

    monkeypatch.setattr(bootstrap_cicd.subprocess, "run", run)

    assert bootstrap_cicd.main([]) == 1
    assert "sam deploy ended with 1" in capsys.readouterr().err
    assert len(seen) == 1
    # Not those of the project, which name another stack and its parameters.
    assert "--config-file" in seen[0]
    assert not Path(seen[0][seen[0].index("--config-file") + 1]).exists()
