"""Functional models that share the weights of another model, also of a subclassed one, whose `call` has no graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from trainrun.compat import keras_model_private
from trainrun.data.dataset import InputSpec, Split
from trainrun.errors import Problem, UserError
from trainrun.model._inputs import input_tensors
from trainrun.util.places import place


def outputs(model: keras.Model) -> list[Any]:
    """Return the symbolic outputs of a functional model, or an empty list for a subclassed one."""
    return list(getattr(model, "outputs", None) or ())


def few(model: keras.Model, split: Split, count: int) -> Split:
    """Return the first examples of a split for a call of the model.

    Args:
        count: of examples, unless the model takes batches of one size only (stateful recurrent layers).
    """
    fixed = next((tensor.shape[0] for tensor in getattr(model, "inputs", None) or ()), None)
    return split.take(np.arange(min(fixed or count, len(split))))


def heads(model: keras.Model) -> list[keras.Layer]:
    """Return the layers that make the model's outputs: of each the last one with weights on the way back from it."""
    tensors = outputs(model)
    if not tensors:
        return [x for x in keras_model_private.direct_layers(model) if x.weights][-1:]
    return [layer for tensor in tensors for layer in _heads_of(tensor)]


def heads_by_output(model: keras.Model) -> dict[str, list[keras.Layer]]:
    """Return the same by the name of the output; those of a model that names none under an empty name."""
    if outputs(model) and not isinstance(model, keras.Sequential) and isinstance(model.output, dict):
        return {name: _heads_of(tensor) for name, tensor in model.output.items()}
    return {"": heads(model)}


def _heads_of(tensor: Any) -> list[keras.Layer]:
    while (made := keras_model_private.made_by(tensor)) is not None:
        layer, _, inputs = made
        if isinstance(layer, keras.Model):
            return heads(layer)
        if getattr(layer, "weights", None):
            return [layer]
        if len(inputs) != 1:
            break
        tensor = inputs[0]
    return []


def ending_in(model: keras.Model, output: Any) -> keras.Model:
    """Return a model of the same inputs, weights and name whose output is another tensor, or dict of tensors, made of its own."""
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    return keras.Model(inputs, output, name=model.name)


def over(model: keras.Model, inputs: Sequence[InputSpec]) -> keras.Model:
    """Return a functional model with the same weights, without loss and metrics, with one output or a dict of outputs by name.

    A subclassed model becomes its only layer; if it is not built yet, this builds it.

    Args:
        model: any Keras model.
        inputs: specs of the data's inputs.

    Raises:
        UserError: the model's `call` returns None.
    """
    if not outputs(model):
        opened, _ = input_tensors(inputs)
        called = model(opened)
        if called is None:
            raise UserError(Problem("model", f"{place(type(model).call)}: call returned None. Add a return."))
        if not outputs(model):  # a Sequential has them once it is called
            return keras.Model(opened, keras.tree.flatten(called)[0], name=model.name)
    return ending_in(model, model.output if isinstance(model.output, dict) else outputs(model)[0])
