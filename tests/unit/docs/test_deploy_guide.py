"""Commands in docs/deploy.md and the README exist: make targets, their variables, files, AWS's own operations."""

import re
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore import xform_name
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.M))
TEMPLATE = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
CODE = "\n".join([*re.findall(r"^    .*$", GUIDE, re.M), *re.findall(r"`([^`]+)`", GUIDE)])
COMMANDS = sorted(set(re.findall(r"\bmake ([a-z][a-z0-9-]+)((?: [A-Z_]+=\S+)*)", CODE)))
AWS = sorted(set(re.findall(r"\baws ([a-z-]+) ([a-z-]+)", CODE)))
# Of the AWS CLI itself, not operations of the service.
WAITERS = "wait"


@pytest.mark.parametrize(("target", "variables"), COMMANDS)
def test_a_make_target_and_its_variables_are_in_the_makefile(target, variables):
    assert target in TARGETS

    for name in re.findall(r"([A-Z_]+)=", variables):
        assert f"$({name})" in MAKEFILE or f"$(if $({name})" in MAKEFILE, name


def test_every_variable_in_the_tables_is_read_by_the_makefile():
    for name in re.findall(r"^\| `([A-Z_]+)(?:=[^`]*)?` \|", GUIDE, re.M):
        assert f"$({name})" in MAKEFILE, name


@pytest.mark.parametrize(("service", "operation"), AWS)
def test_a_command_of_the_aws_cli_is_an_operation_of_the_service(service, operation):
    model = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-") for name in model.operation_names}

    assert operation in names or operation == WAITERS


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./-]+\.(?:yaml|yml|toml|py|csv|md))`", GUIDE))))
def test_a_file_that_is_named_is_there(path):
    assert (ROOT / path).is_file()


@pytest.mark.parametrize("text", [GUIDE, README], ids=["guide", "readme"])
def test_a_link_leads_somewhere(text):
    home = ROOT / "docs" if text is GUIDE else ROOT
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)", text):
        if target.startswith("http"):
            continue
        file = home / target if target else ROOT / "docs" / "deploy.md"
        assert file.exists(), target
        if anchor and file.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings}, anchor


def test_parameters_and_outputs_that_are_named_are_in_the_template():
    known = TEMPLATE["Parameters"].keys() | TEMPLATE["Outputs"].keys()
    named = set(re.findall(r"`((?:[A-Z][a-z]+){2,})(?:=[^`]*)?`", GUIDE)) | set(
        re.findall(r"output `?([A-Z]\w+)", GUIDE)
    )
    roles = yaml.compose((ROOT / "cicd" / "deploy-roles.yaml").read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    of_roles = {key.value for _, value in roles.value if isinstance(value, yaml.MappingNode) for key, _ in value.value}

    assert named - known - of_roles == set()


def test_the_messages_of_the_checks_point_at_headings_that_are_there():
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)$", GUIDE, re.M)
    }
    files = [*(ROOT / "src" / "slipcast_cli").glob("*.py"), *(ROOT / "cicd").glob("*.yaml")]
    files += (ROOT / ".github" / "workflows").glob("*.yaml")
    named = {
        anchor for file in files for anchor in re.findall(r"docs/deploy\.md#([\w-]+)", file.read_text(encoding="utf-8"))
    }

    assert named
    assert named - headings == set()
