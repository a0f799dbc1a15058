"""Functions of plug-ins that Keras or a batch calls: an initializer, regularizer, constraint, schedule or augmentation without a class.

Keras saves, copies and loads objects by their classes, so each function gets one, whose arguments are the function's further ones.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

# Group -> the class in Keras whose `__call__` the function is; None: an object of no class of Keras'.
BASES = {
    "initializer": "keras.initializers.Initializer",
    "regularizer": "keras.regularizers.Regularizer",
    "constraint": "keras.constraints.Constraint",
    "schedule": "keras.optimizers.schedules.LearningRateSchedule",
    "augment": None,
}


def is_part(group: str, thing: Any, arguments: dict[str, Any]) -> bool:
    """Return whether a component is a function that is called in training, not one that makes the object from its arguments.

    Args:
        group: of the component.
        thing: class or function.
        arguments: of the config; one that the first parameter has makes the object.
    """
    required = _required(thing) if group in BASES and inspect.isfunction(thing) else []
    return bool(required) and arguments.get(required[0]) is None


def _required(function: Callable[..., Any]) -> list[str]:
    """Return the parameters without a default; those at the beginning are given at each call."""
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


@functools.cache
def as_class(group: str, function: Callable[..., Any]) -> type:
    """Return the class whose objects call a function; its arguments are those that the function has besides what it is called with.

    Args:
        group: a key of `BASES`.
        function: of a plug-in; its first parameters have no default.
    """
    import importlib

    names = [*inspect.signature(function).parameters]
    module, _, base = (BASES[group] or "builtins.object").rpartition(".")

    def __init__(self: Any, **arguments: Any) -> None:
        self.arguments = arguments

    @functools.wraps(function)
    def __call__(self: Any, *given: Any, **further: Any) -> Any:
        # By name, since what is given may have a default, such as the dtype of an initializer.
        return function(**{**self.arguments, **dict(zip(names, given, strict=False)), **further})

    def get_config(self: Any) -> dict[str, Any]:
        return dict(self.arguments)

    body = {"__init__": __init__, "__call__": __call__, "get_config": get_config, "__doc__": function.__doc__}
    kind = type(function.__name__, (getattr(importlib.import_module(module), base),), body)
    kind.__module__ = function.__module__
    return kind
