"""A model's variables by what they are for."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.compat import keras_private


def number(variable: Any) -> Any:
    """Return the value of a variable of one number, also of one that several replicas share."""
    # As fast as it gets: called several times an epoch for each of many trials.
    return variable.numpy().item()


def by_purpose(model: keras.Model) -> dict[str, list[Any]]:
    """Return the variables of a compiled model by purpose.

    Returns:
        ``weights``, ``optimizer`` (empty before it is built), ``metrics``, and ``generators``: Keras' global seed.
    """
    optimizer = model.optimizer
    generator = keras_private.global_seed_generator().state
    return {
        "weights": list(model.variables),
        "optimizer": list(optimizer.variables) if optimizer is not None and optimizer.built else [],
        "metrics": list(model.metrics_variables),
        "generators": [generator],
    }
