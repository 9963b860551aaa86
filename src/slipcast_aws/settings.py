"""Typed access to the environment variables that template.yaml sets for a function."""

import os


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
