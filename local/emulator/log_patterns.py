"""CloudWatch Logs filter patterns of the kind the template uses: one comparison of a JSON property with a string.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re

_EQUALS = re.compile(r"""^\{\s*\$\.(?P<path>[\w.]+)\s*(?P<sign>!?=)\s*"?(?P<value>[^"]*?)"?\s*\}$""")


def matches(pattern: str, message: str) -> bool:
    """Return whether a log line matches ``{ $.property = "text" }`` (or ``!=``; a property of a property with dots).

    Raises
    ------
    ValueError
        If the pattern is of another kind.
    """
    found = _EQUALS.match(pattern.strip())
    if found is None:
        raise ValueError(f"unknown filter pattern: {pattern}")
    try:
        value = json.loads(message)
    except ValueError:
        return False
    for name in found["path"].split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    text = value if isinstance(value, str) else json.dumps(value)
    return (text == found["value"]) is (found["sign"] == "=")
