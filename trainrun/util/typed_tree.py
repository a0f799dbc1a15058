"""Dataclasses from JSON that may have been received: each field is held against its annotation."""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


def typed(annotation: Any, tree: Any, where: str = "it") -> Any:
    """Return a value of an annotated type; lists become tuples, and mappings dataclasses.

    Args:
        annotation: a dataclass, whose fields with a default may lack; str, bool, int, float, None or Any; `Literal`, a union, `tuple[X, ...]`, `tuple[X, Y]` or `Mapping[str, X]` of these.
        tree: as `json.loads` returns it.
        where: path of the value, for messages.

    Raises:
        ValueError: the tree is of another form.
    """
    kind, inner = get_origin(annotation), get_args(annotation)
    if is_dataclass(annotation) and isinstance(tree, Mapping):
        hints, optional = _fields(annotation)
        if lacking := [name for name, may_lack in optional.items() if name not in tree and not may_lack]:
            raise ValueError(f"{where} lacks {lacking[0]}")
        return annotation(**{name: typed(hints[name], tree[name], name) for name in optional if name in tree})
    if annotation is Any:
        return tree
    if kind is tuple and isinstance(tree, list):
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(typed(inner[0], v, where) for v in tree)
        if len(inner) == len(tree):
            return tuple(typed(a, v, where) for a, v in zip(inner, tree, strict=True))
    if kind in (Union, types.UnionType):
        for one in inner:
            try:
                return typed(one, tree, where)
            except ValueError:
                continue
    if kind is Literal and isinstance(tree, str) and tree in inner:
        return tree
    if kind in (Mapping, dict) and isinstance(tree, Mapping):
        return {str(k): typed(inner[1], v, where) for k, v in tree.items()}
    if annotation in (None, types.NoneType) and tree is None:
        return None
    if annotation in (int, float) and isinstance(tree, annotation) and not isinstance(tree, bool):
        return tree
    if annotation is float and isinstance(tree, int) and not isinstance(tree, bool) and abs(tree) < 1 << 53:
        return tree
    if annotation in (str, bool) and isinstance(tree, annotation):
        return tree
    raise ValueError(f"{where} is {str(tree)[:60]!r}")


@functools.cache
def _fields(annotation: type) -> tuple[dict[str, Any], dict[str, bool]]:
    """Return the annotation of each field of a dataclass, and whether it has a default; a record may have thousands of them."""
    optional = {
        f.name: f.default is not MISSING or f.default_factory is not MISSING for f in fields(annotation)
    }
    return get_type_hints(annotation), optional
