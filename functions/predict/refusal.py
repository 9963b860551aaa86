"""Refusal of a request.

The projects function has one of its own: no function imports another, and what both import
(`slipcast_aws`) knows no HTTP.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any


class Refusal(Exception):
    """Refused request.

    Attributes
    ----------
    status
        status of the answer
    detail
        what is wrong and what to do about it; may be shown to the client
    errors
        errors by field (`schemas.FieldError`)
    headers
        further headers of the answer
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        errors: Sequence[Any] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, [*errors], headers or {}
