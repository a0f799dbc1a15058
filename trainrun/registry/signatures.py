"""A component's docstring and signature, read from its source file; nothing is imported."""

from __future__ import annotations

import ast
import functools
import inspect
from dataclasses import dataclass
from pathlib import Path

from trainrun.registry.lookup import Component, keras_names, same_name

# What every Keras layer takes through **kwargs.
LAYER_KEYWORDS = ("activity_regularizer", "trainable", "dtype", "autocast", "name")
REQUIRED = "required"


@dataclass(frozen=True)
class Source:
    """What the source says of a component.

    Args:
        doc: the docstring of the class (or of the function), dedented; empty where there is none.
        parameters: name -> default as written, or `REQUIRED`.
        open: True if it takes further keywords that only running it tells.
    """

    doc: str
    parameters: dict[str, str]
    open: bool


def read(component: Component) -> Source | None:
    """Return what the source of `component` says, or None if it cannot be found."""
    if component.path is None or not component.path.exists():
        return None
    node = _definition(component.path, component.attribute)
    if node is None:
        return None
    doc = inspect.cleandoc(ast.get_docstring(node) or "")
    function = node
    if isinstance(node, ast.ClassDef):
        function = _init(component, node)
        if function is None:
            return Source(doc, {}, True)
    parameters, is_open = _parameters(function)
    if component.group == "layer" and is_open:
        parameters |= {k: "None" for k in LAYER_KEYWORDS if k not in parameters}
        is_open = False
    if component.group == "optimizer" and is_open and component.origin == "keras":
        is_open = False
    return Source(doc, parameters, is_open)


@functools.lru_cache(maxsize=64)
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _definition(path: Path, attribute: str) -> ast.ClassDef | ast.FunctionDef | None:
    """Return the class, or else the function, that bears the name."""
    kinds = (ast.ClassDef, ast.FunctionDef)
    named = [n for n in _tree(path).body if isinstance(n, kinds) and same_name(n.name, attribute)]
    named.sort(key=lambda n: isinstance(n, ast.FunctionDef))
    return named[0] if named else None


def _init(component: Component, node: ast.ClassDef) -> ast.FunctionDef | None:
    """Return the class's `__init__`, or its base's where it inherits it from Keras."""
    own = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    if own:
        return own[0]
    for base in node.bases:
        name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", None)
        if name is None or component.path is None:
            continue
        near = _definition(component.path, name)
        if isinstance(near, ast.ClassDef) and near is not node:
            return _init(component, near)
        if name in keras_names(component.group):
            module, attribute = keras_names(component.group)[name]
            root = component.path
            while root.name != "keras" and root != root.parent:
                root = root.parent
            file = root.parent.joinpath(*module.split(".")).with_suffix(".py")
            if file.exists() and isinstance(there := _definition(file, attribute), ast.ClassDef):
                return _init(Component(component.group, name, "keras", module, attribute, file), there)
    return None


def _parameters(function: ast.FunctionDef) -> tuple[dict[str, str], bool]:
    """Return name -> default as written, and whether there is a `**kwargs`."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [REQUIRED] * (len(positional) - len(arguments.defaults)) + [
        ast.unparse(d) for d in arguments.defaults
    ]
    found = dict(zip([a.arg for a in positional], defaults, strict=True))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found[argument.arg] = REQUIRED if default is None else ast.unparse(default)
    found.pop("self", None)
    return found, arguments.kwarg is not None
