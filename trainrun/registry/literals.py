"""Values of expressions in a source file that are known without running it."""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


# The value of an expression that is known only by running the file.
UNKNOWN = _Unknown()
# A power with a larger exponent is not computed: `9**9**9` in a file must not stop the command line.
LARGEST_EXPONENT = 64
# Numbers of more bits are not computed, for the same reason.
LARGEST_BITS = 4096
MAX_DEPTH = 12

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}


def fold(node: ast.expr, module: ast.Module, depth: int = 0) -> Any:
    """Return the value of an expression, or `UNKNOWN`.

    Literals, arithmetic on numbers, constants of `math`, `float("inf")`, lists, tuples and dicts of such, and names that
    the module assigns exactly once, at its top, are known.

    Args:
        node: the expression.
        module: the file in which it stands.
        depth: of names and expressions so far.
    """
    if depth > MAX_DEPTH:
        return UNKNOWN
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name():
            value = assigned(node.id, module)
            return UNKNOWN if value is None else fold(value, module, depth + 1)
        case ast.Tuple() | ast.List() | ast.Set():
            values = [fold(e, module, depth + 1) for e in node.elts]
            if any(v is UNKNOWN for v in values):
                return UNKNOWN
            return tuple(values) if isinstance(node, ast.Tuple) else values
        case ast.Dict():
            pairs = [(fold(k, module, depth + 1), fold(v, module, depth + 1)) for k, v in zip(node.keys, node.values, strict=True) if k]  # fmt: skip
            whole = len(pairs) == len(node.keys) and not any(UNKNOWN in pair for pair in pairs)
            return {k: v for k, v in pairs if isinstance(k, str | int | float)} if whole else UNKNOWN
        case ast.UnaryOp():
            value = fold(node.operand, module, depth + 1)
            return _computed(_UNARY.get(type(node.op)), value)
        case ast.BinOp():
            values = fold(node.left, module, depth + 1), fold(node.right, module, depth + 1)
            return _computed(_BINARY.get(type(node.op)), *values)
        case ast.Attribute(value=ast.Name(id="math")) if isinstance(getattr(math, node.attr, None), float):
            return getattr(math, node.attr)
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str(text))], keywords=[]):
            return float(text) if text.strip("+-").lower() in ("inf", "infinity", "nan") else UNKNOWN
    return UNKNOWN


def _computed(function: Callable[..., Any] | None, *values: Any) -> Any:
    if function is None or not all(isinstance(v, int | float) for v in values):
        return UNKNOWN
    if any(isinstance(v, int) and v.bit_length() > LARGEST_BITS for v in values):
        return UNKNOWN
    if function is operator.pow and abs(values[1]) > LARGEST_EXPONENT:
        return UNKNOWN
    try:
        return function(*values)
    except (ArithmeticError, ValueError):
        return UNKNOWN


def assigned(name: str, module: ast.Module) -> ast.expr | None:
    """Return what a module assigns to a name, if it does so once, at its top, and nowhere else."""
    # Few names are assigned, and the search of a whole file for other bindings takes a millisecond.
    value = _assigned_at_top(module).get(name)
    return value if value is not None and _bindings(module)[name] == 1 else None


@functools.lru_cache(maxsize=256)
def _assigned_at_top(module: ast.Module) -> Mapping[str, ast.expr]:
    tops: dict[str, ast.expr] = {}
    for statement in module.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                tops[name] = value
    return tops


@functools.lru_cache(maxsize=256)
def _bindings(module: ast.Module) -> Counter[str]:
    """Return how often each name is bound in a module, functions and classes inside included."""
    return Counter(
        n.id for n in ast.walk(module) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)
    )
