"""A model's variables, grouped by purpose."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.compat import keras_private


def number(variable: Any) -> Any:
    """Return the value of a scalar variable, mirrored or not, as a Python number."""
    # Not `float(variable)`, which is slower; called several times per epoch for each of many trials.
    return variable.numpy().item()


def by_purpose(model: keras.Model) -> dict[str, list[Any]]:
    """Return the variables of a compiled model, grouped by purpose.

    Returns:
        Lists under ``weights``, ``optimizer`` (empty before it is built), ``metrics`` and ``generators`` (the state of
        Keras' global seed generator).
    """
    optimizer = model.optimizer
    generator = keras_private.global_seed_generator().state
    return {
        "weights": list(model.variables),
        "optimizer": list(optimizer.variables) if optimizer is not None and optimizer.built else [],
        "metrics": list(model.metrics_variables),
        "generators": [generator],
    }
