"""Every test here needs execution environments like Lambda's."""

import pytest

from lambda_sandbox import environment


@pytest.fixture(scope="session", autouse=True)
def _possible() -> None:
    """Tests need user and mount namespaces and the packages of the Lambda runtime."""
    if reason := environment.why_not():
        pytest.skip(reason)
