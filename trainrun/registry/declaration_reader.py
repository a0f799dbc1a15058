"""Declarations of components (`trainrun.util.declarations`), read without importing them."""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainrun.errors import UserError
from trainrun.registry import annotations, literals, lookup
from trainrun.util import declarations
from trainrun.util.declarations import Declaration


def of(group: str, name: Any) -> Declaration:
    """Return the declaration of a component; the safe defaults if it is unknown or declares nothing.

    Args:
        group: ``loss``, ``metric`` …
        name: the component's, as in a config's `name` (``Huber``, ``focal``).
    """
    try:
        component = lookup.find(group, str(name))
    except UserError:
        return declarations.kind(group)()
    declared = read(component)
    return declarations.as_metric(declared) if (group, component.group) == ("metric", "loss") else declared


def read(component: lookup.Component) -> Declaration:
    """Return the declaration of a component."""
    if component.declared is not None:
        return component.declared
    if component.origin == "keras":
        known = keras_table(component.group, "DECLARATIONS")
        return known.get(component.attribute, declarations.kind(component.group)())
    if component.origin == "trainrun" and component.path is not None:
        return _of_file(component.group, component.attribute, component.path)
    return declarations.kind(component.group)()


def of_object(group: str, thing: Any) -> Declaration:
    """Return the declaration of a built component's class; subclasses do not inherit it."""
    declared = vars(type(thing)).get(declarations.ATTRIBUTE)
    if declared is not None:
        return declarations.made(group, declared)
    if type(thing).__module__.split(".")[0] == "keras":
        return keras_table(group, "DECLARATIONS").get(type(thing).__name__, declarations.kind(group)())
    return declarations.kind(group)()


def keras_table(group: str, table: str) -> Mapping[str, Any]:
    """Return a table of `trainrun/registry/keras/<group>.py`; empty where the group has none."""
    module = f"trainrun.registry.keras.{group}"
    return getattr(importlib.import_module(module), table, {}) if _has_tables(module) else {}


@functools.cache
def _has_tables(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def arguments_of(call: ast.Call, tree: ast.Module) -> dict[str, Any]:
    """Return the keyword arguments of a decorator's call.

    Raises:
        ValueError: one of them is no literal; the message names it.
    """
    values = {}
    for keyword in call.keywords:
        value = literals.fold(keyword.value, tree)
        if keyword.arg is None or value is literals.UNKNOWN:
            raise ValueError(
                f"{keyword.arg or '**'}={ast.unparse(keyword.value)} is read without running the file; write it as a literal."
            )
        values[keyword.arg] = value
    return values


@functools.lru_cache(maxsize=256)
def _of_file(group: str, name: str, path: Path) -> Declaration:
    """Return the arguments of `@declare` at the class or function that has the file's name."""
    tree = annotations.parsed(path)
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or not lookup.same_name(node.name, name):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and getattr(call.func, "id", None) == declarations.declare.__name__:
                return declarations.made(group, arguments_of(call, tree))
    return declarations.kind(group)()
