"""The calls of AWS that functions make while the integration tests run, and whether their policies allow them."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any

import botocore.client
import botocore.signers
import pytest

from permissions.actions import Need, needs
from permissions.call_graph import reached
from permissions.evaluation import ALLOWED, decide
from permissions.indirect import PREFIXES_OF_PACKAGES
from permissions.template import FUNCTIONS, RESOURCES, Stack, entry, folder, function_in, listed, named_by, pairs

# What the tests call the resources of which a function learns by its event alone.
NAMES = {"DataBucket": "data", "ControlTable": "control", "FeatureTable": "features"}


class Recorder:
    """Which function is at work, what it asked of AWS, and what of that its policies do not allow.

    `complete` says whether the session runs all integration tests.
    """

    def __init__(self) -> None:
        # Several where a test calls from several threads; what a handler's own threads ask for is the handler's.
        self.at_work: list[str] = []
        self.asked: dict[str, list[Need]] = {}
        self.refused: list[str] = []
        self.paused = False
        self.complete = False

    def wrap(self, folder: str, handler: Callable) -> Callable:
        """Return a handler whose calls of AWS count as those of ``functions/<folder>``."""

        @wraps(handler)
        def at_work(*arguments: Any, **named: Any) -> Any:
            # Functions may share a folder.
            function = by_code(handler) or function_in(folder)
            self.at_work.append(function)
            try:
                return handler(*arguments, **named)
            finally:
                self.at_work.remove(function)

        return at_work

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """See every call that a boto3 client makes, and every URL that it signs: who follows it acts for the signer."""
        call = botocore.client.BaseClient._make_api_call
        prepare = botocore.client.BaseClient._convert_to_request_dict
        calling = threading.local()

        def seen(client: Any, operation: str, given: dict[str, Any]) -> Any:
            self._saw(client, operation, given)
            calling.depth = getattr(calling, "depth", 0) + 1
            try:
                return call(client, operation, given)
            finally:
                calling.depth -= 1

        def signed(client: Any, api_params: dict[str, Any], operation_model: Any, *rest: Any, **named: Any) -> Any:
            # A request that is made outside a call is one that is signed for somebody else.
            # That of a form is made up by the SDK: `posted` sees what the form allows.
            if not getattr(calling, "depth", 0) and operation_model.name != "CreateBucket":
                self._saw(client, operation_model.name, api_params)
            return prepare(client, api_params, operation_model, *rest, **named)

        form = botocore.signers.S3PostPresigner.generate_presigned_post

        def posted(presigner: Any, *, fields: dict[str, str], conditions: list[Any], **named: Any) -> Any:
            bucket = next(item["bucket"] for item in conditions if isinstance(item, dict) and "bucket" in item)
            self._noted("s3", "PutObject", {"Bucket": bucket, "Key": fields["key"]})
            return form(presigner, fields=fields, conditions=conditions, **named)

        monkeypatch.setattr(botocore.signers.S3PostPresigner, "generate_presigned_post", posted)
        monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", seen)
        monkeypatch.setattr(botocore.client.BaseClient, "_convert_to_request_dict", signed)

    @contextmanager
    def others(self) -> Iterator[None]:
        """What is asked for within is done by somebody else, while a function is at work."""
        self.paused = True
        try:
            yield
        finally:
            self.paused = False

    def dump(self) -> list[list[str]]:
        """Return what was asked for as text, each call once: a worker of a run hands it to the run."""
        found = {
            (function, need.action, need.resource, json.dumps(dict(need.context), sort_keys=True))
            for function, needs_ in self.asked.items()
            for need in needs_
        }
        return [list(call) for call in sorted(found)]

    def load(self, dumped: list[list[str]]) -> None:
        """Add what another recorder has dumped."""
        for function, action, resource, context in dumped:
            self.asked.setdefault(function, []).append(Need(action, resource, json.loads(context)))

    def _saw(self, client: Any, operation: str, given: dict[str, Any]) -> None:
        self._noted(client.meta.service_model.service_name, operation, given)

    def _noted(self, service: str, operation: str, given: dict[str, Any]) -> None:
        function = None if self.paused else _on_the_stack() or (self.at_work[-1] if self.at_work else None)
        if function:
            self._judge(function, service, operation, given)

    def _judge(self, function: str, service: str, operation: str, given: dict[str, Any]) -> None:
        names = tuple(sorted((NAMES | _names(function)).items()))
        for need in needs(service, operation, given):
            if decide(_statements(function, names), need.action, need.resource, need.context) != ALLOWED:
                about = f" with {dict(need.context)}" if need.context else ""
                self.refused.append(f"{function} asks for {need.action} on {need.resource}{about}")
            usual = Need(need.action, _renamed(need.resource, names), need.context)
            self.asked.setdefault(function, []).append(usual)


RECORDER = Recorder()


def _file(function: str) -> str:
    """Return the file of a function's handler; its package stands below the folder of all of them."""
    path = folder(function).parent / f"{entry(function)[0].replace('.', '/')}.py"
    assert path.is_file(), path
    return str(path)


