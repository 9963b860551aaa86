"""The engine that walks the pipeline judged by the reference engine: JSONata 2.0.6 in JavaScript, as AWS documents it.

`make jsonata` installs it with npm; without that these tests are skipped, and the walk does not need them.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infrastructure import test_state_machine_walk as walks
from support import state_walk

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".cache" / "audit" / "jsonata"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None or not (INSTALLED / "node_modules" / "jsonata").exists(),
    reason="the reference engine is not installed: make jsonata",
)
DATA = {
    **{
        "nothing": None,
        "yes": True,
        "no": False,
        "n": 3.0,
        "big": 1767225600000,
        "text": "a'b",
        "empty": [],
        "one": [1],
    },
    **{"many": [1, 2], "objects": [{"a": 1}, {"a": None}, {}], "deep": {"er": {"nothing": None}}, "notes": ["x", "y"]},
}
# Where ports of JSONata differ: null and nothing, arrays of one, truth of what is no boolean, numbers as text.
PROBES = [
    *("$d.nothing", "$d.missing", "$d.nothing.more", "$d.deep.er.nothing", "$d.deep.missing.nothing"),
    *(
        "$exists($d.nothing)",
        "$exists($d.missing)",
        "$exists($d.nothing.more)",
        "$d.nothing = null",
        "$d.missing = null",
    ),
    *("$d.yes and $d.missing", "$d.missing or $d.no", "$not($d.missing)", "$d.missing ? 1 : 2", "$d.nothing ? 1 : 2"),
    *("$d.empty ? 1 : 2", "$d.one", "$d.empty", "$d.objects.a", "$d.objects[0].a", "$d.objects[5].a", "$d.one[0]"),
    *("[$d.missing, $d.nothing]", "{'a': $d.missing, 'b': $d.nothing}", "$merge([$d.deep, {'x': null}])"),
    *("$d.nothing & ''", "$d.missing & ''", "$d.n & ''", "$string($d.big)", "$string($d.n)", "$string($d.nothing)"),
    *("$substring($d.missing, 0, 3)", "$substring($d.text, 0, 2)", "'Boom: ' & $substring($d.missing, 0, 2)"),
    *("$number('72') * 3600 + 60", "$number('x')", "$d.text + 1", "$d.n / 2", "1 / 0", "$d.text in ['a\\'b', 'c']"),
    *("$join($append(['a'], $d.notes), '; ')", "$append(['a'], $d.missing)", "$append($d.empty, 'a')"),
    *(
        "$join($append([$d.text], $d.empty), '; ')",
        "$count($d.missing)",
        "$sum($d.many)",
        "$map($d.many, function($v) { $v * 2 })",
    ),
    *("$d.missing in [1]", "$d.nothing in [null]", "'a' in $d.missing", "$boolean($d.objects)", "$type($d.nothing)"),
]


def reference(asked: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return what the reference engine answers to expressions with their bindings."""
    lines = [
        # The only thing that is no JSON is the engine's mark for null.
        json.dumps({"expression": expression, "bindings": bindings}, default=lambda _: None)
        for expression, bindings in asked
    ]
    found = subprocess.run(
        [NODE, ROOT / "audit" / "jsonata" / "evaluate.js", INSTALLED],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    return [json.loads(line) for line in found.stdout.splitlines()]


def without_time(value: Any) -> str:
    """Return a value as text; `$millis()` is another in each engine."""
    return re.sub(r"1[789]\d{11}", "<now>", json.dumps(value, sort_keys=True))


def test_every_expression_of_every_walk_gives_the_same():
    asked: dict[str, tuple[str, dict[str, Any], Any]] = {}
    for world, given, approval in walks.WAYS:
        for expression, bindings, result in walks.walk(walks.fresh(world), given, approval=approval).evaluated:
            key = json.dumps([expression, bindings], sort_keys=True, default=lambda _: None)
            asked.setdefault(key, (expression, bindings, result))

    answers = reference([(expression, bindings) for expression, bindings, _ in asked.values()])

    assert len(answers) == len(asked) > 300
    for (expression, _, result), answer in zip(asked.values(), answers, strict=True):
        assert answer.get("there"), (expression, answer)
        # JSON has one kind of number.
        assert without_time(json.loads(json.dumps(result))) == without_time(answer["value"]), expression


def test_the_engines_agree_where_ports_differ():
    bindings = {"d": state_walk.with_null(DATA)}
    answers = reference([(expression, {"d": DATA}) for expression in PROBES])

    for expression, answer in zip(PROBES, answers, strict=True):
        try:
            there, value = state_walk.evaluate(expression, bindings)
        except Exception:
            assert "error" in answer, (expression, answer)
            continue
        assert (there, value) == (answer.get("there"), answer.get("value")), expression
