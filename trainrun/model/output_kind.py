"""What a model's output is, probabilities or numbers before them, by the graph that makes it."""

from __future__ import annotations

from typing import Any

import keras

from trainrun.compat import keras_model_private

# Functions whose values lie in [0, 1]: names of activations, of layers and of operations.
TO_PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid", "sparsemax", "sparse_sigmoid", "hardsigmoid")
# Layers and operations that hand on the values that they get, as far as that goes.
PASS_ON = ("activation", "reshape", "flatten", "permute", "transpose", "squeeze", "expanddims", "cast", "dropout", "identity")  # fmt: skip


def is_probabilities(output: Any) -> bool | None:
    """Return whether a symbolic output holds probabilities; None where the graph does not tell.

    Args:
        output: a model's output, a `KerasTensor`.
    """
    made = keras_model_private.made_by(output)
    if made is None:
        return None
    operation, index, inputs = made
    if isinstance(operation, keras.Model):
        # Of a subclassed model, whose `call` is Python, there is no graph.
        inner = getattr(operation, "outputs", None)
        return is_probabilities(inner[index]) if inner else None
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    kind = type(operation).__name__.lower()
    if not type(operation).__module__.startswith("keras."):
        return None
    activation = getattr(getattr(operation, "activation", None), "__name__", None)
    if kind in TO_PROBABILITIES or activation in TO_PROBABILITIES:
        return True
    if kind == "average":
        return all(is_probabilities(tensor) for tensor in inputs)
    if kind in PASS_ON and activation in (None, "linear") and len(inputs) == 1:
        return is_probabilities(inputs[0])
    return False if isinstance(operation, keras.layers.Layer) and activation is not None else None
