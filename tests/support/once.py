"""Pure functions that take seconds, each computed once for equal arguments while a file of tests runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from types import ModuleType
from typing import Any

import joblib
import pandas as pd
import pytest


@contextmanager
def once(*functions: tuple[ModuleType, str]) -> Iterator[None]:
    """Let functions of modules remember what they returned, by the content of their arguments.

    For tests of what is around them: those of the functions themselves call them as they are.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module, name in functions:
            patch.setattr(module, name, _remembering(getattr(module, name)))
        yield


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[str, Any] = {}

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        key = joblib.hash(([_content(argument, arguments) for argument in arguments], named))
        if key not in known:
            known[key] = function(*arguments, **named)
        return deepcopy(known[key])

    return call


def _content(argument: Any, arguments: tuple[Any, ...]) -> Any:
    """Return what an argument is known by: a model by its answers, as two that were loaded differ in their padding."""
    if not hasattr(argument, "predict_proba"):
        return argument
    table = next(other for other in arguments if isinstance(other, pd.DataFrame))
    return type(argument), argument.predict_proba(table)
