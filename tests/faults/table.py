"""``docs/reliability.md``: which faults were tried and what came of them, from the outcomes of marked tests.

A test says with ``@pytest.mark.fault(part, harmed, how, holds)`` which row it is. ``--faults-into=FILE`` writes what
became of the rows of a run; ``python tests/faults/table.py FILE...`` makes the page of such files and refuses where a
row is missing, failed or was skipped. ``python tests/faults/table.py --reported`` makes the list of kinds of reported
faults of the comments in ``tests/reported``; nothing is run for it.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
REPORTED_BEGIN, REPORTED_END = "<!-- reported: begin -->", "<!-- reported: end -->"
# A comment names one or several, as owner/repository#number, then says what happened there.
COMMENT = re.compile(r"^# (?=\w)(?:[\w.-]+/[\w.-]+#\d+(?:, )?)+: \S", re.MULTILINE)
THREAD = re.compile(r"([\w.-]+/[\w.-]+)#(\d+)")
PARTS = ("events", "pipeline", "release", "serving", "watching", "tracking")
ROW = "fault"
TRIED = "faults tried"
HEAD = ("harmed", "how", "tried", "what held each time", "test")


@dataclass(frozen=True, order=True)
class Row:
    """A row of the table: a part of Slipcast, what of it is harmed, how, and what holds nevertheless."""

    part: str
    harmed: str
    how: str
    holds: str
    test: str


# --- Reading the tests ------------------------------------------------------------------------------------------------


def marked() -> list[Row]:
    """Return the rows that the tests are marked with, without running them."""
    return [row for path in sorted((ROOT / "tests").rglob("test_*.py")) for row in _in(path)]


def _in(path: Path) -> Iterator[Row]:
    name, body = path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")).body
    texts = {
        node.targets[0].id: node.value.value
        for node in body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.targets[0], ast.Name)
    }
    for node in body:
        if isinstance(node, ast.FunctionDef):
            for call in (call for decorator in node.decorator_list for call in ast.walk(decorator)):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
                    words = [item.value if isinstance(item, ast.Constant) else texts[item.id] for item in call.args]
                    yield Row(*words, f"{name}::{node.name}")


# --- Running the tests ------------------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for the outcomes."""
    parser.addoption("--faults-into", metavar="FILE", help="write what became of the tests marked with `fault` to FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Collect outcomes in the process that hears of them all."""
    path = config.getoption("--faults-into")
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Outcomes(Path(path)), "fault outcomes")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the report of a marked test say which row it is."""
    for mark in item.iter_markers("fault"):
        test = item.nodeid.partition("[")[0]
        item.user_properties.append((ROW, [*mark.args, test]))


class Outcomes:
    """What became of the marked tests of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[Row, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test by its call, or by what kept it from being called."""
        if report.when != "call" and report.passed:
            return
        properties = dict(report.user_properties)
        if ROW in properties:
            row = self.found.setdefault(Row(*properties[ROW]), {"tried": 0, "kinds": {}, "outcomes": []})
            tried = properties.get(TRIED, 1)
            kinds = tried if isinstance(tried, dict) else {}
            row["tried"] += sum(kinds.values()) or tried
            row["kinds"] |= {kind: row["kinds"].get(kind, 0) + number for kind, number in kinds.items()}
            row["outcomes"].append(report.outcome)

    def pytest_sessionfinish(self) -> None:
        """Write them."""
        rows = [{**vars(row), **found} for row, found in sorted(self.found.items())]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(rows, indent=1), encoding="utf-8")


# --- Writing the page -------------------------------------------------------------------------------------------------


def main() -> int:
    """Write the table into the page and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="what --faults-into wrote")
    parser.add_argument("--reported", action="store_true", help="write the list of reported faults instead")
    arguments = parser.parse_args()
    if arguments.reported:
        _put(REPORTED_BEGIN, REPORTED_END, reported())
        return 0
    if not arguments.files:
        parser.error("files are missing")
    files, found = arguments.files, {}
    for item in (item for path in files for item in json.loads(path.read_text(encoding="utf-8"))):
        row = Row(**{name: item.pop(name) for name in Row.__dataclass_fields__})
        found[row] = item
    wrong = [f"not run: {row.test}, {row.harmed}, {row.how}" for row in marked() if row not in found]
    wrong += [
        f"{outcome}: {row.test}, {row.harmed}, {row.how}"
        for row, item in found.items()
        for outcome in sorted(set(item["outcomes"]) - {"passed"})
    ]
    if wrong:
        print("error: docs/reliability.md stays as it is\n" + "\n".join(wrong), file=sys.stderr)
        return 1
    _put(BEGIN, END, table(found))
    print(
        f"{len(found)} rows, {sum(item['tried'] for item in found.values()):,} faults tried: {PAGE.relative_to(ROOT)}"
    )
    return 0


def _put(begin: str, end: str, lines: str) -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    PAGE.write_text(f"{before}{begin}\n{lines}{end}{rest.partition(end)[2]}", encoding="utf-8")


def reported() -> str:
    """Return the kinds of faults that users of other tools reported and that are tried here, as Markdown.

    The first sentence of a file is its kind. A kind without a thread was found by a tool, not by a person.
    """
    rows, threads = [], set()
    for path in sorted((ROOT / "tests" / "reported").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        kind = (ast.get_docstring(ast.parse(text)) or "").splitlines()[0].rstrip(".")
        found = THREAD.findall("\n".join(match[0] for match in COMMENT.finditer(text)))
        threads |= set(found)
        links = ", ".join(f"[{name}#{number}](https://github.com/{name}/issues/{number})" for name, number in found)
        rows.append(_line((f"[{kind}](../{path.relative_to(ROOT).as_posix()})", links)))
    head = [_line(("kind", "reported by users of other tools")), _line(["---"] * 2)]
    return "\n".join([f"{len(rows)} kinds, {len(threads)} threads.", "", *head, *rows, ""])


def table(found: dict[Row, dict[str, Any]]) -> str:
    """Return the rows as Markdown, one table for each part."""
    lines = [f"{sum(item['tried'] for item in found.values()):,} faults in {len(found)} rows.", ""]
    for part in PARTS:
        rows = sorted((row for row in found if row.part == part), key=lambda row: (row.test, row.harmed))
        if rows:
            lines += [f"### {part.capitalize()}", "", _line(HEAD), _line(["---"] * 5)]
            lines += [_line(cells(row, _tried(found[row]))) for row in rows]
            lines.append("")
    return "\n".join(lines)


def cells(row: Row, tried: str) -> tuple[str, ...]:
    """Return the cells of a row."""
    path, _, test = row.test.partition("::")
    return row.harmed, row.how, tried, row.holds, f"[{test.removeprefix('test_').replace('_', ' ')}](../{path})"


def _tried(item: dict[str, Any]) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in item["kinds"].items())
    return f"{item['tried']:,}" + (f": {kinds}" if kinds else "")


def listed(text: str) -> dict[str, list[tuple[str, ...]]]:
    """Return the cells of each part of a page, without how many faults were tried."""
    found: dict[str, list[tuple[str, ...]]] = {}
    part = ""
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        if line.startswith("### "):
            part = line.removeprefix("### ").lower()
        elif line.startswith("| ") and not line.startswith(("| harmed", "| ---")):
            columns = line.strip("| ").split(" | ")
            found.setdefault(part, []).append((*columns[:2], *columns[3:]))
    return found


def _line(columns: Any) -> str:
    return f"| {' | '.join(columns)} |"


if __name__ == "__main__":
    sys.exit(main())
