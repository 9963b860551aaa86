"""An execution of statemachine/*.yaml, state by state: functions run in their environments, DynamoDB is moto's.

Only as much of the Amazon States Language as the definition uses; payloads are what its own expressions make. Waiting
takes no time, and a task that fails is not tried again.
"""

import copy
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from jsonata import jsonata

from lambda_sandbox.account import Account
from lambda_sandbox.environment import FunctionError
from permissions.machines import definition
from permissions.template import FUNCTIONS

STEPS = 500


class Failed(RuntimeError):
    """The execution ended in a Fail state, or a state failed that nothing catches."""


class TaskError(RuntimeError):
    """A task failed: the name of its error as a definition may catch it, and the cause."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name, self.cause = name, cause


class Execution:
    """One execution of a state machine of the template.

    Parameters
    ----------
    account : its functions and tables
    name : of the execution
    given : its input
    decide : called with a task token where the machine waits for one; returns the result of that state

    Attributes
    ----------
    path : names of the states that were entered, in order
    failures : what tasks failed with, by state; a definition may go on after it
    """

    def __init__(
        self, account: Account, name: str, given: dict[str, Any], decide: Callable[[str], Any] | None = None
    ) -> None:
        self.account, self.decide = account, decide
        self.machine = definition("Pipeline", account.stack)
        self.context = {"Execution": {"Name": name, "Input": given}}
        self.variables: dict[str, Any] = {}
        self.path: list[str] = []
        self.failures: dict[str, str] = {}

    def run(self) -> Any:
        """Return the output of the last state.

        Raises
        ------
        Failed
            If the execution fails.
        """
        return self._walk(self.machine, self.context["Execution"]["Input"], self.context, self.variables)

    def _walk(self, machine: dict[str, Any], given: Any, context: dict[str, Any], variables: dict[str, Any]) -> Any:
        name = machine["StartAt"]
        for _ in range(STEPS):
            self.path.append(name)
            state = machine["States"][name]
            following, given = self._enter(name, state, given, context, variables)
            if following is None:
                return given
            name = following
        raise Failed(f"no end after {STEPS} states: {self.path[-10:]}")

    def _enter(
        self, name: str, state: dict[str, Any], given: Any, context: dict[str, Any], variables: dict[str, Any]
    ) -> tuple[str | None, Any]:
        scope = {"input": given, "context": context}
        kind = state["Type"]
        if kind == "Fail":
            said = [self._value(state.get(key, ""), scope, variables) for key in ("Error", "Cause")]
            raise Failed(": ".join(map(str, said)))
        if kind == "Succeed":
            return None, given
        if kind == "Choice":
            for choice in state["Choices"]:
                if self._value(choice["Condition"], scope, variables) is True:
                    self._assign(choice, scope, variables)
                    return choice["Next"], given
            # Those of the state itself count where no rule is taken.
            self._assign(state, scope, variables)
            return state["Default"], given
        try:
            result = self._result(state, scope, context, variables)
        except TaskError as error:
            self.failures[name] = str(error)
            return self._caught(state, error, scope, variables)
        scope["result"] = result
        output = self._value(state["Output"], scope, variables) if "Output" in state else result
        self._assign(state, scope, variables)
        return (None if state.get("End") else state["Next"]), output

    def _caught(
        self, state: dict[str, Any], error: TaskError, scope: dict[str, Any], variables: dict[str, Any]
    ) -> tuple[str, Any]:
        scope["errorOutput"] = {"Error": error.name, "Cause": error.cause}
        for catcher in state.get("Catch", []):
            if {error.name, "States.ALL"} & set(catcher["ErrorEquals"]):
                output = catcher.get("Output", scope["errorOutput"])
                output = self._value(output, scope, variables)
                self._assign(catcher, scope, variables)
                return catcher["Next"], output
        raise Failed(str(error))

    def _result(
        self, state: dict[str, Any], scope: dict[str, Any], context: dict[str, Any], variables: dict[str, Any]
    ) -> Any:
        if state["Type"] == "Map":
            items = self._value(state["Items"], scope, variables)
            found = []
            for index, item in enumerate(items):
                inside = context | {"Map": {"Item": {"Index": index, "Value": item}}}
                given = item
                if "ItemSelector" in state:
                    given = self._value(state["ItemSelector"], scope | {"context": inside}, variables)
                found.append(self._walk(state["ItemProcessor"], given, inside, copy.deepcopy(variables)))
            return found
        if state["Type"] in ("Pass", "Wait"):
            return scope["input"]
        waits = state["Resource"].endswith(".waitForTaskToken")
        if waits:
            token = f"token-of-{context['Execution']['Name']}"
            scope = scope | {"context": context | {"Task": {"Token": token}}}
        arguments = self._value(state["Arguments"], scope, variables)
        service, operation = state["Resource"].removesuffix(".waitForTaskToken").split(":")[-2:]
        if service == "lambda":
            payload = self._invoke(arguments)
            return self.decide(token) if waits else {"Payload": payload}
        try:
            call = getattr(
                self.account.client(service), {"putItem": "put_item", "deleteItem": "delete_item"}[operation]
            )
            return call(**arguments)
        except ClientError as error:
            raise TaskError(f"DynamoDB.{error.response['Error']['Code']}", str(error)) from error

    def _invoke(self, arguments: dict[str, Any]) -> Any:
        stack = self.account.stack
        function = next(name for name in FUNCTIONS if stack.attribute(name, "Arn") == arguments["FunctionName"])
        try:
            return self.account.invoke(function, arguments.get("Payload", {}))
        except FunctionError as error:
            raise TaskError("Lambda.Unknown", str(error)) from error

    def _assign(self, state: dict[str, Any], scope: dict[str, Any], variables: dict[str, Any]) -> None:
        variables |= self._value(state.get("Assign", {}), scope, variables)

    def _value(self, node: Any, scope: dict[str, Any], variables: dict[str, Any]) -> Any:
        if isinstance(node, dict):
            return {key: self._value(value, scope, variables) for key, value in node.items()}
        if isinstance(node, list):
            return [self._value(value, scope, variables) for value in node]
        if not isinstance(node, str) or not node.startswith("{%"):
            return node
        expression = jsonata.Jsonata(node.removeprefix("{%").removesuffix("%}"))
        for name, value in {**variables, "states": scope}.items():
            expression.assign(name, value)
        return expression.evaluate(None)
