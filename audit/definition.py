"""Check of state machine definitions against the rules that Step Functions applies when a machine is created.

Other tools leave gaps here: statelint accepts a JSONPath state under a JSONata machine and knows no API; cfn-lint reads
a definition only where it stands in the template. Sources: the Amazon States Language specification, "Transforming data
with JSONata" in the Step Functions guide, the input shapes of botocore, and the resource handler of CloudFormation,
which reads YAML with Jackson.

    python audit/definition.py statemachine/*.yaml
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import botocore.loaders
import botocore.model
import yaml
from jsonata import jsonata

SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
# The three forms of a service integration, see
# https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html
RESOURCE = re.compile(
    r"arn:(?:aws[\w-]*|\$\{\w+\}):states:::(?P<sdk>aws-sdk:)?(?P<service>\w+):(?P<action>\w+)"
    r"(?P<pattern>(?:\.sync(?::2)?|\.waitForTaskToken)?)"
)
# botocore's name of a service where it is not that of the integration.
CLIENTS = {"states": "stepfunctions", "sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}
# Members that an optimised integration takes as JSON, whatever the API's own type is.
JSON_MEMBERS = {("lambda", "Payload"), ("stepfunctions", "Input"), ("sns", "Message"), ("sqs", "MessageBody")}

MACHINE = {"Comment", "QueryLanguage", "Version", "StartAt", "TimeoutSeconds", "States"}
EVERY_STATE = {"Type", "Comment", "QueryLanguage"}
MOVES = {"Next", "End"}
DATA = {"Output", "Assign"}
FAILS = {"Retry", "Catch"}
FIELDS = {
    "Task": {*MOVES, *DATA, *FAILS, "Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Pass": {*MOVES, *DATA},
    "Wait": {*MOVES, *DATA, "Seconds", "Timestamp"},
    "Choice": {*DATA, "Choices", "Default"},
    "Succeed": {"Output"},
    "Fail": {"Error", "Cause"},
    "Parallel": {*MOVES, *DATA, *FAILS, "Arguments", "Branches"},
    "Map": {
        *(*MOVES, *DATA, *FAILS, "Items", "ItemReader", "ItemSelector", "ItemBatcher", "ItemProcessor", "ResultWriter"),
        *("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount", "Label"),
    },
}
REQUIRED = {
    **{"Task": {"Resource"}, "Choice": {"Choices"}, "Parallel": {"Branches"}, "Map": {"ItemProcessor"}},
    **{"Pass": set(), "Wait": set(), "Succeed": set(), "Fail": set()},
}
RULE = {"Condition", "Next", "Comment", *DATA}
CATCHER = {"ErrorEquals", "Next", "Comment", *DATA}
RETRIER = {
    *("ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"),
}
# Where a value may be an expression. Everything else is read when the machine is created.
COMPUTED = {
    *("Arguments", "Output", "Assign", "TimeoutSeconds", "HeartbeatSeconds", "Credentials", "Seconds", "Timestamp"),
    *("Condition", "Error", "Cause", "Items", "ItemReader", "ItemSelector", "ItemBatcher", "ResultWriter"),
    *("MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount"),
}
NUMBERS = {
    *("TimeoutSeconds", "HeartbeatSeconds", "Seconds", "MaxConcurrency"),
    *("ToleratedFailurePercentage", "ToleratedFailureCount"),
}
# `$states.result` is there in some fields of some states only:
# https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
RESULT = {"Task", "Map", "Parallel"}
LONGEST_DELAY = 31_622_400


@dataclass(frozen=True, order=True)
class Finding:
    """A fault of a definition: the line, the state ("" for the machine itself) and what is wrong."""

    line: int
    state: str
    message: str


class Mapping(dict[str, Any]):
    """A mapping of a YAML file with the line of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line, self.lines = line, dict[str, int]()


