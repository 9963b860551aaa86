"""Small changes of a syntax tree, one at a time: the mistakes that a hand makes and a reader overlooks."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """A change of a module.

    Attributes
    ----------
    name : function (or class and function) and statement, with the change; the same wherever the line moves
    line : number of the changed line today
    code : the changed module, compiled
    """

    name: str
    line: int
    tree: ast.Module


def mutants(source: str) -> Iterator[Mutant]:
    """Yield each change of a module's source once.

    Texts stay as they are: most are messages. So do annotations and what is for type checkers only.
    """
    seen: dict[str, int] = {}
    for number in range(len(_places(ast.parse(source)))):
        tree = ast.parse(source)
        place = _places(tree)[number]
        for change in range(_count(place.node)):
            if change:
                tree = ast.parse(source)
                place = _places(tree)[number]
            before = _short(place.statement)
            old = ast.unparse(place.node)
            new = _change(place, change)
            name = f"{place.where}: {before} | {old} -> {new}"
            seen[name] = seen.get(name, 0) + 1
            if seen[name] > 1:
                name += f" ({seen[name]})"
            yield Mutant(name, place.node.lineno, tree)


@dataclass
class _Place:
    node: ast.expr | ast.stmt
    parent: ast.AST
    statement: ast.stmt
    where: str


def _places(tree: ast.Module) -> list[_Place]:
    found: list[_Place] = []
    _walk(tree, tree, None, "", found)
    return [place for place in found if _count(place.node)]


def _walk(node: ast.AST, parent: ast.AST, statement: ast.stmt | None, where: str, found: list[_Place]) -> None:
    if isinstance(node, ast.Import | ast.ImportFrom) or _for_type_checkers(node) or _promise(node, parent):
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}".lstrip(".")
    if isinstance(node, ast.stmt):
        statement = node
    if statement is not None and isinstance(node, ast.expr | ast.AugAssign):
        found.append(_Place(node, parent, statement, where or "module"))
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                _walk(child, node, statement, where, found)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _promise(node: ast.AST, parent: ast.AST) -> bool:
    """Return whether a node only promises something: that nothing assigns to a dataclass, that lengths are equal.

    It decides nothing: where the promise is kept, the code does the same without it.
    """
    if not isinstance(node, ast.keyword):
        return False
    zips = isinstance(parent, ast.Call) and isinstance(parent.func, ast.Name) and parent.func.id == "zip"
    return node.arg == "frozen" or (node.arg == "strict" and zips)


def _count(node: ast.AST) -> int:
    """Return how many changes a node offers."""
    if isinstance(node, ast.Compare):
        return sum(type(op) in COMPARISONS for op in node.ops)
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return int(type(node.op) in ARITHMETIC)
    if isinstance(node, ast.BoolOp):
        return 1
    if isinstance(node, ast.UnaryOp):
        return int(isinstance(node.op, ast.Not | ast.USub))
    if isinstance(node, ast.IfExp):
        return 1
    if isinstance(node, ast.Constant):
        return int(isinstance(node.value, bool | int | float))
    return int(isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NAMES)


def _change(place: _Place, change: int) -> str:
    """Carry out a change and return what stands there afterwards."""
    node = place.node
    if isinstance(node, ast.Compare):
        places = [number for number, op in enumerate(node.ops) if type(op) in COMPARISONS]
        node.ops[places[change]] = COMPARISONS[type(node.ops[places[change]])]()
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    elif isinstance(node, ast.UnaryOp):
        _replace(place.parent, node, node.operand)
        return ast.unparse(node.operand)
    elif isinstance(node, ast.IfExp):
        node.body, node.orelse = node.orelse, node.body
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            node.value = not node.value
        else:
            node.value = node.value + 1 if isinstance(node.value, int) else (node.value * 1.1 or 0.1)
    elif isinstance(node, ast.Name):
        node.id = NAMES[node.id]
    return ast.unparse(node)


def _replace(parent: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
        elif isinstance(value, list):
            value[:] = [new if item is old else item for item in value]


def _short(statement: ast.stmt) -> str:
    """Return the statement's first line: of an ``if`` or a ``for`` its head."""
    return " ".join(ast.unparse(statement).splitlines()[0].split())[:100]
