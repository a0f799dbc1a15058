"""A component's docstring and arguments, read from its source file; nothing is imported."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trainrun.registry import annotations, declaration_reader, hints, literals
from trainrun.registry.annotations import parsed
from trainrun.registry.lookup import Component, keras_names, keras_source, same_name
from trainrun.util import paths
from trainrun.util.arguments import Form, Reference

# What every Keras layer takes through **kwargs.
LAYER_KEYWORDS = ("activity_regularizer", "trainable", "dtype", "autocast", "name")
REQUIRED = "required"
# Parameters that the run fills in, and no config.
FILLED_IN = {
    "data": ("preprocessor",),
    "model": ("inputs", "target", "head"),
    "loss": ("y_true", "y_pred", "sample_weight"),
    "metric": ("y_true", "y_pred", "sample_weight"),
}
Definition = ast.ClassDef | ast.FunctionDef


@dataclass(frozen=True)
class Parameter:
    """One argument of a component.

    Args:
        default: as written, or `REQUIRED`.
        value: the default's value; `literals.UNKNOWN` if it is known only by running the file, and for a required argument.
        hint: the type hint that its value has to fit (`registry.hints`).
        inherited: it reaches a base class through **kwargs.
    """

    default: str
    value: Any
    hint: Any
    inherited: bool = False

    @property
    def unread(self) -> bool:
        """Whether its default is known only by running the file."""
        return self.value is literals.UNKNOWN and self.default != REQUIRED


@dataclass(frozen=True)
class Source:
    """The source of a component, as parsed.

    Args:
        doc: the docstring of the class (or of the function), dedented; empty where there is none.
        parameters: by name.
        open: True if it takes further keywords, known only by running it.
    """

    doc: str
    parameters: dict[str, Parameter]
    open: bool

    def defaults(self) -> dict[str, Any]:
        """Return the default of each argument that has one; None for one that is known only by running the file."""
        known = {k: p.value for k, p in self.parameters.items() if p.default != REQUIRED}
        return {k: None if v is literals.UNKNOWN else v for k, v in known.items()}


def read(component: Component) -> Source | None:
    """Return the parsed source of `component`, or None if it cannot be found."""
    if component.path is None or not component.path.is_file():
        return None
    return _read(replace(component, declared=None), paths.version(component.path))


def references(component: Component) -> dict[str, str]:
    """Return the arguments whose value names another component, with that component's group."""
    return {k: mark.group for k, mark in _marks(component, Reference)}


def lengths(component: Component) -> set[str]:
    """Return the arguments that are lengths of training."""
    return {k for k, mark in _marks(component, Form) if mark.name == "length"}


def run_paths(component: Component) -> set[str]:
    """Return the arguments that are paths in the run's directory."""
    return {k for k, mark in _marks(component, Form) if mark.name == "path"}


def _marks(component: Component, kind: type[hints.Mark]) -> Iterator[tuple[str, hints.Mark]]:
    source = read(component)
    for name, parameter in (source.parameters if source else {}).items():
        if mark := hints.mark(parameter.hint, kind):
            yield name, mark


@functools.lru_cache(maxsize=512)
def _read(component: Component, version: tuple[int, int]) -> Source | None:
    node = _definition(component)
    if node is None:
        return None
    doc = inspect.cleandoc(ast.get_docstring(node) or "")
    parameters, is_open = (
        _of_class(component, node) if isinstance(node, ast.ClassDef) else _of_function(component, node)
    )
    if component.group == "layer" and is_open:
        keras = keras_arguments("layer", component.attribute if component.origin == "keras" else "Layer")
        further = {k: Parameter("None", None, keras.get(k, Any), True) for k in LAYER_KEYWORDS}
        parameters, is_open = further | parameters, False
    if component.group == "optimizer" and component.origin == "keras":
        is_open = False
    return Source(doc, parameters, is_open)


def _definition(component: Component) -> Definition | None:
    """Return the class, or else the function, that bears the name: a plug-in's by its exact name, also one in a block."""
    tree = parsed(component.path)
    if component.origin.startswith("plug-in"):
        named = [n for n in ast.walk(tree) if isinstance(n, Definition) and n.name == component.attribute]
        return named[0] if named else None
    named = [n for n in tree.body if isinstance(n, Definition) and same_name(n.name, component.attribute)]
    return min(named, key=lambda n: isinstance(n, ast.FunctionDef), default=None)


def _of_class(component: Component, node: ast.ClassDef) -> tuple[dict[str, Parameter], bool]:
    """Return the arguments of a class: of its `__init__`, and of its bases' where that takes **kwargs or there is none."""
    own = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    parameters, is_open = _of_function(component, own[0]) if own else ({}, True)
    if not is_open or (own and component.origin == "keras"):
        return parameters, is_open
    for base in node.bases:
        parent = _base(component, base)
        known = _definition(parent) if parent is not None else None
        if isinstance(known, ast.ClassDef) and known is not node:
            inherited, is_open = _of_class(parent, known)
            inherited = {
                k: replace(p, inherited=bool(own)) for k, p in inherited.items() if k not in parameters
            }
            return parameters | inherited, is_open
    return parameters, True


def _base(component: Component, base: ast.expr) -> Component | None:
    """Return a base class as a component: of the same file, of trainrun's or of Keras' group."""
    name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", None)
    if name is None:
        return None
    near = replace(component, attribute=name)
    if not isinstance(base, ast.Attribute) and isinstance(_definition(near), ast.ClassDef):
        return near
    if name not in keras_names(component.group):
        return None
    module, attribute = keras_names(component.group)[name]
    return Component(component.group, name, "keras", module, attribute, keras_source(module))


def _of_function(component: Component, function: ast.FunctionDef) -> tuple[dict[str, Parameter], bool]:
    """Return the arguments of a function, and whether there is a `**kwargs`."""
    tree = parsed(component.path)
    keras = keras_arguments(component.group, component.attribute) if component.origin == "keras" else None
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    written = [*zip(positional, [*missing, *arguments.defaults], strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]  # fmt: skip
    parameters = {}
    for argument, default in written:
        if argument.arg == "self":
            continue
        value = literals.UNKNOWN if default is None else literals.fold(default, tree)
        hint = (keras or {}).get(argument.arg)
        if hint is None and keras is None and argument.annotation is not None:
            hint = annotations.evaluated(argument.annotation, tree)
        if hint is None:
            hint = hints.of_default(value, keras is not None)
        text = REQUIRED if default is None else ast.unparse(default)
        parameters[argument.arg] = Parameter(text, value, hint)
    return parameters, arguments.kwarg is not None


def keras_arguments(group: str, name: str) -> Mapping[str, Any]:
    """Return the hints of a Keras class's arguments from the table of its group."""
    return declaration_reader.keras_table(group, "ARGUMENTS").get(name, {})
