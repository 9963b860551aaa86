"""Settings of a deployment: samconfig.toml as sam reads it, and template.yaml with its parameters filled in."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import yaml
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]


class SettingsError(Exception):
    """Settings that sam cannot use; the text names the file and the change."""


def options(
    environment: str = "default", config: Path = ROOT / "samconfig.toml", command: str = "deploy"
) -> dict[str, Any]:
    """Return the options of a sam command in one environment of samconfig.toml, the global ones included.

    Raises
    ------
    SettingsError
        If the file is no TOML or has no such environment.
    """
    try:
        document = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{config.name} cannot be read: {error}") from error
    environments = [name for name, value in document.items() if isinstance(value, dict)]
    if environment not in environments:
        raise SettingsError(f"{config.name} has no environment {environment}, only {', '.join(environments)}")
    found = document[environment]
    return {
        name: value for part in ("global", command) for name, value in found.get(part, {}).get("parameters", {}).items()
    }


def overrides(given: Any) -> dict[str, str]:
    """Return parameter_overrides as sam understands them."""
    # Imported here: who only reads the template (audit/) has no sam.
    from samcli.cli.types import CfnParameterOverridesType

    values = given if isinstance(given, list) else [given] if given else []
    return CfnParameterOverridesType().convert(tuple(map(str, values)), None, None) if values else {}


def read_template(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return a SAM template with the files that it includes in their places and without aliases.

    CloudFormation carries out `AWS::Include` before SAM reads the template; ``sam build`` resolves the aliases.

    Raises
    ------
    SettingsError
        If an included file is not there or holds no mapping.
    """
    document: dict[str, Any] = _included(yaml_parse(path.read_text(encoding="utf-8")), path.parent)
    return document


class _PlainYaml(yaml.SafeLoader):
    """Loader of included files: CloudFormation takes no short forms of intrinsic functions there."""

    # samtranslator gives its own to yaml.SafeLoader.
    yaml_multi_constructors: ClassVar[dict[str | None, Any]] = {}


def _included(node: Any, folder: Path) -> Any:
    if isinstance(node, list):
        return [_included(item, folder) for item in node]
    if not isinstance(node, dict):
        return node
    if (transform := node.get("Fn::Transform", {})) and transform["Name"] == "AWS::Include":
        location = transform["Parameters"]["Location"]
        try:
            content = yaml.load((folder / location).read_text(encoding="utf-8"), Loader=_PlainYaml)  # noqa: S506
        except (OSError, yaml.YAMLError) as error:
            raise SettingsError(f"{location}, which the template includes, cannot be read: {error}") from error
        if not isinstance(content, dict):
            raise SettingsError(f"{location}, which the template includes, is no mapping")
        return content
    return {name: _included(value, folder) for name, value in node.items()}


@dataclass(frozen=True)
class Place:
    """Account and region of a stack."""

    stack: str
    region: str
    account: str
    partition: str = "aws"


class Template:
    """template.yaml with the parameters of one deployment."""

    def __init__(self, place: Place, given: dict[str, str], file: Path = ROOT / "template.yaml") -> None:
        self.file, self.place = file, place
        self.document = read_template(file)
        # CloudFormation takes no aliases of YAML.
        self.body = json.dumps(self.document)
        known = self.document.get("Parameters", {})
        self.unknown = sorted(given.keys() - known.keys())
        self.parameters = {name: str(item.get("Default", "")) for name, item in known.items()} | given
        self.pseudo = {
            **{"AWS::StackName": place.stack, "AWS::Region": place.region, "AWS::AccountId": place.account},
            **{"AWS::Partition": place.partition},
        }

    def value(self, node: Any) -> Any:
        """Return a value with the references to parameters filled in; values known only to AWS become placeholders."""
        if isinstance(node, dict) and len(node) == 1:
            ((kind, argument),) = node.items()
            if kind == "Ref":
                return self._reference(argument)
            if kind == "Fn::Sub" and isinstance(argument, str):
                return re.sub(r"\$\{([\w:]+)\}", lambda found: str(self._reference(found[1])), argument)
            if kind == "Fn::GetAtt":
                resource = argument.split(".")[0] if isinstance(argument, str) else argument[0]
                where = f"{self.place.region}:{self.place.account}"
                return f"arn:{self.place.partition}:lambda:{where}:function:{self.place.stack}-{resource}"
            if kind == "Fn::If":
                return self.value(argument[1] if self.holds(argument[0]) else argument[2])
            if kind == "Fn::Split":
                return str(self.value(argument[1])).split(argument[0])
            if kind == "Fn::Select":
                return self.value(argument[1])[int(argument[0])]
            if kind == "Fn::Join":
                return argument[0].join(str(self.value(item)) for item in argument[1])
        return node

    def _reference(self, name: str) -> Any:
        return self.pseudo.get(name, self.parameters.get(name, f"{self.place.stack}-{name}"))

    def holds(self, condition: str | dict[str, Any]) -> bool:
        """Return whether a condition of the template holds."""
        node = self.document["Conditions"][condition] if isinstance(condition, str) else condition
        ((kind, argument),) = node.items()
        if kind == "Condition":
            return self.holds(argument)
        if kind == "Fn::Equals":
            left, right = (str(self.value(item)) for item in argument)
            return left == right
        if kind == "Fn::Not":
            return not self.holds(argument[0])
        if kind == "Fn::Or":
            return any(map(self.holds, argument))
        if kind == "Fn::And":
            return all(map(self.holds, argument))
        raise SettingsError(f"condition with {kind} in {self.file.name} is not understood")

    def resources(self, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield logical id and properties of the resources of some types that the stack has."""
        for name, item in self.document["Resources"].items():
            if item["Type"] in kinds and ("Condition" not in item or self.holds(item["Condition"])):
                yield name, item.get("Properties", {})

    def functions(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield logical id and properties of the functions, the globals included."""
        usual = self.document.get("Globals", {}).get("Function", {})
        for name, properties in self.resources("AWS::Serverless::Function", "AWS::Lambda::Function"):
            yield name, usual | properties

    def parameter_of(self, node: Any) -> str:
        """Return the name of the parameter that a value comes from; empty for a literal value."""
        name = node.get("Ref", "") if isinstance(node, dict) else ""
        return name if name in self.parameters else ""

    @property
    def machine(self) -> dict[str, Any]:
        """Properties of the state machine."""
        return next(properties for _, properties in self.resources("AWS::Serverless::StateMachine"))

    @cached_property
    def definition_text(self) -> str:
        """Text of the state machine's file."""
        text: str = (self.file.parent / self.machine["DefinitionUri"]).read_text(encoding="utf-8")
        return text

    @cached_property
    def definition(self) -> str:
        """State machine as JSON, with its substitutions filled in."""
        given = {name: str(self.value(node)) for name, node in self.machine.get("DefinitionSubstitutions", {}).items()}
        filled = re.sub(r"\$\{(\w+)\}", lambda found: given.get(found[1], found[0]), self.definition_text)
        return json.dumps(yaml_parse(filled))

    def fixed_names(self, kind: str, key: str) -> list[str]:
        """Return the physical names that the template gives to the resources of a type."""
        found = (self.value(properties[key]) for _, properties in self.resources(kind) if key in properties)
        return sorted(name for name in found if isinstance(name, str))
