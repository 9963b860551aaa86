"""Statements of template.yaml that name no resource of their own, and whether a comment beside them says why."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from permissions.template import ROOT

# Actions that reach every object's name, unless a condition says which.
LISTING = {"s3:ListBucket", "s3:ListBucketVersions"}


@dataclass(frozen=True)
class Broad:
    """A statement that names less than it might; `reason` is the comment right above or within it."""

    line: int
    what: str
    reason: str


def broad(text: str | None = None) -> Iterator[Broad]:
    """Yield the broad Allow statements of a template's text."""
    text = (ROOT / "template.yaml").read_text(encoding="utf-8") if text is None else text
    lines = text.splitlines()
    for node in _mappings(yaml.compose(text, Loader=yaml.SafeLoader)):
        keys = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        if not {"Effect", "Action", "Resource"} <= keys.keys() or keys["Effect"].value != "Allow":
            continue
        wide = [f"Resource {name}" for name in _scalars(keys["Resource"]) if name == "*"]
        wide += [f"Action {name}" for name in _scalars(keys["Action"]) if "*" in name]
        if "Condition" not in keys:
            wide += [f"Action {name} of the whole bucket" for name in _scalars(keys["Action"]) if name in LISTING]
        if wide:
            yield Broad(node.start_mark.line + 1, ", ".join(wide), _comment(lines, node.start_mark.line))


def _mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _mappings(value)


def _scalars(node: yaml.Node) -> list[str]:
    return [item.value for item in (node.value if isinstance(node, yaml.SequenceNode) else [node])]


def _comment(lines: list[str], first: int) -> str:
    above = []
    for line in reversed(lines[:first]):
        if not line.strip().startswith("#"):
            break
        above.insert(0, line.strip().lstrip("# "))
    return " ".join(above)
