"""Quantization-aware training: layers compute with the numbers that an export with `--quantize` has.

The layers, grids and axes are those of Keras' `model.quantize`; the optimizer moves the weights themselves, by the gradient at the rounded
ones (straight-through estimator). `model.keras` has the weights before rounding, so that the export rounds them as the training did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from trainrun.compat import keras_model_private, keras_private
from trainrun.errors import Problem, UserError

KEY = "model.quantization_aware"
# The layers that Keras quantizes, subclasses not included; of these `ReversibleEmbedding` is refused.
LAYERS = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)
# Weights of int4 that have a scale and a zero point in common, and the ends of their range.
BLOCK = keras.quantizers.Int4QuantizationConfig().block_size
LOWEST, HIGHEST = -8, 7
# Attribute of a layer that computes with rounded weights: the quantization.
_MODE = "trainrun_quantization_aware"


def apply(model: keras.Model, mode: str) -> None:
    """Let the layers of a model that Keras quantizes compute with rounded weights, and with int8 rounded inputs.

    `call` is replaced on the layers, not in subclasses, so that the model is saved as the plain Keras model that it is.

    Args:
        model: built; changed in place.
        mode: ``int8`` or ``int4``.

    Raises:
        UserError: it has no such layer, or one that is not or cannot be quantized so.
    """
    # Keras leaves out layers that hold others, such as one whose activation is a layer.
    leaves = [x for x in keras_model_private.all_layers(model) if len(keras_model_private.all_layers(x)) == 1]
    for layer in leaves:
        if type(layer) is keras.layers.ReversibleEmbedding:
            text = f"{layer.path}: the export rounds a ReversibleEmbedding, training does not. Take an Embedding and a Dense layer."
            raise UserError(Problem(KEY, text))
        if type(layer) is keras.layers.EinsumDense and "..." in layer.equation:
            text = f"{layer.path}: Keras quantizes no EinsumDense of an ellipsis, {layer.equation!r}. Write its axes out: 'abc,cd->abd'."
            raise UserError(Problem(KEY, text))
    layers = [x for x in leaves if type(x) in LAYERS and x.quantization_mode is None]
    if not layers:
        names = ", ".join(x.__name__ for x in LAYERS)
        raise UserError(
            Problem(KEY, f"the model has no layer that Keras quantizes ({names}). Leave it null.")
        )
    for layer in layers:
        if mode_of(layer) is None:  # a layer may be in the list twice
            setattr(layer, _MODE, mode)
            is_table = isinstance(layer, keras.layers.Embedding)
            layer.call = _looked_up(layer, mode) if is_table else _multiplied(layer, mode)


def mode_of(layer: keras.Layer) -> str | None:
    """Return the quantization whose numbers a layer computes with, or None."""
    return getattr(layer, _MODE, None)


def _multiplied(layer: keras.Layer, mode: str) -> Callable:
    """Return the `call` of a dense layer over rounded weights."""
    call = layer.call
    kernel_axes, input_axes = _reduced_axes(layer)

    def call_rounded(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        with keras_private.uncast():
            kernel = layer.kernel.value
        if mode == "int8":
            inputs = straight_through(inputs, int8(inputs, input_axes))
            nearest = int8(kernel, kernel_axes)
        else:
            # As Keras does it: the first of the numbers are the rows, whichever axes are reduced.
            rows = math.prod(kernel.shape[axis] for axis in kernel_axes)
            nearest = ops.reshape(int4(ops.reshape(kernel, (rows, -1))), ops.shape(kernel))
        # These layers read nothing else that changes, so that no update is lost with the scope.
        with keras.StatelessScope(state_mapping=[(layer.kernel, straight_through(kernel, nearest))]):
            return call(inputs, *args, **kwargs)

    return call_rounded


def _looked_up(layer: keras.layers.Embedding, mode: str) -> Callable:
    """Return the `call` of an embedding over rounded rows: each has a grid of its own, so only those of the batch are rounded."""

    def call_rounded(inputs: Any) -> Any:
        with keras_private.uncast():
            found = ops.take(layer.embeddings.value, ops.cast(inputs, "int32"), axis=0)
        if mode == "int8":
            nearest = int8(found, (-1,))
        else:
            columns = ops.transpose(ops.reshape(found, (-1, layer.output_dim)))
            nearest = ops.reshape(ops.transpose(int4(columns)), ops.shape(found))
        return ops.cast(straight_through(found, nearest), layer.compute_dtype)

    return call_rounded


def _reduced_axes(layer: keras.Layer) -> tuple[Sequence[int], Sequence[int]]:
    """Return the axes of kernel and input over which a layer sums: numbers along these have one scale."""
    if isinstance(layer, keras.layers.Dense):
        return (0,), (-1,)
    inputs, kernel, output = layer.equation.replace("->", ",").split(",")
    over_kernel, over_inputs = (
        [i for i, label in enumerate(labels) if label not in output] for labels in (kernel, inputs)
    )
    return over_kernel, over_inputs


def int8(x: Any, axes: Sequence[int]) -> Any:
    """Return the nearest of the 255 values that int8 has between minus and plus the largest magnitude along some axes.

    Args:
        x: a tensor.
        axes: which have one scale.
    """
    integers, scale = keras.quantizers.abs_max_quantize(x, axis=tuple(axes), dtype=x.dtype)
    return integers / scale


def int4(x: Any) -> Any:
    """Return the nearest of the 16 values between the least and the greatest number of each `BLOCK` rows of a column.

    `keras.quantizers.abs_max_quantize_grouped_with_zero_point` for an export counts zeros that fill the last block in,
    for tensors it leaves them out where there is one block; so the arithmetic of the former is written out.

    Args:
        x: `[rows, columns]`.
    """
    rows = x.shape[0]
    blocks = -(-rows // BLOCK)
    full = ops.pad(x, [[0, blocks * BLOCK - rows], [0, 0]])
    full = ops.reshape(full, (blocks, BLOCK, -1))
    low, high = ops.min(full, axis=1, keepdims=True), ops.max(full, axis=1, keepdims=True)
    scale = (high - low + keras.config.epsilon()) / (HIGHEST - LOWEST)
    zero = ops.clip(ops.round(-low / scale) + LOWEST, LOWEST, HIGHEST)
    integers = ops.clip(ops.round(full / scale) + zero, LOWEST, HIGHEST)
    return ops.reshape((integers - zero) * scale, (blocks * BLOCK, -1))[:rows]


def straight_through(x: Any, nearest: Any) -> Any:
    """Return `nearest`, to the bit, with the gradient of `x`.

    Reference:
        Bengio et al. 2013, https://arxiv.org/abs/1308.3432; for training, Jacob et al. 2018, https://arxiv.org/abs/1712.05877.
    """
    return ops.stop_gradient(nearest) + (x - ops.stop_gradient(x))
