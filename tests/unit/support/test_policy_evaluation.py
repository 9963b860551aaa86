"""The evaluator of policies decides as IAM's documentation says."""

import pytest

from permissions.evaluation import ALLOWED, DENIED, IMPLICITLY_DENIED, decide

READ = {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/models/*"}
ARN = "arn:aws:s3:::b/models/x"


def test_nothing_is_allowed_by_itself_and_a_denial_beats_every_leave():
    assert decide([], "s3:GetObject", ARN) == IMPLICITLY_DENIED
    assert decide([READ], "s3:GetObject", ARN) == ALLOWED
    assert decide([READ, {"Effect": "Deny", "Action": "*", "Resource": "*"}], "s3:GetObject", ARN) == DENIED


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", ARN),
        ("s3:GetObject", "arn:aws:s3:::b/other/x"),
        ("s3:GetObject", "arn:aws:s3:::b/models"),
        ("s3:GetObject", "arn:aws:s3:::other/models/x"),
    ],
)
def test_action_and_resource_have_both_to_match(action, resource):
    assert decide([READ], action, resource) == IMPLICITLY_DENIED


def test_actions_are_the_same_in_any_case_and_resources_are_not():
    assert decide([READ], "S3:getobject", ARN) == ALLOWED
    assert decide([READ], "s3:GetObject", ARN.upper()) == IMPLICITLY_DENIED


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"s3:prefix": ["a", "b"]}}, {"s3:prefix": "b"}, True),
        ({"StringEquals": {"s3:prefix": "a*"}}, {"s3:prefix": "ab"}, False),
        ({"StringLike": {"s3:prefix": "a*"}}, {"s3:prefix": "ab"}, True),
        ({"StringLike": {"s3:prefix": "a*"}}, {}, False),
        ({"StringLikeIfExists": {"s3:prefix": "a*"}}, {}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "c"}, True),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:securetransport": "false"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"StringEquals": {"k": "a", "l": "b"}}, {"k": "a", "l": "c"}, False),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "b", "a"]}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "c"]}, False),
        # The trap: a request without the key passes.
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "c"]}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, {}, False),
    ],
)
def test_conditions(condition, context, expected):
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}

    assert (decide([statement], "s3:ListBucket", "arn:aws:s3:::b", context) == ALLOWED) is expected


@pytest.mark.parametrize(
    ("principal", "asks", "expected"),
    [
        ("*", "anybody", True),
        ({"Service": ["sns.amazonaws.com"]}, "sns.amazonaws.com", True),
        ({"Service": "sns.amazonaws.com"}, "events.amazonaws.com", False),
        ({"AWS": "arn:aws:iam::123456789012:root"}, "arn:aws:iam::123456789012:role/x", True),
        ({"AWS": "arn:aws:iam::123456789012:root"}, "arn:aws:iam::999999999999:role/x", False),
    ],
)
def test_principals(principal, asks, expected):
    statement = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*", "Principal": principal}

    assert (decide([statement], "sns:Publish", "arn", {}, asks) == ALLOWED) is expected


@pytest.mark.parametrize(
    "part",
    [
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}},
        {"NotResource": "a"},
        {"Resource": "arn:aws:s3:::b/${aws:username}"},
    ],
)
def test_what_is_not_understood_is_no_decision(part):
    with pytest.raises((NotImplementedError, KeyError)):
        decide([{**READ, **part}], "s3:GetObject", ARN, {"aws:CurrentTime": "2029"})
