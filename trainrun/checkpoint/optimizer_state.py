"""The whole state of an optimizer as arrays, to copy it to another optimizer bit for bit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainrun.compat import keras_optimizer_private
from trainrun.errors import Problem, UserError


def get(optimizer: Any) -> dict[str, np.ndarray]:
    """Return every variable of an optimizer: iterations, learning rate, slots, averages, accumulators, loss scale.

    Variables of wrapped optimizers are included. A key is the variable's number and its role (`0002.momentum`), without the names
    of layers, so that it fits another model of the same architecture. A schedule has no variable: it follows from the
    iterations.

    Args:
        optimizer: a built Keras optimizer.

    Raises:
        UserError: the optimizer is not built yet, so most of its state does not exist.
    """
    return {key: np.array(variable.numpy()) for key, variable in _named(optimizer).items()}


def set(optimizer: Any, state: Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> None:
    """Set the state of an optimizer to the result of `get`; nothing is changed if an entry does not fit.

    Args:
        optimizer: a built Keras optimizer of the same class and arguments, for a model of the same shapes.
        state: as returned by `get`, or a list of arrays in the order of `optimizer.variables`.

    Raises:
        UserError: an entry is missing, unknown, or of another shape or dtype; the message names all of them.
    """
    named = _named(optimizer)
    if not isinstance(state, Mapping):
        if len(state) != len(named):
            raise UserError(
                f"{type(optimizer).__name__} has {len(named)} variables; got {len(state)} arrays. They are, in this order: "
                f"{', '.join(named)}."
            )
        state = dict(zip(named, state, strict=True))
    problems = [
        Problem(key, f"this entry is missing; {variable.path} needs {_kind(variable)}.")
        for key, variable in named.items()
        if key not in state
    ]
    problems += [
        Problem(
            str(key), f"{type(optimizer).__name__} has no such entry; is it of the same class and arguments?"
        )
        for key in state
        if key not in named
    ]
    for key in named.keys() & state.keys():
        expected, got = _kind(named[key]), _kind(np.asarray(state[key]))
        if expected != got:
            problems.append(Problem(key, f"{named[key].path} needs {expected}; got {got}."))
    if problems:
        raise UserError(sorted(problems, key=lambda problem: problem.key))
    for key, variable in named.items():
        variable.assign(state[key])


def _named(optimizer: Any) -> dict[str, Any]:
    if not optimizer.built:
        raise UserError(
            f"{type(optimizer).__name__} is not built, so it has no state yet. "
            "Call optimizer.build(model.trainable_variables) first."
        )
    return {f"{i:04d}.{_role(optimizer, v)}": v for i, v in enumerate(optimizer.variables)}


def _role(optimizer: Any, variable: Any) -> str:
    """Return the role of a variable, such as `momentum` or `iteration`: its name without that of the model's variable."""
    trained = keras_optimizer_private.trained_variables(optimizer)
    prefixes = [v.path.replace("/", "_") + "_" for v in trained if hasattr(v, "path")]
    matching = [p for p in prefixes if variable.name.startswith(p)]
    # Keras numbers unnamed variables through the whole process: `variable_12`.
    return re.sub(
        r"^variable_\d+$", "variable", variable.name.removeprefix(max(matching, key=len, default=""))
    )


def _kind(value: Any) -> str:
    return f"{np.dtype(value.dtype) if isinstance(value, np.ndarray) else value.dtype}{list(value.shape)}"
