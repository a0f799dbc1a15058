"""A model's variables, grouped by purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private, keras_private


def number(variable: Any) -> Any:
    """Return the value of a scalar variable, mirrored or not, as a Python number."""
    # Not `float(variable)`, which is slower; called several times per epoch for each of many trials.
    return variable.numpy().item()


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Restore at the end what a call of the model may move: seeds, running means, states that are no weights."""
    weights, *further = (by_purpose(model)[kind] for kind in ("weights", "metrics", "generators", "others"))
    states = [
        (v, v.numpy()) for v in (*(w for w in weights if not w.trainable), *chain.from_iterable(further))
    ]
    try:
        yield
    finally:
        for variable, value in states:
            variable.assign(value)


def by_purpose(model: keras.Model) -> dict[str, list[Any]]:
    """Return the variables of a compiled model, grouped by purpose.

    Returns:
        Lists under ``weights``, ``optimizer`` (empty before it is built), ``metrics``, ``generators`` (the state of Keras'
        global seed generator) and ``others`` (what a model of a user's class holds besides, such as a second optimizer).
    """
    optimizer = getattr(model, "optimizer", None)  # none before it is compiled
    generator = keras_private.global_seed_generator().state
    known = {
        "weights": list(model.variables),
        "optimizer": list(optimizer.variables) if optimizer is not None and optimizer.built else [],
        "metrics": list(model.metrics_variables),
        "generators": [generator],
    }
    return known | {"others": _others(model, {id(v) for variables in known.values() for v in variables})}


def _others(model: keras.Model, known: set[int]) -> list[Any]:
    """Return the variables in attributes of a user's model and its layers that Keras does not count among its own."""
    if type(model).__module__.startswith("keras."):
        return []
    hidden: dict[int, Any] = {}
    for layer in keras_model_private.all_layers(model):
        for value in keras.tree.flatten([v for k, v in sorted(vars(layer).items()) if not k.startswith("_")]):
            holds = isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric)
            variables = (
                value.variables
                if holds
                else [value]
                if isinstance(value, keras.Variable | tf.Variable)
                else []
            )
            hidden |= {id(v): v for v in variables if id(v) not in known}
    return list(hidden.values())
