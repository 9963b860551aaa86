"""A strict interpreter of a JSONata state machine: what Step Functions refuses at run time is an error here too.

The emulator is more lenient than AWS: it takes any value for a condition, shares variables between scopes and knows no
limit of sizes. Here, as on AWS (https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html and
workflow-variables.html):

- an expression that gives nothing, or that reads a variable nobody has assigned, is ``States.QueryEvaluationError``;
- a Choice gives booleans, Wait and time limits are whole numbers, ``Items`` is an array, Error and Cause are strings;
- all expressions of an ``Assign`` read the values from before the state; what they assign is there from the next state
  on; within a Map or Parallel outer variables are read and not assigned, in a Distributed Map they are not even read;
- input, output and arguments have 256 KiB at most.

Retries are not waited for: a task that fails has failed at its last try.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonata import jsonata
from jsonata.utils import Utils

LIMIT = 256 * 1024
# Names that JSONata and Step Functions define themselves.
BUILTIN = {*jsonata.Jsonata.static_frame.bindings, "partition", "range", "hash", "random", "uuid", "parse", "states"}
TASK_ERRORS_NOT_CAUGHT_BY_ALL = {"States.DataLimitExceeded", "States.Runtime"}
MISSING = object()


class StateError(Exception):
    """An error of a task or of the interpreter; `cause` may be `MISSING`."""

    def __init__(self, error: str, cause: Any = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause

    def output(self) -> dict[str, Any]:
        return {"Error": self.error} | ({} if self.cause is MISSING else {"Cause": self.cause})


@dataclass(frozen=True)
class Call:
    """A call that a state made of a service: the state, the integration (``lambda:invoke``) and the arguments."""

    state: str
    resource: str
    arguments: dict[str, Any]


@dataclass
class Walk:
    """What became of an execution: states in order, calls, status, output or error, and what AWS would have refused."""

    passed: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    status: str = "RUNNING"
    output: Any = None
    error: str = ""
    cause: str = ""
    refused: list[str] = field(default_factory=list)
    # Every evaluation with what it gave, so that another engine can be asked the same.
    evaluated: list[tuple[str, dict[str, Any], Any]] = field(default_factory=list)


World = Callable[[Call], Any]


class Interpreter:
    """Runs a definition (substitutions made) against a world that answers calls or raises `StateError`."""

    def __init__(self, definition: dict[str, Any], world: World, *, longest: int = 2_000) -> None:
        self.definition, self.world, self.longest = definition, world, longest

    def run(self, given: Any) -> Walk:
        """Walk from the first state to the end."""
        self.walk = Walk()
        self.context = {
            "Execution": {
                "Id": "arn:aws:states:us-east-1:123456789012:execution:m:e1",
                **{"Input": given, "Name": "e1", "RoleArn": "arn:aws:iam::123456789012:role/r"},
                **{"StartTime": "2026-01-01T00:00:00.000Z", "RedriveCount": 0},
            },
            "StateMachine": {"Id": "arn:aws:states:us-east-1:123456789012:stateMachine:m", "Name": "m"},
        }
        try:
            self.walk.output = self._machine(self.definition, given, Scope(), self.context)
            self.walk.status = "SUCCEEDED"
        except StateError as error:
            self.walk.status, self.walk.error = "FAILED", error.error
            self.walk.cause = "" if error.cause is MISSING else error.cause
        return self.walk

    def _machine(self, machine: dict[str, Any], data: Any, scope: "Scope", context: dict[str, Any]) -> Any:
        name = machine["StartAt"]
        while True:
            if len(self.walk.passed) >= self.longest:
                raise AssertionError(f"no end after {self.longest} states: {self.walk.passed[-20:]}")
            self.walk.passed.append(name)
            state = machine["States"][name]
            step = _Step(self, name, state, data, scope, {**context, "State": {"Name": name, "RetryCount": 0}})
            data, name = step.run()
            if name is None:
                return data


class Scope:
    """Variables of an execution, or of one iteration or branch within it."""

    def __init__(self, outer: "Scope | None" = None) -> None:
        self.outer, self.own = outer, dict[str, Any]()

    def readable(self) -> dict[str, Any]:
        """Return every variable that can be read here, as the engine takes it."""
        return {**(self.outer.readable() if self.outer else {}), **self.own}

    def assign(self, values: dict[str, Any]) -> None:
        self.own |= {name: with_null(value) for name, value in values.items()}


class _Step:
    def __init__(
        self,
        interpreter: Interpreter,
        name: str,
        state: dict[str, Any],
        data: Any,
        scope: Scope,
        context: dict[str, Any],
    ) -> None:
        self.interpreter, self.name, self.state, self.data = interpreter, name, state, data
        self.scope, self.context = scope, context
        self.variables, self.bound = scope.readable(), with_null(data)

    def run(self) -> tuple[Any, str | None]:
        self._fits(self.data, "input")
        kind = self.state["Type"]
        try:
            return getattr(self, f"_{kind.lower()}")()
        except StateError as error:
            if kind not in ("Task", "Map", "Parallel"):
                raise
            return self._caught(error)

    # States

    def _pass(self) -> tuple[Any, str | None]:
        return self._leave(self.data)

    def _succeed(self) -> tuple[Any, str | None]:
        return self._output(self.state, self.data, {}), None

    def _fail(self) -> tuple[Any, str | None]:
        found = {name: self._value(self.state.get(name, ""), name) for name in ("Error", "Cause")}
        for name, value in found.items():
            self._must(isinstance(value, str), f"{name} is no string: {value!r}")
        raise StateError(found["Error"], found["Cause"])

    def _wait(self) -> tuple[Any, str | None]:
        seconds = self._value(self.state["Seconds"], "Seconds")
        self._must(_whole(seconds) and 0 <= seconds <= 99_999_999, f"Seconds is no whole number: {seconds!r}")
        return self._leave(self.data)

    def _choice(self) -> tuple[Any, str | None]:
        for rule in self.state["Choices"]:
            said = self._value(rule["Condition"], "Condition")
            self._must(isinstance(said, bool), f"Condition gives no boolean: {said!r}")
            if said:
                return self._end(rule, self.data, {}), rule["Next"]
        if "Default" not in self.state:
            raise StateError("States.NoChoiceMatched")
        return self._end(self.state, self.data, {}), self.state["Default"]

    def _task(self) -> tuple[Any, str | None]:
        resource = self.state["Resource"].partition(":::")[2]
        if resource.endswith(".waitForTaskToken"):
            self.context = {**self.context, "Task": {"Token": "token"}}
        arguments = self._value(self.state.get("Arguments", {}), "Arguments")
        self._fits(arguments, "Arguments")
        for limit in ("TimeoutSeconds", "HeartbeatSeconds"):
            if limit in self.state:
                seconds = self._value(self.state[limit], limit)
                self._must(_whole(seconds) and 0 < seconds <= 99_999_999, f"{limit} is no whole number: {seconds!r}")
        result = json.loads(json.dumps(self._ask(resource, arguments)))
        if resource == "lambda:invoke":
            result = {"ExecutedVersion": "$LATEST", "Payload": result, "StatusCode": 200}
        self._fits(result, "result")
        return self._leave(result, {"result": result})

    def _map(self) -> tuple[Any, str | None]:
        items = self._value(self.state["Items"], "Items")
        self._must(isinstance(items, list), f"Items is no array: {items!r}")
        most = self._value(self.state.get("MaxConcurrency", 0), "MaxConcurrency")
        self._must(_whole(most) and most >= 0, f"MaxConcurrency is no whole number: {most!r}")
        processor = self.state["ItemProcessor"]
        distributed = processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"
        # A Map Run may fail to start, whatever its items would have come to.
        self._ask("map:start", {})
        results = []
        for index, item in enumerate(items):
            context = {**self.context, "Map": {"Item": {"Index": index, "Value": item}}}
            given = item
            if "ItemSelector" in self.state:
                given = self._value(self.state["ItemSelector"], "ItemSelector", context=context)
            inner = Scope() if distributed else Scope(self.scope)
            results.append(self.interpreter._machine(processor, given, inner, self.context if distributed else context))
        self._fits(results, "result")
        return self._leave(results, {"result": results})

    def _parallel(self) -> tuple[Any, str | None]:
        given = self._value(self.state["Arguments"], "Arguments") if "Arguments" in self.state else self.data
        results = [
            self.interpreter._machine(branch, given, Scope(self.scope), self.context)
            for branch in self.state["Branches"]
        ]
        return self._leave(results, {"result": results})

    def _ask(self, resource: str, arguments: dict[str, Any]) -> Any:
        call = Call(self.name, resource, arguments)
        self.interpreter.walk.calls.append(call)
        return self.interpreter.world(call)

    # Leaving a state

    def _leave(self, default: Any, extra: dict[str, Any] | None = None) -> tuple[Any, str | None]:
        data = self._end(self.state, default, extra or {})
        return data, None if self.state.get("End") else self.state["Next"]

    def _caught(self, error: StateError) -> tuple[Any, str | None]:
        for catcher in self.state.get("Catch", []):
            if _matches(catcher["ErrorEquals"], error.error):
                return self._end(catcher, error.output(), {"errorOutput": error.output()}), catcher["Next"]
        raise error

    def _end(self, node: dict[str, Any], default: Any, extra: dict[str, Any]) -> Any:
        # Both read the variables from before.
        assigned = {
            name: self._value(value, f"Assign.{name}", **extra) for name, value in node.get("Assign", {}).items()
        }
        data = self._output(node, default, extra)
        self._fits(assigned, "Assign")
        outer = self.scope.outer.readable() if self.scope.outer else {}
        for name in assigned:
            self._must(name not in outer, f"{name} belongs to an outer scope and cannot be assigned here")
        self.scope.assign(assigned)
        return data

    def _output(self, node: dict[str, Any], default: Any, extra: dict[str, Any]) -> Any:
        data = self._value(node["Output"], "Output", **extra) if "Output" in node else default
        self._fits(data, "Output")
        return data

    # Values

    def _value(self, value: Any, where: str, context: dict[str, Any] | None = None, **extra: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._value(item, f"{where}.{name}", context, **extra) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, f"{where}[{i}]", context, **extra) for i, item in enumerate(value)]
        if not (isinstance(value, str) and value.startswith("{%")):
            return value
        expression = value.removeprefix("{%").removesuffix("%}").strip()
        for name in variables_of(expression) - self.variables.keys():
            self._refuse(f"{where}: ${name} was never assigned")
        states = {"input": self.bound, "context": with_null(context or self.context), **with_null(extra)}
        bindings = {**self.variables, "states": states}
        try:
            there, result = evaluate(expression, bindings)
        except Exception as error:
            self._refuse(f"{where}: {expression}: {error}")
        self._must(there, f"{where}: {expression} gives nothing")
        self.interpreter.walk.evaluated.append((expression, bindings, result))
        return result

    def _fits(self, value: Any, what: str) -> None:
        if (size := len(json.dumps(value, separators=(",", ":")).encode())) > LIMIT:
            self.interpreter.walk.refused.append(f"{self.name}: {what} has {size} bytes")
            raise StateError("States.DataLimitExceeded", f"{what} has {size} bytes")

    def _must(self, holds: bool, message: str) -> None:
        if not holds:
            self._refuse(message)

    def _refuse(self, message: str) -> None:
        self.interpreter.walk.refused.append(f"{self.name}: {message}")
        raise StateError("States.QueryEvaluationError", message)


def evaluate(expression: str, bindings: dict[str, Any]) -> tuple[bool, Any]:
    """Return whether an expression gives anything, and what; JSON's null is `Utils.NULL_VALUE` in the bindings."""
    result = _compiled(expression).evaluate(None, bindings)
    there = result is not None or _compiled(f"$exists(({expression}))").evaluate(None, bindings)
    return bool(there), json.loads(json.dumps(result))


@cache
def _compiled(expression: str) -> jsonata.Jsonata:
    return jsonata.Jsonata(expression)


def variables_of(expression: str) -> set[str]:
    """Return the variables of an execution that an expression reads."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|/\*.*?\*/", "''", expression)
    local = set(re.findall(r"\$(\w+)\s*:=", bare))
    for parameters in re.findall(r"function\s*\(([^)]*)\)", bare):
        local |= set(re.findall(r"\$(\w+)", parameters))
    return set(re.findall(r"\$(\w+)", bare)) - local - BUILTIN


def with_null(value: Any) -> Any:
    """Python's None is nothing to the engine; JSON's null is a value."""
    if isinstance(value, dict):
        return {name: with_null(item) for name, item in value.items()}
    if isinstance(value, list):
        return [with_null(item) for item in value]
    return Utils.NULL_VALUE if value is None else value


def _matches(names: list[str], error: str) -> bool:
    if error in names:
        return True
    if error in TASK_ERRORS_NOT_CAUGHT_BY_ALL:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def _whole(value: Any) -> bool:
    return not isinstance(value, bool) and isinstance(value, int | float) and float(value).is_integer()
