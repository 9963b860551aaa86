"""Stacks of template.yaml in an AWS account: its quotas and regions, two stacks side by side, one after another."""

from functools import cache
from typing import Any

import pytest

from audit import transformed

TEMPLATE = transformed.transformed(transformed.source())
# "New AWS accounts have reduced concurrency and memory quotas"; the messages that people report name this one:
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
NEW_ACCOUNT_MEMORY_MB = 3008


@cache
def stack(name: str = "slipcast", **parameters: str) -> transformed.Stack:
    """Return the stack of a name with parameters; ``Region`` is one of them."""
    region = parameters.pop("Region", "us-east-1")
    return transformed.Stack(TEMPLATE, parameters, {"AWS::Region": region, "AWS::StackName": name})


def of_type(made: transformed.Stack, *kinds: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a stack's resources of some types, parameters filled in, by logical id."""
    return {
        name: made.filled(item.get("Properties", {}))
        for name, item in made.resources().items()
        if item["Type"] in kinds
    }


# Quotas of an account


@pytest.mark.parametrize("name", of_type(stack(), "AWS::Lambda::Function"))
def test_no_function_has_more_memory_than_a_new_account_may_give_it(name):
    function = of_type(stack(), "AWS::Lambda::Function")[name]

    assert int(function["MemorySize"]) <= NEW_ACCOUNT_MEMORY_MB


def test_who_plans_a_search_knows_the_memory_of_who_fits():
    functions = of_type(stack(TrainMemoryMb="4096"), "AWS::Lambda::Function")

    assert functions["TrainFunction"]["MemorySize"] == functions["EvaluateFunction"]["MemorySize"] == "4096"
    assert functions["PlanFunction"]["Environment"]["Variables"]["TRAIN_MEMORY_MB"] == "4096"


def test_nothing_is_reserved_unless_it_is_asked_for():
    """Of ten executions at once, which is all that some accounts have, none may be reserved."""
    functions = of_type(stack(), "AWS::Lambda::Function")
    reserving = of_type(stack(PredictReservedConcurrency="50"), "AWS::Lambda::Function")

    assert not [name for name, item in functions.items() if "ReservedConcurrentExecutions" in item]
    assert reserving["PredictFunction"]["ReservedConcurrentExecutions"] == "50"