ENTRIES = {(_file(name), entry(name)[1]): name for name in FUNCTIONS}


def by_code(handler: Callable) -> str | None:
    """Return the function whose handler this is; None if it is none, or hidden by a decorator."""
    code = getattr(handler, "__code__", None)
    return ENTRIES.get((code.co_filename, handler.__name__)) if code else None


def _on_the_stack() -> str | None:
    """Return the function whose handler this thread is in, however it was called."""
    frame = sys._getframe()
    while frame is not None:
        function = ENTRIES.get((frame.f_code.co_filename, frame.f_code.co_name))
        if function is not None:
            return function
        frame = frame.f_back
    return None


def _names(function: str) -> dict[str, str]:
    """Return the physical names of the resources that a function's environment names, by logical id."""
    variables = FUNCTIONS[function]["Properties"].get("Environment", {}).get("Variables", {})
    known = {named_by(name, function): os.environ[name] for name in variables if name in os.environ}
    return {name: value.rpartition(":")[2] for name, value in known.items() if name}


@cache
def _statements(function: str, names: tuple[tuple[str, str], ...]) -> list[dict[str, Any]]:
    return Stack(dict(names)).statements(function)


def _renamed(resource: str, names: tuple[tuple[str, str], ...]) -> str:
    """Return an ARN as it would be with the usual names."""
    given, usual = Stack(dict(names)), Stack(NAMES)
    for name, _ in names:
        arn = given.attribute(name, "Arn") if name in RESOURCES else None
        if arn and (resource == arn or resource.startswith(f"{arn}/")):
            return usual.attribute(name, "Arn") + resource.removeprefix(arn)
    return resource


def grants(statements: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield what is allowed in statements of one action, one resource and one value of each condition."""
    for action, resource, condition in pairs(statements):
        single = {"Effect": "Allow", "Action": action, "Resource": resource}
        tests = [(operator, key, value) for operator, test in condition.items() for key, value in test.items()]
        if not tests:
            yield single
        for operator, key, values in tests:
            for value in listed(values):
                yield {**single, "Condition": {operator: {key: value}}}


def never_asked_for(function: str, asked: list[Need]) -> list[str]:
    """Return what `unused` finds, less the prefixes that packages use of which no call can be seen."""
    own = [prefix for package, prefix in PREFIXES_OF_PACKAGES.items() if package in reached(function)]
    return [line for line in unused(function, asked) if not any(f"/{prefix}" in line for prefix in own)]


def unused(function: str, asked: list[Need]) -> list[str]:
    """Return the parts of buckets and of keyed tables that a function may reach and never asked for."""
    found = []
    for grant in grants(Stack(NAMES).statements(function)):
        keyed = grant["Action"].startswith("s3:") or "dynamodb:LeadingKeys" in str(grant.get("Condition"))
        if keyed and not any(decide([grant], need.action, need.resource, need.context) == ALLOWED for need in asked):
            where = f"{grant['Resource']} {grant.get('Condition', '')}".strip()
            found.append(f"{function} is granted {grant['Action']} on {where} and never asks for it")
    return found
