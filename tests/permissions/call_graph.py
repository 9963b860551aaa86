"""Which operations of AWS a function's code can come to, read from the code itself.

From ``handler`` and everything that runs at import, whatever is named can be reached: a name is followed whether it is
called or handed on. That finds too much rather than too little. A client that leaves the sight of this module (an
argument, an item of a list) is an error, so nothing is missed silently.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from permissions import actions
from permissions.template import ROOT, entry, folder

ADAPTERS = ROOT / "src"
# boto3's resources: what their methods come to. Whoever uses another one adds it here.
RESOURCE_METHODS = {"batch_writer": {"BatchWriteItem"}}
# Decorators that leave a function to its callers. Any other one may register it, as a route is.
KEEPING = {"cache", "lru_cache", "contextmanager", "property", "dataclass", "staticmethod", "classmethod"}


class UnreadableError(Exception):
    """The code uses AWS in a way that is not understood here; the message says where."""


@dataclass
class Module:
    """A module: what its names stand for."""

    name: str
    tree: ast.Module
    # Local name -> module, or module and name in it.
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    definitions: dict[str, ast.AST] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """An operation that can be reached, and where."""

    service: str
    operation: str
    given: frozenset[str]
    where: str


@cache
def calls(function: str) -> frozenset[Call]:
    """Return the calls of AWS that the code of a function, by logical id, can come to."""
    return calls_in(folder(function), *entry(function))


def calls_in(code: Path, module: str = "app", handler: str = "handler") -> frozenset[Call]:
    """Return the calls of AWS that a handler in a folder can come to."""
    return frozenset(_Reader(_modules(code)).read(module, handler))


def actions_of(function: str) -> set[str]:
    """Return the actions that the code of a function, by logical id, can be in need of."""
    return actions_for(calls(function))


def actions_for(found: Iterable[Call]) -> set[str]:
    """Return the actions that calls are in need of."""
    return {action for call in found for action in actions.actions(call.service, call.operation, call.given)}


@cache
def reached(function: str) -> frozenset[str]:
    """Return the names of the modules, ours and others, that the code of a function imports."""
    reader = _Reader(_modules(folder(function)))
    list(reader.read(*entry(function)))
    others = {target for name in reader.loaded for target, _ in reader.modules[name].imports.values()}
    return frozenset(reader.loaded | others)


def _modules(code: Path) -> dict[str, Module]:
    # A function is a package below its own name; a folder without __init__.py holds modules.
    paths = _named(code, code.parent if (code / "__init__.py").exists() else code)
    paths |= _named(ADAPTERS / "slipcast_aws", ADAPTERS)
    return {name: _module(name, path) for name, path in paths.items()}


def _named(folder: Path, top: Path) -> dict[str, Path]:
    found = {path: path.relative_to(top).with_suffix("").parts for path in folder.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in found.items()}


@cache
def _module(name: str, path: Path) -> Module:
    module = Module(name, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module.imports[alias.asname or alias.name.split(".")[0]] = (alias.name, None)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                module.imports[alias.asname or alias.name] = (node.module or "", alias.name)
    for node in module.tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            module.definitions[node.name] = node
    return module


class _Reader:
    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules = modules
        self.loaded: set[str] = set()
        self.seen: set[tuple[str, str]] = set()
        self.pending: list[tuple[Module, ast.AST]] = []
        self.asked: list[ast.FunctionDef] = []

    def read(self, module: str, handler: str) -> Iterator[Call]:
        """Yield the calls that can be reached; the same may come twice."""
        self._load(module)
        self._define(module, handler)
        while self.pending:
            owner, node = self.pending.pop()
            yield from self._body(owner, node)

    def _load(self, name: str) -> None:
        """Importing a module runs what stands outside its functions."""
        if name in self.loaded or name not in self.modules:
            return
        self.loaded.add(name)
        module = self.modules[name]
        outside = [item for item in module.tree.body if not isinstance(item, ast.FunctionDef | ast.ClassDef)]
        self.pending.append((module, ast.Module(outside, [])))
        for name_, node in module.definitions.items():
            if any(_last(decorator) not in KEEPING for decorator in node.decorator_list):
                self._define(name, name_)
        for target, part in module.imports.values():
            self._load(target)
            self._load(f"{target}.{part}")

    def _define(self, module: str, name: str) -> None:
        node = self.modules[module].definitions.get(name) if module in self.modules else None
        if node is not None and (module, name) not in self.seen:
            self.seen.add((module, name))
            self.pending.append((self.modules[module], node))

    def _body(self, owner: Module, body: ast.AST) -> Iterator[Call]:
        parents = {child: node for node in ast.walk(body) for child in ast.iter_child_nodes(node)}
        clients = dict(self._bound(owner, body))
        for node in ast.walk(body):
            if isinstance(node, ast.Name | ast.Attribute):
                self._follow(owner, node)
            service = self._service(owner, node, clients)
            if service is None:
                continue
            parent = parents.get(node)
            if isinstance(parent, ast.Attribute):
                yield from self._use(owner, service, parent, parents)
            elif not isinstance(parent, ast.Return | ast.Assign | ast.withitem | ast.NamedExpr):
                raise UnreadableError(f"{self._where(owner, node)}: a client leaves the sight of this test")

    def _follow(self, owner: Module, node: ast.Name | ast.Attribute) -> None:
        target = self._target(owner, node)
        if target is not None:
            self._define(*target)

    def _target(self, owner: Module, node: ast.AST) -> tuple[str, str] | None:
        """Return module and name of what an expression names, if it is a definition of ours."""
        if isinstance(node, ast.Name):
            if node.id in owner.definitions:
                return owner.name, node.id
            module, part = owner.imports.get(node.id, ("", None))
            return (module, part) if part and module in self.modules else None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, part = owner.imports.get(node.value.id, ("", None))
            name = f"{module}.{part}" if part else module
            return (name, node.attr) if name in self.modules else None
        return None

    def _bound(self, owner: Module, body: ast.AST) -> Iterator[tuple[str, str]]:
        """Yield the names that a client is given in a function, and its service."""
        for node in ast.walk(body):
            pairs = []
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                pairs = [(node.targets[0], node.value)]
                if isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(node.targets[0].elts, node.value.elts, strict=True))
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                pairs = [(node.optional_vars, node.context_expr)]
            for name, value in pairs:
                service = self._service(owner, value, {})
                if isinstance(name, ast.Name) and service is not None:
                    yield name.id, service

    def _service(self, owner: Module, node: ast.AST, clients: dict[str, str]) -> str | None:
        """Return the service whose client an expression is."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            return clients.get(node.id)
        if not isinstance(node, ast.Call):
            return None
        called = node.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            module, part = owner.imports.get(called.value.id, ("", None))
            if (module, part) == ("boto3", None) and called.attr in ("client", "resource"):
                service = node.args[0] if node.args else None
                if not isinstance(service, ast.Constant):
                    raise UnreadableError(f"{self._where(owner, node)}: name the service")
                return service.value
        target = self._target(owner, called)
        if target is None:
            return None
        module = self.modules[target[0]]
        return self._returned(module, module.definitions.get(target[1]))

    def _returned(self, module: Module, definition: ast.AST | None) -> str | None:
        """Return the service whose client a function returns."""
        # One that calls itself, however indirectly, returns what its other returns do.
        if not isinstance(definition, ast.FunctionDef) or definition in self.asked:
            return None
        self.asked.append(definition)
        try:
            values = [node.value for node in ast.walk(definition) if isinstance(node, ast.Return)]
            found = (self._service(module, value, {}) for value in values if isinstance(value, ast.Call))
            return next((service for service in found if service is not None), None)
        finally:
            self.asked.pop()

    def _use(
        self, owner: Module, service: str, attribute: ast.Attribute, parents: dict[ast.AST, ast.AST]
    ) -> Iterator[Call]:
        where = self._where(owner, attribute)
        if attribute.attr in ("exceptions", "meta") or attribute.attr in actions.FREE - {
            *("get_paginator", "get_waiter", "generate_presigned_url")
        }:
            return
        call = parents.get(attribute)
        if not isinstance(call, ast.Call) or call.func is not attribute:
            # Handed on: whoever gets it calls it.
            call = ast.Call(attribute, [], [])
        if attribute.attr == "Table":
            yield from self._table(owner, service, call, parents)
            return
        first = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        given = frozenset(keyword.arg or actions.UNKNOWN for keyword in call.keywords)
        # Where the content of a layer comes from stands one level down.
        given |= {
            key.value
            for keyword in call.keywords
            if isinstance(keyword.value, ast.Dict)
            for key in keyword.value.keys
            if isinstance(key, ast.Constant)
        }
        try:
            found = actions.operations(service, attribute.attr, first)
        except KeyError:
            raise UnreadableError(f"{where}: {service} has no method {attribute.attr}") from None
        for operation in found:
            yield Call(service, operation, given, where)

    def _table(self, owner: Module, service: str, table: ast.Call, parents: dict[ast.AST, ast.AST]) -> Iterator[Call]:
        """A table of boto3's resource has a name in the same function, and methods of its own."""
        assigned = parents.get(table)
        where = self._where(owner, table)
        if not isinstance(assigned, ast.Assign) or not isinstance(assigned.targets[0], ast.Name):
            raise UnreadableError(f"{where}: give the table a name")
        name, root = assigned.targets[0].id, assigned
        while root in parents:
            root = parents[root]
        for node in ast.walk(root):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
                for operation in RESOURCE_METHODS.get(node.attr) or actions.operations(service, node.attr):
                    yield Call(service, operation, frozenset(), where)

    def _where(self, owner: Module, node: ast.AST) -> str:
        return f"{owner.name}:{getattr(node, 'lineno', '?')}"


def _last(decorator: ast.AST) -> str:
    """Return the last part of a decorator's name."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
