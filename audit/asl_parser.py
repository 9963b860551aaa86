"""State machine definitions read by LocalStack's parser of the Amazon States Language: a second opinion.

    python audit/asl_parser.py statemachine/*.yaml

The parser follows what AWS answers to `CreateStateMachine`, and knows rules that a schema of the language does not
state, such as that no JSONPath state may stand below a JSONata top level. Ends with 1 if a definition is refused. It
does not look at where `Next` leads or into an expression: tests/infrastructure/test_state_machine.py does.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from localstack.services.stepfunctions.asl.static_analyser.static_analyser import StaticAnalyser

SUBSTITUTION = re.compile(r"\$\{(\w+)\}")
# The parser adds the whole definition to some of its messages.
LONGEST = 400


def prepared(node: Any) -> Any:
    """Return a definition with every ``${Name}`` of SAM replaced by its name.

    A percentage becomes a decimal number: LocalStack's grammar takes 100.0 there and not 100, AWS takes both.
    """
    if isinstance(node, dict):
        return {
            key: float(value) if key == "ToleratedFailurePercentage" and isinstance(value, int) else prepared(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [prepared(item) for item in node]
    return SUBSTITUTION.sub(r"\1", node) if isinstance(node, str) else node


def message(definition: dict[str, Any]) -> str:
    """Return what the parser says against a definition; empty if it accepts it."""
    try:
        StaticAnalyser().analyse(json.dumps(definition))
    except Exception as error:  # Its components raise what they like: ValueError, TypeError, a class of the parser's.
        return (str(error) or type(error).__name__)[:LONGEST]
    return ""


def refusals(definition: dict[str, Any]) -> list[str]:
    """Return one line for each state that the parser refuses, or one for the whole definition."""
    definition = prepared(definition)
    whole = message(definition)
    if not whole:
        return []
    top = {"QueryLanguage": definition.get("QueryLanguage", "JSONPath")}
    states = definition.get("States") or {}
    alone = {name: message(top | {"StartAt": name, "States": {name: state}}) for name, state in states.items()}
    return [f"{name}: {said}" for name, said in alone.items() if said] or [whole]


def main() -> int:
    """Parse each file that the command names."""
    files = [Path(name) for name in sys.argv[1:]]
    if not files:
        print(f"usage: {sys.argv[0]} FILE...", file=sys.stderr)
        return 2
    refused = 0
    for file in files:
        lines = refusals(yaml.safe_load(file.read_text(encoding="utf-8")))
        refused += bool(lines)
        for line in lines:
            print(f"{file}: LocalStack's parser refuses {line}", file=sys.stderr)
    print(f"{len(files) - refused} of {len(files)} state machine definitions accepted by LocalStack's parser")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
