"""Waiting for AWS within the function's time limit, with an error that callers can retry."""

import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

# For services that answer in milliseconds. Without it a connection that hangs takes five times one minute; with it all
# attempts together take less than the 29 s of a synchronous API call.
QUICK = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 4})
# For logs and metrics, which take seconds to answer.
SEARCHING = Config(connect_timeout=2, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})
# Seconds of a function's time reserved for the current call and for the answer.
RESERVE = 60.0
# Seconds between two attempts: the first ones come soon, later ones do not increase throttling.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
# The service is too busy, or another change of the same resource is under way. None of them means that the request is
# wrong. The SDK itself retries throttling and 5xx a few times within seconds, but never 409 and 412.
BUSY = frozenset(
    {
        "EC2ThrottledException",
        "InternalError",
        "InternalServerError",
        "InternalServiceError",
        "PreconditionFailedException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ResourceConflictException",
        "ResourceNotReadyException",
        "ServiceException",
        "ServiceUnavailable",
        "SlowDown",
        "SnapStartNotReadyException",
        "SnapStartTimeoutException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)

# The service was not reached, or did not answer in time.
UNREACHED = (ConnectionError, HTTPClientError)
# Exceptions that `is_busy` classifies.
ERRORS = (ClientError, *UNREACHED)


class NotReadyError(RuntimeError):
    """AWS has not finished, or is too busy: nothing is wrong, and a retry of the same step continues from there.

    The state machine retries a step by the name of this class.
    """


def is_busy(error: Exception) -> bool:
    """Return whether an error of the SDK only means that the call should be retried later."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return error.response["Error"]["Code"] in BUSY or status >= 500
    return isinstance(error, UNREACHED)


def retriable[**P, R](step: Callable[P, R]) -> Callable[P, R]:
    """Make a handler that can be retried raise `NotReadyError` for errors caused by load."""

    @wraps(step)
    def handler(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        except ERRORS as error:
            if not is_busy(error):
                raise
            raise NotReadyError(f"{error}; repeated, this step goes on from here") from error

    return handler


class Deadline:
    """Time until which to wait.

    Parameters
    ----------
    seconds
        seconds from now
    """

    def __init__(self, seconds: float) -> None:
        self._began, self._ends = time.monotonic(), time.monotonic() + seconds

    @classmethod
    def of(cls, context: Any) -> "Deadline":
        """Return the deadline of a Lambda invocation: `RESERVE` seconds, at most half of its time, before its end."""
        left = context.get_remaining_time_in_millis() / 1000
        return cls(left - min(RESERVE, left / 2))

    def attempts(self, what: str) -> Iterator[int]:
        """Yield 0, 1, 2, … with growing pauses in between, for a loop that ends when it has `what`.

        Raises
        ------
        NotReadyError
            If the next attempt would come after the deadline.
        """
        pause, number = FIRST_PAUSE, 0
        while True:
            yield number
            now = time.monotonic()
            if now + pause > self._ends:
                raise NotReadyError(
                    f"{what}: not within {now - self._began:.0f} s; repeated, this step goes on from here"
                )
            time.sleep(pause)
            pause, number = min(pause * 1.5, LONGEST_PAUSE), number + 1
