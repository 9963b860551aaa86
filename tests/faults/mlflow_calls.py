"""Faults at the border between the track function and MLflow: at one call each, and a dead process makes no more."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking._model_registry.client import ModelRegistryClient
from mlflow.tracking._tracking_service.client import TrackingServiceClient

from faults.injector import Fault, ProcessDied

READS = ("get_", "search_", "list_")


class MlflowCalls:
    """Records what MLflow is asked for; once armed, does harm to one call.

    What a call of MLflow's client asks of others of its own is part of that call.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.inside = self.dead = self.watching = False
        self._plan: tuple[int, Fault] | None = None
        for client in (TrackingServiceClient, ModelRegistryClient):
            for name, function in list(vars(client).items()):
                if not name.startswith("_") and callable(function):
                    monkeypatch.setattr(client, name, self._watched(name, function))

    def watch(self, index: int | None = None, fault: Fault | None = None) -> None:
        """Record calls from now on, and let call number `index` suffer `fault`."""
        self.reset()
        self.watching = True
        self._plan = None if index is None or fault is None else (index, fault)

    def reset(self) -> None:
        """Forget everything; no call is harmed."""
        self.calls = []
        self.inside = self.dead = self.watching = False
        self._plan = None

    def faults(self) -> list[tuple[int, str, Fault]]:
        """Return what can happen to the calls that were recorded."""
        found = []
        for number, name in enumerate(self.calls):
            found.append((number, name, Fault.REFUSED))
            if not name.startswith(READS):
                found += [(number, name, Fault.KILLED_BEFORE), (number, name, Fault.KILLED_AFTER)]
        return found

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if not self.watching or self.inside:
                return function(*arguments, **named)
            if self.dead:
                raise ProcessDied("a dead process makes no calls")
            number = len(self.calls)
            self.calls.append(name)
            if self._plan == (number, Fault.REFUSED):
                raise MlflowException("503 Service Unavailable")
            if self._plan == (number, Fault.KILLED_BEFORE):
                self._die()
            self.inside = True
            try:
                answer = function(*arguments, **named)
            finally:
                self.inside = False
            if self._plan == (number, Fault.KILLED_AFTER):
                self._die()
            return answer

        return call

    def _die(self) -> None:
        self.dead = True
        raise ProcessDied("killed")
