"""CloudWatch Logs patterns on JSON lines."""

import pytest

from local.emulator.log_patterns import matches


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ('{ $.log = "prediction" }', '{"log": "prediction", "v": 1}', True),
        ('{$.log="prediction"}', '{"log": "prediction"}', True),
        ('{ $.log = "prediction" }', '{"log": "predictions"}', False),
        ('{ $.log = "prediction" }', '{"message": "prediction .log"}', False),
        ('{ $.log = "prediction" }', "START RequestId: prediction .log", False),
        ('{ $.log = "prediction" }', '["prediction"]', False),
        ('{ $.error.type = "KeyError" }', '{"error": {"type": "KeyError"}}', True),
        ("{ $.v = 1 }", '{"v": 1}', True),
        ('{ $.level != "INFO" }', '{"level": "ERROR"}', True),
        ('{ $.level != "INFO" }', '{"other": "ERROR"}', False),
    ],
)
def test_one_property_is_compared(pattern, message, expected):
    assert matches(pattern, message) is expected


def test_another_kind_of_pattern_is_refused_rather_than_guessed():
    with pytest.raises(ValueError, match="unknown filter pattern"):
        matches('{ $.a = "x" && $.b = "y" }', "{}")
