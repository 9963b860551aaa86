"""Findings of checks: one line each, with a remedy if a check fails."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

PASS, WARNING, SKIPPED, FAIL = "pass", "warning", "skipped", "fail"
# Error codes of different services for calls that are not allowed.
DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "UnauthorizedException",
}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
INVALID = {
    *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
    *("AuthFailure", "IncompleteSignature", "MissingAuthenticationToken", "InvalidSignatureException"),
}


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Parameters
    ----------
    check
        short name, such as ``credentials``
    status
        ``pass``, ``warning``, ``skipped`` or ``fail``
    text
        result in words
    remedy
        advice, with a command if there is one; empty if nothing has to be done
    """

    check: str
    status: str
    text: str
    remedy: str = ""

    def line(self) -> str:
        """Return the finding as one line."""
        remedy = f" Remedy: {' '.join(self.remedy.split())}" if self.remedy else ""
        return f"{self.status:<8} {self.check}: {' '.join(self.text.split())}{remedy}"


def passed(check: str, text: str) -> Finding:
    """Return a passed finding."""
    return Finding(check, PASS, text)


def failed(check: str, text: str, remedy: str) -> Finding:
    """Return a failed finding."""
    return Finding(check, FAIL, text, remedy)


def warned(check: str, text: str, remedy: str) -> Finding:
    """Return a warning."""
    return Finding(check, WARNING, text, remedy)


def ok(findings: Iterable[Finding]) -> bool:
    """Return whether none of the findings is a failure."""
    return all(finding.status != FAIL for finding in findings)


def as_json(findings: Iterable[Finding], **more: object) -> str:
    """Return findings as a JSON document with the members ``ok`` and ``checks``."""
    found = list(findings)
    return json.dumps({"ok": ok(found), **more, "checks": [asdict(finding) for finding in found]}, indent=1)


def code_of(error: Exception) -> str:
    """Return the error code of a service, or the name of the exception."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def of_error(check: str, error: ClientError | BotoCoreError, permission: str, *, optional: bool = True) -> Finding:
    """Return the finding for an error of AWS.

    Parameters
    ----------
    permission
        IAM action that the call needs
    optional
        whether the check may be skipped if the permission is missing
    """
    code = code_of(error)
    if code in DENIED:
        remedy = f"allow {permission} to the caller"
        if optional:
            return Finding(check, SKIPPED, f"not checked, the caller may not call {permission}", remedy)
        return failed(check, f"the caller may not call {permission}", remedy)
    if code in EXPIRED or isinstance(
        error, UnauthorizedSSOTokenError | SSOError | TokenRetrievalError | CredentialRetrievalError
    ):
        return failed(check, f"the credentials have expired ({code})", "log in again, for example with aws sso login")
    if code in INVALID:
        return failed(
            check,
            f"the credentials are not valid ({code})",
            "check AWS_PROFILE or the AWS_ACCESS_KEY_ID and its secret",
        )
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return failed(
            check, f"no usable credentials: {error}", "set AWS_PROFILE, or run aws configure or aws sso login"
        )
    if isinstance(error, NoRegionError):
        return failed(check, "no region is set", "export AWS_REGION=<region>, or aws configure set region <region>")
    if isinstance(error, EndpointConnectionError | ConnectionError | HTTPClientError):
        return failed(
            check, f"AWS cannot be reached: {error}", "check the network, the proxy and the name of the region"
        )
    if optional:
        return Finding(
            check, SKIPPED, f"not checked: {error}", "try again; what it looks at may still stop the deployment"
        )
    return failed(check, str(error), f"see the message; the call was {permission}")