class Sequence(list[Any]):
    """A sequence of a YAML file with the line of each item."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line, self.lines = line, list[int]()


def check(text: str) -> list[Finding]:
    """Return every fault of a definition in YAML or JSON, by line."""
    checker = _Checker()
    document = checker.read(text)
    if isinstance(document, Mapping):
        checker.machine(document)
    elif not checker.findings:
        checker.say(1, "the definition is not a mapping")
    return sorted(set(checker.findings))


class _Checker:
    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.state = ""

    def say(self, line: int, message: str) -> None:
        self.findings.append(Finding(line, self.state, message))

    # YAML as Jackson reads it

    def read(self, text: str) -> Any:
        """Return the document with lines; note what Jackson does not read as PyYAML does."""
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                if getattr(event, "anchor", None):
                    mark = "*" if isinstance(event, yaml.AliasEvent) else "&"
                    self.say(
                        event.start_mark.line + 1,
                        f"YAML alias or anchor {mark}{event.anchor}: CloudFormation does not resolve it, write it out",
                    )
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            self.say(line, f"not YAML: {error.problem}")
            return None
        document = self._value(node)
        # From the outside in: the innermost state is the one that is named.
        for name, first, last in _places(node):
            self.findings = [
                replace(finding, state=name) if first <= finding.line <= last else finding for finding in self.findings
            ]
        return document

    def _value(self, node: yaml.Node | None) -> Any:
        if node is None:
            return None
        line = node.start_mark.line + 1
        if not node.tag.startswith("tag:yaml.org,2002:"):
            self.say(line, f"YAML tag {node.tag}: CloudFormation does not resolve it in a definition")
        if isinstance(node, yaml.MappingNode):
            found = Mapping(line)
            for key, value in node.value:
                at = key.start_mark.line + 1
                name = str(key.value)
                if not isinstance(key, yaml.ScalarNode):
                    self.say(at, "a key that is no string")
                    continue
                if name == "<<":
                    self.say(at, "YAML merge key <<: CloudFormation does not resolve it, write it out")
                if name in found:
                    self.say(at, f"duplicate key {name}: the first is in line {found.lines[name]}")
                found[name], found.lines[name] = self._value(value), at
            return found
        if isinstance(node, yaml.SequenceNode):
            items = Sequence(line)
            for value in node.value:
                items.append(self._value(value))
                items.lines.append(value.start_mark.line + 1)
            return items
        return self._scalar(node, line)

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        text, kind = node.value, node.tag.rpartition(":")[2]
        if node.style is not None or kind == "str":
            return text
        if kind == "bool" and text in ("true", "false"):
            return text == "true"
        if kind == "null" and text in ("", "null", "~"):
            return None
        if kind == "int" and re.fullmatch(r"-?(?:0|[1-9]\d*)", text):
            return int(text)
        if kind == "float" and re.fullmatch(r"-?\d+\.\d+(?:[eE][-+]?\d+)?", text):
            return float(text)
        self.say(line, f"{text} means something else to another YAML parser: put it in quotes")
        return text

    # Machines and states

    def machine(self, machine: Mapping) -> None:
        """Check a whole machine."""
        self._fields(machine, MACHINE, {"StartAt", "States"}, "a state machine")
        if machine.get("QueryLanguage") != "JSONata":
            self.say(machine.lines.get("QueryLanguage", machine.line), "the machine's QueryLanguage is not JSONata")
        self._scope(machine)

    def _scope(self, machine: Mapping) -> None:
        states = machine.get("States")
        if not isinstance(states, Mapping):
            return
        outside = self.state
        self._target(machine, "StartAt", states)
        for name, state in states.items():
            self.state = name
            if len(name) > 80:
                self.say(states.lines[name], "the name of a state has 80 characters at most")
            if isinstance(state, Mapping):
                self._state(state, states)
            else:
                self.say(states.lines[name], "a state is a mapping")
        self.state = outside

    def _state(self, state: Mapping, states: Mapping) -> None:
        kind = state.get("Type")
        if kind not in FIELDS:
            self.say(state.lines.get("Type", state.line), f"there is no state of Type {kind}")
            return
        if "QueryLanguage" in state and state["QueryLanguage"] != "JSONata":
            self.say(
                state.lines["QueryLanguage"],
                f"QueryLanguage {state['QueryLanguage']}: AWS allows JSONata alone in a machine that is JSONata",
            )
        self._fields(state, EVERY_STATE | FIELDS[kind], REQUIRED[kind], f"a {kind} state in JSONata")
        if FIELDS[kind] >= MOVES and ("Next" in state) == (state.get("End") is True):
            self.say(state.line, "a state has either Next or End: true")
        for field in ("Next", "Default"):
            if field in state:
                self._target(state, field, states)
        self._values(state, kind, "state")
        if kind == "Wait" and len(state.keys() & {"Seconds", "Timestamp"}) != 1:
            self.say(state.line, "a Wait has either Seconds or Timestamp")
        for rule in self._mappings(state, "Choices"):
            self._fields(rule, RULE, {"Condition", "Next"}, "a rule of a Choice in JSONata")
            self._target(rule, "Next", states)
            self._values(rule, kind, "rule")
        for catcher in self._mappings(state, "Catch"):
            self._fields(catcher, CATCHER, {"ErrorEquals", "Next"}, "a Catch in JSONata")
            self._target(catcher, "Next", states)
            self._values(catcher, kind, "catch")
        for retrier in self._mappings(state, "Retry"):
            self._retrier(retrier)
        for field in ("Retry", "Catch"):
            self._errors(state, field)
        if kind == "Task":
            self._arguments(state)
        if isinstance(reader := state.get("ItemReader"), Mapping):
            allowed = {"Resource", "Arguments", "ReaderConfig"}
            self._fields(reader, allowed, {"Resource"}, "an ItemReader in JSONata")
            self._arguments(reader)
        for inside in [state[key] for key in ("ItemProcessor",) if key in state] + list(state.get("Branches") or []):
            if isinstance(inside, Mapping):
                allowed = {"Comment", "StartAt", "States", "ProcessorConfig"}
                self._fields(inside, allowed, {"StartAt", "States"}, "the machine within a state")
                self._scope(inside)

    def _fields(self, node: Mapping, allowed: set[str], required: set[str], what: str) -> None:
        for name in node:
            if name not in allowed:
                self.say(node.lines[name], f"{what} has no field {name}")
        for name in sorted(required - node.keys()):
            self.say(node.line, f"{what} needs {name}")

    def _target(self, node: Mapping, field: str, states: Mapping) -> None:
        if field in node and node[field] not in states:
            self.say(node.lines[field], f"{field}: there is no state {node[field]} here")

    def _mappings(self, state: Mapping, field: str) -> Iterator[Mapping]:
        found = state.get(field, Sequence(state.line))
        if not isinstance(found, Sequence):
            self.say(state.lines[field], f"{field} is a list")
            return
        for item, line in zip(found, found.lines, strict=True):
            if isinstance(item, Mapping):
                yield item
            else:
                self.say(line, f"{field} is a list of mappings")

    def _errors(self, state: Mapping, field: str) -> None:
        found = list(self._mappings(state, field))
        for index, item in enumerate(found):
            errors = item.get("ErrorEquals")
            if not isinstance(errors, Sequence) or not errors or not all(isinstance(name, str) for name in errors):
                self.say(item.line, "ErrorEquals is a list of names of errors")
            elif "States.ALL" in errors and (len(errors) > 1 or index < len(found) - 1):
                self.say(item.lines["ErrorEquals"], f"States.ALL stands alone and in the last {field}")

    def _retrier(self, retrier: Mapping) -> None:
        self._fields(retrier, RETRIER, {"ErrorEquals"}, "a Retry")
        interval, delay = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds", LONGEST_DELAY - 1)
        for name, least in (("IntervalSeconds", 1), ("MaxAttempts", 0), ("MaxDelaySeconds", 1)):
            if name in retrier and not (_whole(retrier[name]) and retrier[name] >= least):
                self.say(retrier.lines[name], f"{name} is a whole number, {least} or more")
                return
        if not interval < delay < LONGEST_DELAY:
            self.say(retrier.line, f"MaxDelaySeconds is above IntervalSeconds and below {LONGEST_DELAY}")
        rate = retrier.get("BackoffRate", 2)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or rate < 1:
            self.say(retrier.lines["BackoffRate"], "BackoffRate is a number, 1.0 or more")
        if retrier.get("JitterStrategy", "NONE") not in ("FULL", "NONE"):
            self.say(retrier.lines["JitterStrategy"], "JitterStrategy is FULL or NONE")

    # Values and expressions

    def _values(self, node: Mapping, kind: str, part: str) -> None:
        """Check the values of a state, a rule of a Choice or a Catch, without the machines within it."""
        for name, value in node.items():
            line = node.lines[name]
            if name in COMPUTED:
                self._expressions(value, line, kind, part, name)
            elif name not in ("Choices", "Catch", "Retry", "ItemProcessor", "Branches", "Comment"):
                for text, at in _texts(value, line):
                    if "{%" in text:
                        self.say(at, f"{name} cannot be an expression")
            if name in NUMBERS and not _whole(value) and not _is_expression(value):
                self.say(line, f"{name} is a whole number or an expression")
            if name == "Items" and not isinstance(value, Sequence) and not _is_expression(value):
                self.say(line, "Items is a list or an expression")
            if name == "Condition" and not isinstance(value, bool) and not _is_expression(value):
                self.say(line, "Condition is an expression or a boolean")
            if name == "Assign":
                self._names(value, line)

    def _names(self, assign: Any, line: int) -> None:
        if not isinstance(assign, Mapping):
            self.say(line, "Assign is a mapping")
            return
        for name in assign:
            if not re.fullmatch(r"[^\W\d]\w{0,79}", name) or name == "states":
                self.say(assign.lines[name], f"{name} cannot be the name of a variable")

    def _expressions(self, value: Any, line: int, kind: str, part: str, field: str) -> None:
        for name, at in _keys(value):
            if name.endswith(".$"):
                self.say(at, f"the key {name} is JSONPath: JSONata stands in the value")
        for text, at in _texts(value, line):
            if not _is_expression(text):
                if "{%" in text or "%}" in text:
                    self.say(at, f"an expression is the whole text from {{% to %}}: {text}")
                elif re.match(r"\$\$?[.\[]|\$\$?$|States\.\w+\(", text):
                    self.say(at, f"{text} is JSONPath")
                continue
            # A substitution is made before the text is read; what it is replaced by is a number or within quotes.
            expression = SUBSTITUTION.sub("1", text)[2:-2].strip()
            try:
                jsonata.Jsonata(expression)
            except Exception as error:
                self.say(at, f"not JSONata: {error}: {text}")
                continue
            self._reserved(expression, at, kind, part, field)

    def _reserved(self, expression: str, line: int, kind: str, part: str, field: str) -> None:
        bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|/\*.*?\*/", "''", expression)
        if re.search(r"\$eval\b", bare):
            self.say(line, "AWS has no $eval, use $parse")
        for name in re.findall(r"\$states\s*\.\s*(\w+)", bare):
            there = {"input", "context"}
            if part == "state" and kind in RESULT and field in DATA:
                there.add("result")
            if part == "catch":
                there.add("errorOutput")
            if name not in there:
                self.say(line, f"$states.{name} is not there in {field}")

    # Arguments

    def _arguments(self, state: Mapping) -> None:
        resource = state.get("Resource")
        matched = RESOURCE.fullmatch(resource) if isinstance(resource, str) else None
        if matched is None:
            self.say(
                state.lines.get("Resource", state.line), f"Resource {resource} is no service integration known here"
            )
            return
        given = state.get("Arguments", Mapping(state.line))
        line = state.lines.get("Arguments", state.line)
        if not isinstance(given, Mapping):
            self.say(line, "Arguments as one expression cannot be checked: write a mapping")
            return
        client = CLIENTS.get(matched["service"], matched["service"])
        shape = _input_shape(client, matched["action"])
        if shape is None:
            self.say(state.lines["Resource"], f"there is no {matched['service']}:{matched['action']}")
            return
        if ".waitForTaskToken" in matched["pattern"] and "$states.context.Task.Token" not in str(given):
            self.say(line, ".waitForTaskToken without $states.context.Task.Token: nobody could answer")
        free = set() if matched["sdk"] else {name for service, name in JSON_MEMBERS if service == client}
        self._shape(given, shape, line, f"{matched['service']}:{matched['action']}", free)

    def _shape(self, value: Any, shape: botocore.model.Shape, line: int, path: str, free: set[str]) -> None:
        """Check a literal against the shape of an API; an expression is known at run time only."""
        if _is_expression(value):
            return
        if isinstance(shape, botocore.model.StructureShape):
            self._structure(value, shape, line, path, free)
        elif isinstance(shape, botocore.model.ListShape):
            if not isinstance(value, Sequence):
                self.say(line, f"{path} is a list")
                return
            for item, at in zip(value, value.lines, strict=True):
                self._shape(item, shape.member, at, f"{path}[]", set())
        elif isinstance(shape, botocore.model.MapShape):
            if not isinstance(value, Mapping):
                self.say(line, f"{path} is a mapping")
                return
            for name, item in value.items():
                self._shape(item, shape.value, value.lines[name], f"{path}.{name}", set())
        else:
            self._literal(value, shape, line, path)

    def _structure(
        self, value: Any, shape: botocore.model.StructureShape, line: int, path: str, free: set[str]
    ) -> None:
        if not isinstance(value, Mapping):
            self.say(line, f"{path} is a mapping")
            return
        # Integrations write every name with a capital, whatever the API does.
        members = {name[:1].upper() + name[1:]: member for name, member in shape.members.items()}
        for name, item in value.items():
            if name not in members:
                self.say(value.lines[name], f"{path} has no argument {name}")
            elif name not in free:
                self._shape(item, members[name], value.lines[name], f"{path}.{name}", set())
        for name in shape.required_members:
            if name[:1].upper() + name[1:] not in value:
                self.say(line, f"{path} needs the argument {name[:1].upper() + name[1:]}")
        if (shape.name == "AttributeValue" or shape.is_tagged_union) and len(value) != 1:
            self.say(line, f"{path} takes exactly one of {', '.join(members)}")

    def _literal(self, value: Any, shape: botocore.model.Shape, line: int, path: str) -> None:
        kind = shape.type_name
        fits = {
            "boolean": isinstance(value, bool),
            **dict.fromkeys(("integer", "long"), _whole(value)),
            **dict.fromkeys(("float", "double"), isinstance(value, int | float) and not isinstance(value, bool)),
        }.get(kind, isinstance(value, str))
        if not fits:
            self.say(line, f"{path} is of type {kind}, not {value!r}")
        elif shape.enum and not SUBSTITUTION.search(str(value)) and value not in shape.enum:
            self.say(line, f"{path} is one of {', '.join(shape.enum)}, not {value}")


def _places(node: yaml.Node | None) -> Iterator[tuple[str, int, int]]:
    """Yield the name of each state with its first and last line, a state before those within it."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _places(item)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "States" and isinstance(value, yaml.MappingNode):
                for name, state in value.value:
                    # A block ends where the next token begins.
                    last = state.end_mark.line + (1 if state.end_mark.column else 0)
                    yield str(name.value), name.start_mark.line + 1, last
            yield from _places(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_expression(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}")


def _texts(value: Any, line: int) -> Iterator[tuple[str, int]]:
    """Yield every string within a value with its line."""
    if isinstance(value, str):
        yield value, line
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, value.lines[name])
    elif isinstance(value, Sequence):
        for item, at in zip(value, value.lines, strict=True):
            yield from _texts(item, at)


def _keys(value: Any) -> Iterator[tuple[str, int]]:
    """Yield every key within a value with its line."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield name, value.lines[name]
            yield from _keys(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _keys(item)


@cache
def _input_shape(client: str, action: str) -> botocore.model.Shape | None:
    loader = botocore.loaders.Loader()
    try:
        model = botocore.model.ServiceModel(loader.load_service_model(client, "service-2"), client)
        return model.operation_model(action[:1].upper() + action[1:]).input_shape
    except (botocore.exceptions.UnknownServiceError, botocore.model.OperationNotFoundError):
        return None


def main(paths: list[str]) -> int:
    """Print the findings of definitions as ``file:line: state: message``; return 1 if there are any, else 0."""
    found = [(path, finding) for path in paths for finding in check(Path(path).read_text(encoding="utf-8"))]
    for path, finding in found:
        where = f" {finding.state}:" if finding.state else ""
        print(f"{path}:{finding.line}:{where} {finding.message}")
    return 1 if found else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python audit/definition.py DEFINITION [DEFINITION ...]")
    sys.exit(main(sys.argv[1:]))
