"""Roles and pipelines that deploy Slipcast, created once for each account (docs/deploy.md#roles).

``python -m slipcast_cli.bootstrap_cicd [--github owner/name] [--pipeline owner/name]``; ``make bootstrap-cicd`` calls
it. It runs sam deploy on the templates of ``cicd/``, which shows the changes and asks before it makes them, unless
``CI=true``. The caller must be allowed to create roles.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from slipcast_cli import settings
from slipcast_cli import stack as stacks
from slipcast_cli.findings import of_error

CICD = settings.ROOT / "cicd"
STAGES = ("staging", "production")
ISSUER = "token.actions.githubusercontent.com"


class Bootstrap:
    """Stacks to deploy, in order: roles of each stage, then the pipelines that use them."""

    def __init__(
        self, session: boto3.Session, *, github: str = "", pipeline: str = "", connection: str = "", boundary: str = ""
    ) -> None:
        self.session, self.github, self.pipeline = session, github, pipeline
        self.connection, self.boundary = connection, boundary

    def run(self) -> Iterator[str]:
        """Deploy everything, and yield lines with the remaining manual steps."""
        for stage in STAGES:
            name = settings.options(stage)["stack_name"]
            self.deploy("deploy-roles.yaml", f"slipcast-cicd-{stage}", StackName=name, **self._bounded())
        roles = {stage: stacks.find(f"slipcast-cicd-{stage}", self.session) for stage in STAGES}
        for stage, made in roles.items():
            yield f"CFN_ROLE_ARN of {stage}: {made.output('CloudFormationRoleArn')}"
        policies = {f"{stage.capitalize()}DeployPolicyArn": roles[stage].output("DeployPolicyArn") for stage in STAGES}
        if self.github:
            given = {"Repository": self.github, "ProviderArn": self._provider(), **policies, **self._bounded()}
            self.deploy("oidc.yaml", "slipcast-cicd-github", **given)
            made = stacks.find("slipcast-cicd-github", self.session)
            for stage in STAGES:
                yield f"DEPLOY_ROLE_ARN of {stage}: {made.output(f'{stage.capitalize()}RoleArn')}"
            yield (
                f"set them, and AWS_REGION={self.session.region_name}, as variables of the environments staging and "
                f"production at https://github.com/{self.github}/settings/environments, and production's reviewers"
            )
        if self.pipeline:
            given = {
                **{"Repository": self.pipeline, "ConnectionArn": self.connection, **policies, **self._bounded()},
                **{f"{stage.capitalize()}Stack": settings.options(stage)["stack_name"] for stage in STAGES},
                **{
                    f"{stage.capitalize()}CloudFormationRoleArn": roles[stage].output("CloudFormationRoleArn")
                    for stage in STAGES
                },
            }
            self.deploy("codepipeline.yaml", "slipcast-cicd-pipeline", **given)
            made = stacks.find("slipcast-cicd-pipeline", self.session)
            yield f"pipeline: {made.output('PipelineName')}"
            if not self.connection:
                yield (
                    f"confirm {made.output('ConnectionArn')} at "
                    f"https://{self.session.region_name}.console.aws.amazon.com/codesuite/settings/connections: "
                    "until then the pipeline cannot read the repository"
                )

    def _bounded(self) -> dict[str, str]:
        return {"PermissionsBoundaryArn": self.boundary} if self.boundary else {}

    def _provider(self) -> str:
        """Return GitHub's identity provider if the account already has it; empty if this stack creates it."""
        present = stacks.describe("slipcast-cicd-github", self.session)
        if present is not None and not present.parameters.get("ProviderArn"):
            return ""
        found = self.session.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
        return next((item["Arn"] for item in found if item["Arn"].endswith(f"oidc-provider/{ISSUER}")), "")

    def deploy(self, template: str, name: str, **parameters: str) -> None:
        """Deploy one template with sam.

        Raises
        ------
        subprocess.CalledProcessError
            If sam ends with an error, or the person answers no.
        """
        print(f"{template} -> stack {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            # The settings of samconfig.toml are for Slipcast's own stack: they are not read here.
            config = Path(folder) / "samconfig.toml"
            config.write_text("version = 0.1\n", encoding="utf-8")
            words = command(template, name, parameters, self.session.region_name)
            subprocess.run([*words[:2], "--config-file", str(config), *words[2:]], check=True, cwd=settings.ROOT)  # noqa: S603


def command(template: str, name: str, parameters: dict[str, str], region: str | None) -> list[str]:
    """Return the command line of sam that deploys one template."""
    return [
        *("sam", "deploy", "--template-file", str(CICD / template), "--stack-name", name),
        *("--resolve-s3", "--s3-prefix", name, "--capabilities", "CAPABILITY_IAM", "--no-fail-on-empty-changeset"),
        *(("--region", region) if region else ()),
        "--no-confirm-changeset" if os.environ.get("CI") == "true" else "--confirm-changeset",
        *("--tags", "project=slipcast"),
        *("--parameter-overrides", *(f"{key}={value}" for key, value in parameters.items() if value)),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Deploy the chosen stacks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m slipcast_cli.bootstrap_cicd", description=__doc__)
    parser.add_argument("--github", default="", metavar="OWNER/NAME", help="repository whose GitHub Actions may deploy")
    parser.add_argument("--pipeline", default="", metavar="OWNER/NAME", help="repository that CodePipeline deploys")
    parser.add_argument("--connection", default="", metavar="ARN", help="connection to it; one is made if left out")
    parser.add_argument("--boundary", default="", metavar="ARN", help="permissions boundary of every role")
    options = parser.parse_args(arguments)
    session = boto3.Session()
    try:
        todo = list(
            Bootstrap(
                session,
                github=options.github,
                pipeline=options.pipeline,
                connection=options.connection,
                boundary=options.boundary,
            ).run()
        )
    except (ClientError, BotoCoreError) as error:
        print(of_error("bootstrap", error, "cloudformation:DescribeStacks", optional=False).line(), file=sys.stderr)
        return 1
    except (stacks.StackError, settings.SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: sam deploy ended with {error.returncode}; what was made before stays", file=sys.stderr)
        return 1
    print("\n".join(["", *todo]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
