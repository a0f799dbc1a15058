"""Whether a model outputs probabilities or logits, inferred from its graph."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.compat import keras_model_private
from trainrun.model.written_head import PROBABILITY_FUNCTIONS, VALUE_PRESERVING


def is_probabilities(output: Any) -> bool | None:
    """Return whether a model's output consists of probabilities.

    Args:
        output: a model's output, a `KerasTensor`.

    Returns:
        True for probabilities; False for logits or other values of a layer; None if the graph does not determine it.
    """
    history = keras_model_private.made_by(output)
    if history is None:
        return None
    operation, index, inputs = history
    if isinstance(operation, keras.Model):
        # A subclassed model, whose `call` is Python code, has no graph.
        inner = getattr(operation, "outputs", None)
        return is_probabilities(inner[index]) if inner else None
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    kind = type(operation).__name__.lower()
    if not type(operation).__module__.startswith("keras."):
        return None
    activation = getattr(getattr(operation, "activation", None), "__name__", None)
    if kind in PROBABILITY_FUNCTIONS or activation in PROBABILITY_FUNCTIONS:
        return True
    if kind == "average":
        return all(is_probabilities(tensor) for tensor in inputs)
    if kind in VALUE_PRESERVING and activation in (None, "linear") and len(inputs) == 1:
        return is_probabilities(inputs[0])
    return False if isinstance(operation, keras.layers.Layer) and activation is not None else None
