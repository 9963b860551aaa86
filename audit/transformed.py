"""The template as CloudFormation gets it: transformed by SAM, its files inlined, its conditions carried out.

cfn-lint alone reads template.yaml with ``DefinitionUri`` and with both branches of every condition: it never sees the
state machine and the API, and no resource as a stack with certain parameters has it. Here every parameter that switches
a condition takes each of its values, in a region of each kind (audit/regions.yaml). Of all these stacks

* so many are looked at that each form which a resource takes and each pair of conditions occurs in one: cfn-lint gets
  each form of a resource once, with all that it refers to, for all regions of its kind;
* every single one is searched for references to resources, parameters and conditions that it does not have.

Usage: ``python audit/transformed.py [--jobs 2]``
"""

import argparse
import itertools
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from slipcast_cli.settings import SettingsError, read_template

ROOT = Path(__file__).resolve().parents[1]
REGIONS: dict[str, list[str]] = yaml.safe_load((ROOT / "audit" / "regions.yaml").read_text(encoding="utf-8"))
ACCOUNT = "123456789012"
# What a parameter without AllowedValues may be, where a condition looks at it. The empty default is added.
EXAMPLES = {
    "JwtScope": ["slipcast/predict"],
    "JwtUserPoolArn": [f"arn:aws:cognito-idp:us-east-1:{ACCOUNT}:userpool/us-east-1_Example1"],
    "PermissionsBoundaryArn": [f"arn:aws:iam::{ACCOUNT}:policy/boundary"],
    "KmsKeyArn": [f"arn:aws:kms:us-east-1:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"],
    "MlflowArtifactStore": ["s3://artifacts/mlflow"],
    "MlflowTrackingUri": [
        *("none", "https://mlflow.example.com"),
        *(f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:mlflow-{kind}/x-1" for kind in ("app", "tracking-server")),
    ],
    "NotificationEmail": ["planning@example.com"],
    "PredictReservedConcurrency": ["50"],
    "RegistryWebhookSecretArn": [f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:webhook-AbCdEf"],
    "ReportSchedule": ["rate(7 days)"],
    "PublicBaseUrl": ["https://slipcast.example.com"],
}
# What it adds refers to nothing that another condition takes away: looked at next to the defaults of all others.
APART = {"RegistryWebhookSecretArn"}
LOCAL = ("CodeUri", "ContentUri")
PLACEHOLDER = re.compile(r"\$\{([^!}]+)\}")
NO_VALUE = {"Ref": "AWS::NoValue"}
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "slipcast",
}


class TransformError(Exception):
    """The template or a definition is no valid input of SAM; the message says where."""


def source(path: Path = ROOT / "template.yaml") -> dict[str, Any]:
    """Return a SAM template with its includes and definitions inlined: ``Definition`` instead of ``DefinitionUri``.

    Raises
    ------
    TransformError
        If a definition has a placeholder without a substitution or the other way round, or an included file is missing.
    """
    try:
        template = read_template(path)
    except SettingsError as error:
        raise TransformError(str(error)) from error
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if "DefinitionUri" in properties:
            text = (path.parent / properties.pop("DefinitionUri")).read_text(encoding="utf-8")
            properties["Definition"] = _definition(name, text, properties.get("DefinitionSubstitutions", {}))
    return template


def _definition(name: str, text: str, substitutions: Mapping[str, Any]) -> dict[str, Any]:
    used = set(PLACEHOLDER.findall(text))
    if used != set(substitutions):
        odd = ", ".join(sorted(used ^ set(substitutions)))
        raise TransformError(f"{name}: placeholders and DefinitionSubstitutions differ: {odd}")
    return yaml.safe_load(text)


def transformed(template: dict[str, Any], region: str = "us-east-1") -> dict[str, Any]:
    """Return what SAM makes of a template, the definitions of its state machines as objects.

    Raises
    ------
    TransformError
        If SAM refuses it.
    """
    template = json.loads(json.dumps(template, default=str))
    definitions = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for key in LOCAL:
            if key in properties:
                properties[key] = f"s3://bucket/{name}"
        if "Definition" in properties:
            definitions[name] = properties.pop("Definition")
            properties["DefinitionUri"] = f"s3://bucket/{name}"
    before = os.environ.get("AWS_DEFAULT_REGION")
    os.environ["AWS_DEFAULT_REGION"] = region
    try:
        logging.getLogger("samtranslator").setLevel(logging.ERROR)
        made = Translator({}, Parser()).translate(template, {}, passthrough_metadata=True)
    except InvalidDocumentException as error:
        raise TransformError("; ".join(cause.message for cause in error.causes)) from error
    finally:
        os.environ.pop("AWS_DEFAULT_REGION")
        if before is not None:
            os.environ["AWS_DEFAULT_REGION"] = before
    for name, definition in definitions.items():
        properties = made["Resources"][name]["Properties"]
        del properties["DefinitionS3Location"]
        properties["Definition"] = definition
    return made


@dataclass(frozen=True)
class Setting:
    """Parameters of a stack and the kind of its region."""

    parameters: tuple[tuple[str, str], ...]
    kind: str

    @property
    def region(self) -> str:
        """A region of the kind."""
        return REGIONS[self.kind][0]

    def __str__(self) -> str:
        given = " ".join(f"{name}={value}" for name, value in self.parameters if value)
        return f"{given or 'all defaults'} in {self.region}"


class Stack:
    """A transformed template with parameters and a region.

    Parameters
    ----------
    template : as `transformed` returns it
    parameters : those that have not their default
    pseudo : values of pseudo parameters, such as ``AWS::StackName``
    """

    def __init__(
        self, template: dict[str, Any], parameters: Mapping[str, str], pseudo: Mapping[str, str] | None = None
    ) -> None:
        self.template = template
        self.parameters = {name: item.get("Default", "") for name, item in template["Parameters"].items()}
        self.parameters |= parameters
        self.pseudo = {**PSEUDO, "AWS::Region": "us-east-1", **(pseudo or {})}
        self._conditions: dict[str, bool] = {}

    def condition(self, name: str) -> bool:
        """Return whether a condition holds.

        Raises
        ------
        KeyError
            If there is no such condition.
        """
        if name not in self._conditions:
            self._conditions[name] = self.holds(self.template["Conditions"][name])
        return self._conditions[name]

    def conditions(self) -> tuple[bool, ...]:
        """Return what the conditions are, in their order."""
        return tuple(self.condition(name) for name in self.template["Conditions"])

    def holds(self, node: Any) -> bool:
        """Return what a condition function gives.

        Raises
        ------
        NotImplementedError
            If the function is not known here.
        """
        ((kind, value),) = node.items()
        if kind == "Condition":
            return self.condition(value)
        if kind == "Fn::Equals":
            left, right = map(self._plain, value)
            return left == right
        if kind == "Fn::Not":
            return not self.holds(value[0])
        if kind in ("Fn::And", "Fn::Or"):
            return {"Fn::And": all, "Fn::Or": any}[kind](map(self.holds, value))
        if kind == "Fn::Contains":
            return self._plain(value[1]) in map(self._plain, value[0])
        raise NotImplementedError(f"{kind} in a condition")

    def _plain(self, node: Any) -> Any:
        """Return a value that has to be known before there is a stack."""
        if not isinstance(node, dict):
            return str(node)
        ((kind, value),) = node.items()
        if kind == "Ref":
            return str(self.parameters[value] if value in self.parameters else self.pseudo[value])
        if kind == "Fn::Join":
            return value[0].join(map(self._plain, value[1]))
        if kind == "Fn::Split":
            return self._plain(value[1]).split(value[0])
        if kind == "Fn::Select":
            return self._plain(value[1])[int(value[0])]
        raise NotImplementedError(f"{kind} in a condition")

    def accepts(self, rule: Mapping[str, Any]) -> bool:
        """Return whether a rule of the template takes these parameters."""
        if "RuleCondition" in rule and not self.holds(rule["RuleCondition"]):
            return True
        return all(self.holds(each["Assert"]) for each in rule["Assertions"])

    def branches(self, node: Any) -> Any:
        """Return a part of the template with ``Fn::If`` carried out and ``AWS::NoValue`` left out."""
        if isinstance(node, list):
            return [item for item in map(self.branches, node) if item != NO_VALUE]
        if not isinstance(node, dict):
            return node
        if set(node) == {"Fn::If"}:
            name, yes, no = node["Fn::If"]
            return self.branches(yes if self.condition(name) else no)
        found = {name: self.branches(value) for name, value in node.items()}
        return {name: value for name, value in found.items() if value != NO_VALUE}

    def filled(self, node: Any) -> Any:
        """Return a part of the template with parameters and pseudo parameters filled in wherever that gives a text."""
        if isinstance(node, list):
            return [self.filled(item) for item in node]
        if not isinstance(node, dict):
            return node
        if set(node) == {"Ref"} and (node["Ref"] in self.parameters or node["Ref"] in self.pseudo):
            return self._plain(node)
        if set(node) == {"Fn::Sub"}:
            return self._sub(node["Fn::Sub"])
        made = {name: self.filled(value) for name, value in node.items()}
        if set(made) == {"Fn::Join"} and all(isinstance(item, str) for item in made["Fn::Join"][1]):
            return made["Fn::Join"][0].join(made["Fn::Join"][1])
        return made

    def _sub(self, value: Any) -> Any:
        text, given = (value, {}) if isinstance(value, str) else (value[0], self.filled(value[1]))
        known = {**self.pseudo, **{name: str(item) for name, item in self.parameters.items()}}
        known |= {name: item for name, item in given.items() if isinstance(item, str)}
        text = PLACEHOLDER.sub(lambda found: known.get(found[1], found[0]), text)
        left = {name: item for name, item in given.items() if not isinstance(item, str)}
        if not PLACEHOLDER.search(text):
            return text
        return {"Fn::Sub": [text, left] if left else text}

    def resources(self) -> dict[str, Any]:
        """Return the resources that the stack has."""
        return self._existing("Resources")

    def _existing(self, section: str) -> dict[str, Any]:
        found = {}
        for name, item in self.template.get(section, {}).items():
            if "Condition" not in item or self.condition(item["Condition"]):
                item = {key: value for key, value in item.items() if key != "Condition"}
                found[name] = self.branches(item)
        return found

    def resolved(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """Return the template without conditions and without the parameters that are not used any more.

        With `names` it has those resources and outputs and what they refer to, directly or not.
        """
        made = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Resources": self.resources(),
            "Outputs": self._existing("Outputs"),
        }
        if names is not None:
            needed, waiting = set(), set(names)
            while waiting:
                needed |= waiting
                parts = [
                    made[section][name] for section in ("Resources", "Outputs") for name in waiting & set(made[section])
                ]
                waiting = {name for part in parts for name, _ in references(part)} - needed
            for section in ("Resources", "Outputs"):
                made[section] = {name: item for name, item in made[section].items() if name in needed}
        for name, item in made["Resources"].items():
            if "Definition" in item.get("Properties", {}):
                self._substitute(name, item["Properties"])
        used = {name for part in made.values() for name, _ in references(part)}
        made["Parameters"] = {
            name: {**item, "Default": self.parameters[name]}
            for name, item in self.template["Parameters"].items()
            if name in used
        }
        return made

    def _substitute(self, name: str, properties: dict[str, Any]) -> None:
        """Replace the placeholders of a definition by texts, as CloudFormation does: cfn-lint skips a definition with
        intrinsic functions in it without a word."""
        given = {}
        for placeholder, value in properties.get("DefinitionSubstitutions", {}).items():
            value = self.filled(value)
            if isinstance(value, dict) and "Fn::GetAtt" in value:
                resource, attribute = value["Fn::GetAtt"]
                if (self.template["Resources"][resource]["Type"], attribute) != ("AWS::Lambda::Function", "Arn"):
                    raise NotImplementedError(f"{name}: {placeholder} is {resource}.{attribute}")
                value = f"arn:aws:lambda:{self.pseudo['AWS::Region']}:{ACCOUNT}:function:{resource}"
            given[placeholder] = value["Ref"] if isinstance(value, dict) else value

        def fill(node: Any) -> Any:
            if isinstance(node, dict):
                return {key: fill(value) for key, value in node.items()}
            if isinstance(node, list):
                return list(map(fill, node))
            return PLACEHOLDER.sub(lambda found: given[found[1]], node) if isinstance(node, str) else node

        properties["Definition"] = fill(properties["Definition"])


def references(node: Any) -> Iterator[tuple[str, str]]:
    """Yield each name that is referred to in a part of a template, and by what."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name in ("Ref", "Condition") and isinstance(value, str) and len(node) == 1:
            yield value, name
        elif name == "Fn::GetAtt":
            yield (value.split(".")[0] if isinstance(value, str) else value[0]), name
        elif name == "Fn::Sub":
            text, given = (value, {}) if isinstance(value, str) else value
            yield from ((found.split(".")[0], name) for found in PLACEHOLDER.findall(text) if found not in given)
            yield from references(given)
        elif name == "Definition":
            continue
        elif name == "DependsOn" and "Type" in node:
            yield from ((each, name) for each in (value if isinstance(value, list) else [value]))
        else:
            yield from references(value)


class Combinations:
    """Every combination of what switches a condition that the template's rules accept, the defaults first.

    Parameters that are looked at apart are combined with the defaults alone. There are over a hundred thousand: each
    condition is worked out for the values of the parameters that it looks at, and is an array over all parameters.

    Parameters
    ----------
    template : as `transformed` returns it

    Attributes
    ----------
    template : the same
    order : names of the conditions; the first is the lowest bit of a vector
    vectors : for each combination what its conditions are, bits of an integer

    Raises
    ------
    TransformError
        If a condition looks at a parameter that has neither AllowedValues nor an example here, or if a condition is
        the same in all combinations.
    """

    def __init__(self, template: dict[str, Any]) -> None:
        self.template = template
        self.order = list(template["Conditions"])
        self._choices = {"AWS::Region": list(REGIONS)}
        for name in sorted(_switches(template)):
            parameter = template["Parameters"][name]
            if "AllowedValues" not in parameter and name not in EXAMPLES:
                raise TransformError(f"a condition looks at {name}: give examples of it in audit/transformed.py")
            values = parameter.get("AllowedValues") or EXAMPLES[name]
            self._choices[name] = list(dict.fromkeys(map(str, [parameter["Default"], *values])))
        accepted = self._together()
        for rule in template.get("Rules", {}).values():
            accepted &= self._array(rule, rule, Stack.accepts)
        vectors = np.zeros_like(accepted, dtype=np.int64)
        for position, name in enumerate(self.order):
            holds = self._array(template["Conditions"][name], name, Stack.condition)
            if len(np.unique(np.broadcast_to(holds, accepted.shape)[accepted])) < 2:
                raise TransformError(f"no combination switches {name}: give examples in audit/transformed.py")
            vectors |= holds.astype(np.int64) << position
        self._places = np.flatnonzero(accepted)
        self.vectors = vectors[accepted]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Setting:
        found = np.unravel_index(self._places[index], [len(values) for values in self._choices.values()])
        return self._setting(*(values[place] for values, place in zip(self._choices.values(), found, strict=True)))

    def distinct(self) -> dict[tuple[bool, ...], Setting]:
        """Return one setting for each vector of conditions: stacks with the same conditions have the same resources."""
        vectors, first = np.unique(self.vectors, return_index=True)
        bits = (vectors[:, None] >> np.arange(len(self.order)) & 1).astype(bool)
        ordered = sorted(zip(first.tolist(), map(tuple, bits.tolist()), strict=True))
        return {vector: self[index] for index, vector in ordered}

    def _setting(self, kind: str, *values: str) -> Setting:
        return Setting(tuple(zip(list(self._choices)[1:], values, strict=True)), kind)

    def _together(self) -> np.ndarray:
        """Return which combinations change no parameter next to one that is looked at apart."""
        apart = [self._axis(name) > 0 for name in self._choices if name in APART]
        others = [self._axis(name) > 0 for name in self._choices if name not in APART | {"AWS::Region"}]
        shape = [len(values) for values in self._choices.values()]
        together = ~(reduce(np.logical_or, apart, np.False_) & reduce(np.logical_or, others, np.False_))
        return np.broadcast_to(together, shape).copy()

    def _axis(self, name: str) -> np.ndarray:
        """Return the places of a parameter's values, along its axis."""
        shape = [len(values) if each == name else 1 for each, values in self._choices.items()]
        return np.arange(len(self._choices[name])).reshape(shape)

    def _array(self, node: Any, argument: Any, ask: Callable[[Stack, Any], bool]) -> np.ndarray:
        """Return what stacks answer, with one place along the axes of the parameters that a node does not look at."""
        looked = self._looked_at(node)
        choices = [values if name in looked else values[:1] for name, values in self._choices.items()]
        answers = [
            ask(stack(self.template, self._setting(*values)), argument) for values in itertools.product(*choices)
        ]
        return np.array(answers, dtype=bool).reshape([len(values) for values in choices])

    def _looked_at(self, node: Any) -> set[str]:
        """Return the parameters that a condition or rule looks at, by itself and by other conditions."""
        found = set()
        for name, how in references(node):
            found |= self._looked_at(self.template["Conditions"][name]) if how == "Condition" else {name}
        return found


def _switches(template: dict[str, Any]) -> set[str]:
    looked = [template["Conditions"], template.get("Rules", {})]
    return {name for name, _ in references(looked) if name in template["Parameters"]}


def stack(template: dict[str, Any], setting: Setting) -> Stack:
    """Return the stack of a setting."""
    return Stack(template, dict(setting.parameters), {"AWS::Region": setting.region})


# What a resource or output is in a stack: its section, its name, and what the conditions are that it looks at.
Form = tuple[str, str, tuple[bool, ...]]


def looked_at(template: dict[str, Any]) -> dict[tuple[str, str], list[int]]:
    """Return the positions of the conditions that each resource and output looks at, by section and name."""
    order = list(template["Conditions"])
    found = {}
    for section in ("Resources", "Outputs"):
        for name, item in template[section].items():
            names = _branching(item) | ({item["Condition"]} if "Condition" in item else set())
            found[section, name] = sorted(order.index(condition) for condition in names)
    return found


def forms(template: dict[str, Any], vectors: Iterable[tuple[bool, ...]]) -> set[Form]:
    """Return the forms in which each resource and output occurs in stacks with some vectors of conditions."""
    columns = list(zip(*vectors, strict=True))
    return {
        (*key, form)
        for key, positions in looked_at(template).items()
        for form in (set(zip(*(columns[position] for position in positions), strict=True)) if positions else {()})
    }


def _branching(node: Any) -> set[str]:
    """Return the conditions of every ``Fn::If``."""
    if isinstance(node, list):
        return set().union(*map(_branching, node))
    if not isinstance(node, dict):
        return set()
    own = {node["Fn::If"][0]} if "Fn::If" in node else set()
    return own.union(*map(_branching, node.values()))


def chosen(template: dict[str, Any], vectors: Mapping[tuple[bool, ...], Setting]) -> list[Setting]:
    """Return settings in which every form of a resource and every pair of conditions occurs that occurs at all."""
    holds = np.array(list(vectors))
    groups = {tuple(positions) for positions in looked_at(template).values()}
    groups |= set(itertools.combinations(range(holds.shape[1]), 2))
    # For each group of conditions which of the ways occur in which it stands in some stack: of each stack one.
    columns, size = [], 0
    for positions in sorted(groups):
        packed = holds[:, positions].astype(np.int64) @ (1 << np.arange(len(positions), dtype=np.int64))
        ways, column = np.unique(packed, return_inverse=True)
        columns.append(column + size)
        size += len(ways)
    items = np.stack(columns, axis=1)
    missing = np.ones(size, dtype=bool)
    settings, rows = list(vectors.values()), []
    while missing.any():
        best = int(missing[items].sum(axis=1).argmax())
        missing[items[best]] = False
        rows.append(settings[best])
    return rows


def unlinted(template: dict[str, Any], rows: Iterable[Setting]) -> list[tuple[Setting, set[str]]]:
    """Return settings with the resources and outputs that have a form there which is new for its kind.

    A stack takes ten seconds to lint, and most of it is the same in the next one.
    """
    seen: dict[str, set[Form]] = {}
    parts = []
    for row in rows:
        shapes = forms(template, [stack(template, row).conditions()])
        before = seen.setdefault(row.kind, set())
        parts.append((row, {name for _, name, _ in shapes - before}))
        before |= shapes
    return [(row, names) for row, names in parts if names]


def dangling(template: dict[str, Any], vectors: Mapping[tuple[bool, ...], Setting]) -> dict[str, list[Setting]]:
    """Return what stacks refer to and do not have, and in which settings."""
    holds, settings = np.array(list(vectors)), list(vectors.values())
    order = list(template["Conditions"])
    # In which stacks each is there, by section and name.
    there = {
        (section, name): holds[:, order.index(item["Condition"])] if "Condition" in item else np.True_
        for section in ("Resources", "Outputs")
        for name, item in template[section].items()
    }
    always = {*template["Parameters"], *template["Conditions"]}
    problems: dict[str, list[Setting]] = {}
    for (section, name), positions in looked_at(template).items():
        item = {key: value for key, value in template[section][name].items() if key != "Condition"}
        _, first, form = np.unique(holds[:, positions], axis=0, return_index=True, return_inverse=True)
        for number, index in enumerate(first):
            for wanted, how in set(references(stack(template, settings[index]).branches(item))):
                if wanted in always or wanted.startswith("AWS::"):
                    continue
                without = (form == number) & there[section, name] & ~there.get(("Resources", wanted), np.False_)
                if without.any():
                    problem = f"{section}/{name}: {how} {wanted}, which is not there"
                    problems.setdefault(problem, []).extend(settings[place] for place in np.flatnonzero(without))
    return problems


def lint(template: dict[str, Any], setting: Setting, names: Collection[str] | None = None) -> list[str]:
    """Return what cfn-lint finds in the stack of a setting in all regions of its kind, one line each.

    With `names` it looks at those resources and outputs and at what they refer to.

    cfn-lint brings the schemas of AWS for each region, and one of Amazon States Language.
    """
    # Imported where it is needed: it takes seconds.
    from cfnlint.config import ConfigMixIn
    from cfnlint.decode import decode_str
    from cfnlint.runner import Runner

    made = stack(template, setting).resolved(names)
    node, errors = decode_str(json.dumps(made))
    found = errors or Runner(ConfigMixIn(regions=REGIONS[setting.kind])).validate_template(node)
    return [
        f"{match.rule.id} {'/'.join(map(str, match.path or []))}: {match.message}"
        for match in found
        if not _known(match, made)
    ]


# "In JSONata states, you can specify a JSONata expression" for both, which cfn-lint's schema asks to be numbers:
# https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html, …/state-map.html.
NUMBERS_IN_JSONATA = {("Task", "TimeoutSeconds"), ("Map", "MaxConcurrency")}
JSONATA = re.compile(r"\{%.+%\}", re.DOTALL)


def _known(match: Any, template: dict[str, Any]) -> bool:
    """Return whether a finding is one of those that are wrong: a number that JSONata computes."""
    path = list(match.path or [])
    if match.rule.id != "E3601" or "is not of type 'number'" not in match.message:
        return False
    state: Any = template
    for step in path[:-1]:
        state = state[step]
    return (
        (state.get("Type"), path[-1]) in NUMBERS_IN_JSONATA
        and state.get("QueryLanguage", "JSONata") == "JSONata"
        and bool(JSONATA.fullmatch(state[path[-1]]))
    )


@cache
def _template(path: Path) -> dict[str, Any]:
    return transformed(source(path))


def _lint_in_process(argument: tuple[Path, Setting, set[str]]) -> list[str]:
    path, setting, names = argument
    return lint(_template(path), setting, names)


def main(path: Path = ROOT / "template.yaml") -> int:
    """Lint the template as described above and return 1 if anything is found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at once (all processors)")
    parser.add_argument("template", type=Path, nargs="?", default=path)
    arguments = parser.parse_args()
    try:
        template = _template(arguments.template)
        every = Combinations(template)
    except TransformError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    vectors = every.distinct()
    problems = dangling(template, vectors)
    parts = unlinted(template, chosen(template, vectors))
    with ProcessPoolExecutor(arguments.jobs) as pool:
        found = pool.map(_lint_in_process, [(arguments.template, *part) for part in parts])
        for (row, _), lines in zip(parts, found, strict=True):
            for line in lines:
                problems.setdefault(line, []).append(row)
    for problem, where in problems.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        print(f"{problem} ({where[0]}{more})", file=sys.stderr)
    print(
        f"{len(every)} combinations of parameters and kinds of regions, {len(vectors)} different stacks, "
        f"each form of a resource linted for {sum(map(len, REGIONS.values()))} regions: {len(problems)} problems"
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
