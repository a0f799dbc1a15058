"""The calls of `trainrun.register` in a plug-in's source, read without importing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from trainrun.registry import declaration_reader, literals
from trainrun.registry.signatures import Definition
from trainrun.util.declarations import Declaration, made

# What the base classes in Keras are called that do not work before their `__init__` has run.
INITIALIZED = ("Layer", "Loss", "Metric", "Model", "Optimizer")


@dataclass(frozen=True)
class Registration:
    """One call of `register`.

    Args:
        group, name: its arguments; the name is by default that of what it registers.
        attribute: the name of the class or function in the file.
        defined: whether the file defines it; otherwise its arguments are known only by importing it.
        call: the call itself.
    """

    group: str
    name: Any
    attribute: str
    defined: bool
    call: ast.Call

    def declared(self, tree: ast.Module) -> Declaration:
        """Return what the call's other arguments declare.

        Raises:
            ValueError: one of them is no literal, or none of the group's.
        """
        arguments = declaration_reader.arguments_of(self.call, tree)
        return made(self.group, {k: v for k, v in arguments.items() if k not in ("group", "name")})


def of(tree: ast.Module) -> Iterator[Registration]:
    """Yield each `@register("group", "name")` above a definition, and each `register("group", "name")(thing)`, with names that are read."""
    for group, name, attribute, defined, call in _calls(tree):
        if name is not literals.UNKNOWN:
            yield Registration(group, name, attribute, defined, call)


def computed(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield group and line of each call whose name only running the file would tell, as in a loop over names."""
    yield from ((group, call.lineno) for group, name, _, _, call in _calls(tree) if name is literals.UNKNOWN)


def _calls(tree: ast.Module) -> Iterator[tuple[str, Any, str, bool, ast.Call]]:
    defined = {n.name for n in ast.walk(tree) if isinstance(n, Definition)}
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            calls, attribute = node.decorator_list, node.name
        elif isinstance(node, ast.Call) and len(node.args) == 1:
            calls, attribute = [node.func], getattr(node.args[0], "id", "")
        else:
            continue
        for call in calls:
            function = getattr(call, "func", None)
            if (
                not isinstance(call, ast.Call)
                or getattr(function, "attr", getattr(function, "id", None)) != "register"
            ):
                continue
            arguments = dict(zip(("group", "name"), call.args, strict=False)) | {
                k.arg: k.value for k in call.keywords
            }
            group, name = (
                literals.fold(arguments.get(k, ast.Constant(None)), tree) for k in ("group", "name")
            )
            name = name if "name" in arguments and name is not None else attribute
            if isinstance(group, str) and (name != "" or "name" in arguments):
                yield group, name, attribute, attribute in defined, call


def uninitialized(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the name of each class of Keras' that has an `__init__` without its base class's, and the line of that."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for method in node.body if not bases.isdisjoint(INITIALIZED) else ():
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                attributes = (n.attr for n in ast.walk(method) if isinstance(n, ast.Attribute))
                if "__init__" not in attributes:
                    yield node.name, method.lineno
