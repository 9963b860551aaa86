"""What sam writes of template.yaml: no alias and no short form is left for CloudFormation, and the API goes along."""

import json
from pathlib import Path

import pytest
import yaml
from samcli.commands._utils.template import get_template_data, move_template
from samcli.lib.package.artifact_exporter import Template
from samcli.lib.package.uploaders import Uploaders
from samtranslator.yaml_helper import yaml_parse

from slipcast_cli.settings import SettingsError, read_template

ROOT = Path(__file__).resolve().parents[2]
INCLUDED = ROOT / "api" / "openapi.yaml"


def aliases(text: str) -> list[str]:
    return [event.anchor for event in yaml.parse(text, Loader=yaml.SafeLoader) if isinstance(event, yaml.AliasEvent)]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The template as ``sam build`` writes it."""
    path = tmp_path_factory.mktemp("build") / "template.yaml"
    move_template(str(ROOT / "template.yaml"), str(path), get_template_data(str(ROOT / "template.yaml")))
    return path


def test_sam_resolves_every_alias_and_merge(built):
    """CloudFormation reads neither: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-formats.html"""
    text = built.read_text(encoding="utf-8")

    assert aliases((ROOT / "template.yaml").read_text(encoding="utf-8"))
    assert aliases(text) == []
    assert "<<:" not in text


def test_what_sam_writes_is_the_template_as_it_is_read_here(built):
    def resources(document):
        kept = json.loads(json.dumps(document["Resources"]))
        # sam notes what it builds, and makes paths relative to its own folder.
        paths = {"CodeUri", "ContentUri", "DefinitionUri"}
        for item in kept.values():
            item.pop("Metadata", None)
            item["Properties"] = {name: value for name, value in item["Properties"].items() if name not in paths}
        return kept

    written = yaml_parse(built.read_text(encoding="utf-8"))
    location = written["Resources"]["Api"]["Properties"]["DefinitionBody"]["Fn::Transform"]["Parameters"]["Location"]

    assert (built.parent / location).resolve() == INCLUDED
    assert resources(read_template(built)) == resources(read_template())


def test_the_api_is_uploaded_and_named_by_its_place_in_the_bucket(built):
    class Uploader:
        def __init__(self):
            self.sent = []

        def upload_with_dedup(self, path, *_):
            self.sent.append(Path(path).resolve())
            return "s3://packages/1234"

    uploader = Uploader()
    template = Template(built.name, str(built.parent), Uploaders(uploader, uploader), None)
    template.template_dict = {"Resources": {"Api": read(built)["Resources"]["Api"]}}
    exported = template.export()

    assert uploader.sent == [INCLUDED]
    body = exported["Resources"]["Api"]["Properties"]["DefinitionBody"]
    assert body == {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://packages/1234"}}}


def read(path: Path) -> dict:
    return yaml_parse(path.read_text(encoding="utf-8"))


def test_an_included_file_has_long_forms_alone_and_no_alias():
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/transform-aws-include.html"""
    text = INCLUDED.read_text(encoding="utf-8")
    tags = {event.tag for event in yaml.parse(text, Loader=yaml.SafeLoader) if getattr(event, "tag", None)}

    assert tags == set()
    assert aliases(text) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("a: !Ref B", "cannot be read"), ("- 1", "is no mapping")],
    ids=["missing", "short form", "list"],
)
def test_an_include_that_cloudformation_would_refuse_is_an_error(content, message, tmp_path):
    (tmp_path / "template.yaml").write_text(
        "Resources: {Api: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: body.yaml}}}}"
    )
    if content is not None:
        (tmp_path / "body.yaml").write_text(content)

    with pytest.raises(SettingsError, match=rf"body\.yaml, which the template includes, {message}"):
        read_template(tmp_path / "template.yaml")


def test_every_condition_is_used():
    """cfn-lint does not see the conditions that the included file uses."""

    def used(node) -> set[str]:
        if isinstance(node, list):
            return set().union(*map(used, node))
        if not isinstance(node, dict):
            return set()
        own = {node["Fn::If"][0]} if "Fn::If" in node else set()
        own |= {node["Condition"]} if isinstance(node.get("Condition"), str) else set()
        return own.union(*map(used, node.values()))

    template = read_template()

    assert used(template) == set(template["Conditions"])
