"""What IAM decides: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.

Of one account, without boundaries, session policies and organisations. What is not understood is an error, never a
decision.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

ALLOWED, DENIED, IMPLICITLY_DENIED = "allowed", "denied", "implicitly denied"


def decide(
    statements: list[dict[str, Any]],
    action: str,
    resource: str,
    context: Mapping[str, Any] | None = None,
    principal: str = "",
) -> str:
    """Return what statements decide on an action.

    Parameters
    ----------
    statements : of identity policies and, in the same account, of the resource's policy
    action, resource : such as ``s3:GetObject`` and ``arn:aws:s3:::data/models/x``
    context : condition keys and their values, a list where a key has several
    principal : ARN or service of who asks, for statements that name principals
    """
    effects = {
        statement["Effect"]
        for statement in statements
        if _matches(statement, action, resource, context or {}, principal)
    }
    if "Deny" in effects:
        return DENIED
    return ALLOWED if "Allow" in effects else IMPLICITLY_DENIED


def _matches(statement: dict[str, Any], action: str, resource: str, context: Mapping[str, Any], principal: str) -> bool:
    unknown = statement.keys() - {"Sid", "Effect", "Action", "Resource", "Condition", "Principal", "NotAction"}
    if unknown:
        raise NotImplementedError(f"no idea of {sorted(unknown)}")
    actions = listed(statement.get("Action", statement.get("NotAction")))
    if any(like(pattern.lower(), action.lower()) for pattern in actions) == ("NotAction" in statement):
        return False
    if not any(like(pattern, resource) for pattern in listed(statement["Resource"])):
        return False
    if "Principal" in statement and not _is(statement["Principal"], principal):
        return False
    return all(
        _holds(operator, key, values, context)
        for operator, test in statement.get("Condition", {}).items()
        for key, values in test.items()
    )


def _is(wanted: Any, principal: str) -> bool:
    if wanted == "*":
        return True
    names = [name for group in wanted.values() for name in listed(group)]
    account = re.match(r"arn:aws:(?:iam|sts)::(\d+):", principal)
    return "*" in names or principal in names or bool(account and f"arn:aws:iam::{account[1]}:root" in names)


COMPARISONS = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringLike": lambda value, wanted: like(wanted, value),
    "ArnEquals": lambda value, wanted: like(wanted, value),
    "ArnLike": lambda value, wanted: like(wanted, value),
    "Bool": lambda value, wanted: str(value).lower() == str(wanted).lower(),
}
NEGATIONS = {"StringNotEquals": "StringEquals", "StringNotLike": "StringLike", "ArnNotLike": "ArnLike"}


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, Any]) -> bool:
    values = next((listed(value) for name, value in context.items() if name.lower() == key.lower()), None)
    if operator == "Null":
        return (values is None) == (str(wanted).lower() == "true")
    several, _, operator = operator.rpartition(":")
    if operator.endswith("IfExists"):
        operator = operator.removesuffix("IfExists")
        if values is None:
            return True
    negated = operator in NEGATIONS
    compare = COMPARISONS.get(NEGATIONS.get(operator, operator))
    if compare is None or several not in ("", "ForAllValues", "ForAnyValue"):
        raise NotImplementedError(f"no idea of the condition {operator}")

    def matches(value: Any) -> bool:
        return any(compare(value, each) for each in listed(wanted)) != negated

    if several == "ForAllValues":
        # Holds of no value at all, too: what has no leading key is not kept out by it.
        return all(map(matches, values or []))
    if values is None:
        return negated
    return any(map(matches, values))


def like(pattern: str, value: str) -> bool:
    """Return whether a value matches a pattern with ``*`` and ``?``."""
    return _compiled(pattern).fullmatch(value) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    if "${" in pattern:
        raise NotImplementedError(f"no idea of policy variables: {pattern}")
    return re.compile(
        "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", pattern)), re.S
    )


def listed(value: Any) -> list:
    """Return a list as it is, anything else as a list of one."""
    return value if isinstance(value, list | tuple) else [value]
