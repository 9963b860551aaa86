"""Typed access to the environment variables that template.yaml sets for a function."""

import os
from dataclasses import dataclass, fields
from typing import Any, Self


class SettingError(RuntimeError):
    """An environment variable is absent or cannot be read as its type."""


def setting(name: str, default: str | None = None) -> str:
    """Return the environment variable `name`.

    Raises
    ------
    SettingError
        If it is not set and there is no `default`.
    """
    value = os.environ.get(name, default)
    if value is None:
        raise SettingError(f"environment variable {name} is not set: template.yaml gives it to the function")
    return value


def number(name: str, default: str | None = None) -> float:
    """Return the environment variable `name` as a number.

    Raises
    ------
    SettingError
        If it is absent or not a number.
    """
    value = setting(name, default)
    try:
        return float(value)
    except ValueError:
        raise SettingError(f"environment variable {name} is {value!r}: a number was expected") from None


@dataclass(frozen=True)
class FunctionSettings:
    """Settings of a function during one call: the field `data_bucket` is the environment variable ``DATA_BUCKET``.

    A subclass names its fields. Their types are str, int, float, bool (``true`` or another text) or tuple[str, ...]
    (texts between commas).
    """

    @classmethod
    def from_environment(cls) -> Self:
        """Return the settings of this function.

        Raises
        ------
        SettingError
            If one is absent or cannot be read as its type.
        """
        return cls(**{field.name: _read(field.name.upper(), field.type) for field in fields(cls)})


def _read(name: str, kind: Any) -> str | int | float | bool | tuple[str, ...]:
    if kind is int:
        return int(number(name))
    if kind is float:
        return number(name)
    if kind is bool:
        return setting(name) == "true"
    if kind is str:
        return setting(name)
    if kind == tuple[str, ...]:
        return tuple(setting(name).split(","))
    raise TypeError(f"{name}: no environment variable can be read as {kind}")
