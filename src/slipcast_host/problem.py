"""Refused requests: what is wrong, before a protocol gives it its own form."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class FieldProblem(NamedTuple):
    """Fault of one value of a request.

    Attributes
    ----------
    field
        its place, such as ``start[3]`` (column and row) or ``inputs.0.shape``
    type
        kind of error
    message
        what is wrong and what to do about it
    """

    field: str
    type: str
    message: str

    def as_json(self) -> dict[str, str]:
        """Return the error as an object of JSON."""
        return self._asdict()


class Refusal(Exception):
    """Refused request.

    Attributes
    ----------
    status
        status of the HTTP answer
    detail
        what is wrong and what to do about it; may be shown to the client
    errors
        errors by field
    headers
        further headers of the answer
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, [*errors], dict(headers or {})

    def listed(self) -> list[dict[str, Any]]:
        """Return the errors as JSON."""
        return [item.as_json() for item in self.errors]


def bad(field: str, message: str, kind: str = "value_error") -> Refusal:
    """Return the refusal of a request for one of its fields."""
    return Refusal(400, f"{field}: {message}", [FieldProblem(field, kind, message)])
