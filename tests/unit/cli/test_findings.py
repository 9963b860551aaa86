"""What services say on the wire when they refuse a call, read by botocore itself, and what the checks make of it."""

import json

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.parsers import create_parser

from slipcast_cli.findings import FAIL, SKIPPED, Finding, as_json, of_error, ok

SESSION = botocore.session.get_session()


def xml(code: str, message: str) -> dict:
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        "<RequestId>4f1c</RequestId></ErrorResponse>"
    )
    return {"headers": {}, "body": body.encode()}


def s3_xml(code: str, message: str) -> dict:
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>4f</RequestId></Error>"
    )
    return {"headers": {}, "body": body.encode()}


def coral(code: str, message: str) -> dict:
    return {
        "headers": {},
        "body": json.dumps({"__type": f"com.amazon.coral.service#{code}", "Message": message}).encode(),
    }


def rest(code: str, message: str) -> dict:
    return {"headers": {"x-amzn-errortype": f"{code}:"}, "body": json.dumps({"Message": message}).encode()}


def error(service: str, operation: str, status: int, answer: dict) -> ClientError:
    """Return the exception that a client of the service raises for an answer of that protocol."""
    model = SESSION.get_service_model(service)
    parser = create_parser(model.metadata["protocol"] if service != "sqs" else "json")
    shape = model.operation_model(operation).output_shape
    return ClientError(parser.parse({"status_code": status, **answer}, shape), operation)


@pytest.mark.parametrize(
    ("service", "operation", "answer"),
    [
        ("cloudformation", "ValidateTemplate", xml("AccessDenied", "User is not authorized to perform: …")),
        ("sns", "ListSubscriptionsByTopic", xml("AuthorizationError", "User is not authorized to perform: …")),
        ("s3", "PutObject", s3_xml("AccessDenied", "Access Denied")),
        ("lambda", "GetAccountSettings", rest("AccessDeniedException", "User is not authorized to perform: …")),
        ("apigateway", "GetAccount", rest("AccessDeniedException", "User is not authorized to perform: …")),
        ("logs", "DescribeLogGroups", coral("AccessDeniedException", "User is not authorized to perform: …")),
        ("sqs", "ListQueues", coral("AccessDeniedException", "User is not authorized to perform: …")),
        (
            "stepfunctions",
            "ValidateStateMachineDefinition",
            coral("AccessDeniedException", "User is not authorized to perform: …"),
        ),
    ],
)
def test_a_call_that_is_not_allowed_is_known_in_every_protocol(service, operation, answer):
    said = error(service, operation, 403, answer)

    optional = of_error("x", said, "some:Action")
    assert (optional.status, optional.remedy) == (SKIPPED, "allow some:Action to the caller")
    assert of_error("x", said, "some:Action", optional=False).status == FAIL


@pytest.mark.parametrize(
    ("service", "operation", "answer", "remedy"),
    [
        (
            "sts",
            "GetCallerIdentity",
            xml("ExpiredToken", "The security token included in the request is expired"),
            "log in",
        ),
        ("sts", "GetCallerIdentity", xml("InvalidClientTokenId", "The security token … is invalid"), "AWS_PROFILE"),
        ("sts", "GetCallerIdentity", xml("SignatureDoesNotMatch", "The request signature …"), "AWS_PROFILE"),
        ("lambda", "GetAccountSettings", rest("ExpiredTokenException", "The security token … is expired"), "log in"),
        (
            "lambda",
            "GetAccountSettings",
            rest("UnrecognizedClientException", "The security token … is invalid"),
            "AWS_PROF",
        ),
        ("logs", "DescribeLogGroups", coral("ExpiredTokenException", "The security token … is expired"), "log in"),
        ("s3", "PutObject", s3_xml("InvalidAccessKeyId", "The AWS Access Key Id … does not exist"), "AWS_PROFILE"),
    ],
)
def test_credentials_that_do_not_work_are_known_in_every_protocol(service, operation, answer, remedy):
    found = of_error("credentials", error(service, operation, 403, answer), "some:Action")

    assert found.status == FAIL
    assert remedy in found.remedy


@pytest.mark.parametrize(("optional", "status"), [(True, SKIPPED), (False, FAIL)])
def test_what_is_not_known_is_shown_as_it_was_said(optional, status):
    # A service that is out of order stops no deployment.
    said = error("lambda", "GetAccountSettings", 500, rest("ServiceException", "internal error"))
    found = of_error("concurrency", said, "lambda:GetAccountSettings", optional=optional)

    assert found.status == status
    assert "internal error" in found.text


def test_a_finding_is_one_line_whatever_was_said():
    finding = Finding("template", FAIL, "one\ntwo\n  three", "do\nthis")

    assert finding.line().splitlines() == ["fail     template: one two three Remedy: do this"]
    assert json.loads(as_json([finding]))["checks"][0]["text"] == "one\ntwo\n  three"
    assert not ok([finding])
    assert ok([Finding("template", SKIPPED, "later")])
