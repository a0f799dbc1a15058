"""Type hints in a source file as objects, read without running the file."""

from __future__ import annotations

import ast
import functools
import typing
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from trainrun.registry import literals
from trainrun.util import arguments, paths
from trainrun.util.arguments import Form, Range, Reference

# A name in an annotation -> its meaning. Other names that are not aliases in their file allow everything.
NAMES: Mapping[str, Any] = {
    "Annotated": Annotated, "Literal": Literal, "Optional": typing.Optional, "Union": Union, "Any": Any,
    "float": float, "int": int, "bool": bool, "str": str, "list": list, "List": list, "tuple": tuple, "Tuple": tuple,
    "Sequence": Sequence, "set": set, "dict": dict, "Dict": dict, "Mapping": Mapping,
    **{k: v for k, v in vars(arguments).items() if k not in ("Annotated", "Any", "Literal") and k[0].isupper()},
}  # fmt: skip
# Keras' base classes: an argument of such a type names a component of the group.
KERAS_TYPES = {
    "Layer": "layer", "Optimizer": "optimizer", "Initializer": "initializer", "Regularizer": "regularizer",
    "Constraint": "constraint", "Loss": "loss", "Metric": "metric", "LearningRateSchedule": "schedule",
}  # fmt: skip
MAX_DEPTH = 12
# Modules whose names are those of `NAMES`.
ORIGINS = ("trainrun", "typing", "typing_extensions", "collections", "builtins")


@functools.lru_cache(maxsize=256)
def _parsed(path: Path, version: tuple[int, int]) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file as it is now."""
    return _parsed(path, paths.version(path))


def evaluated(node: ast.expr | None, module: ast.Module, depth: int = 0) -> Any:
    """Return the type hint that an annotation stands for; `Any` for what cannot be known without running the file.

    Args:
        node: the annotation.
        module: its file. Aliases that the file assigns at its top are followed.
        depth: of aliases and brackets so far.
    """
    if depth > MAX_DEPTH:
        return Any
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str(text)):
            try:
                return evaluated(ast.parse(text, mode="eval").body, module, depth + 1)
            except SyntaxError:
                return Any
        case ast.Name(id=name):
            return _named(name, module, depth)
        case ast.Attribute(value=owner, attr=name):
            return _of_keras(name, ast.unparse(node)) or _known(name, _origin(ast.unparse(owner), module))
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return NAMES["Union"][evaluated(left, module, depth + 1), evaluated(right, module, depth + 1)]
        case ast.Subscript(value=base, slice=inside):
            return _subscripted(evaluated(base, module, depth + 1), inside, module, depth + 1)
        case ast.Call(func=function):
            return _mark(evaluated(function, module, depth + 1), node, module)
    return Any


def _named(name: str, module: ast.Module, depth: int) -> Any:
    if (assigned := literals.assigned(name, module)) is not None:
        return evaluated(assigned, module, depth + 1)
    bound = _bound(module)
    if name not in bound:
        return NAMES.get(name, Any)
    imported = bound[name]
    return _of_keras(*imported) or _known(*imported) if imported is not None else Any


@functools.lru_cache(maxsize=256)
def _bound(module: ast.Module) -> Mapping[str, tuple[str, str] | None]:
    """Return each name of a file's first class or `from … import`: what it is called where it comes from, and the module; None: a class."""
    names: dict[str, tuple[str, str] | None] = {}
    for statement in _statements(module):
        if isinstance(statement, ast.ClassDef):
            names.setdefault(statement.name, None)
        for alias in statement.names if isinstance(statement, ast.ImportFrom) else ():
            origin = "." * statement.level + (statement.module or "")
            names.setdefault(alias.asname or alias.name, (alias.name, origin))
    return names


def _statements(module: ast.Module) -> Iterator[ast.AST]:
    """Yield the statements of a file, those in blocks included, in the order of `ast.walk`, without the expressions, which are most nodes."""
    found: deque[ast.AST] = deque([module])
    while found:
        node = found.popleft()
        yield node
        for block in ("body", "handlers", "orelse", "finalbody", "cases"):
            found.extend(getattr(node, block, ()))


def _known(name: str, origin: str) -> Any:
    """Return what a name of a module means; `Any` for one of a module that may have a `Mode` or `Share` of its own."""
    return NAMES.get(name, Any) if origin.partition(".")[0] in ORIGINS else Any


def _origin(owner: str, module: ast.Module) -> str:
    """Return the module behind the owner of an attribute, ``t`` after ``import typing as t``."""
    first = owner.partition(".")[0]
    for statement in _statements(module):
        for alias in statement.names if isinstance(statement, ast.Import | ast.ImportFrom) else ():
            if first == (alias.asname or alias.name.partition(".")[0]):
                inside = statement.module if isinstance(statement, ast.ImportFrom) else alias.name
                return "." * getattr(statement, "level", 0) + (inside or "")
    return owner


def _of_keras(name: str, origin: str) -> Any:
    return Annotated[Any, Reference(KERAS_TYPES[name])] if name in KERAS_TYPES and "keras" in origin else None


def _subscripted(base: Any, inside: ast.expr, module: ast.Module, depth: int) -> Any:
    if base is Literal:
        values = literals.fold(inside, module)
        return Any if values is literals.UNKNOWN else Literal[values]
    if base is Any:
        return Any
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    arguments = [
        ... if isinstance(p, ast.Constant) and p.value is ... else evaluated(p, module, depth) for p in parts
    ]
    try:
        return base[tuple(arguments) if len(arguments) > 1 else arguments[0]]
    except TypeError:
        return Any


def _mark(kind: Any, call: ast.Call, module: ast.Module) -> Any:
    """Return the `Range`, `Reference` or `Form` that an annotation makes."""
    values = [literals.fold(a, module) for a in call.args]
    named = {k.arg: literals.fold(k.value, module) for k in call.keywords if k.arg}
    fits = {Range: int | float | None, Reference: str, Form: str}.get(kind)
    if fits is None or not all(isinstance(v, fits) for v in [*values, *named.values()]):
        return Any
    try:
        return kind(*values, **named)
    except TypeError:
        return Any
