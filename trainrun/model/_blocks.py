"""What several models are made of: hidden layers with norm and dropout, and the head."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import layers

from trainrun.data.dataset import TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.model._weights import Weights


def check_activation(name: str | None, key: str = "model.activation") -> None:
    """Raise a `UserError` unless Keras knows the activation."""
    known = [
        k
        for k, v in vars(keras.activations).items()
        if callable(v) and k not in ("get", "serialize", "deserialize")
    ]
    if name is not None and name not in known:
        raise UserError(
            Problem(
                key,
                f"expected one of {', '.join(sorted(known))}, got {name!r}.{did_you_mean(str(name), known)}",
            )
        )


def listed(sizes: int | list[int]) -> list[int]:
    """Return one size or several as a list."""
    return [sizes] if isinstance(sizes, int) else list(sizes)


def hidden(
    x: Any,
    units: int,
    weights: Weights,
    *,
    activation: str,
    batch_norm: bool = False,
    dropout: float = 0.0,
    name: str | None = None,
) -> Any:
    """Return a dense layer's output: dense, norm if asked for, activation, dropout if any."""
    dense = layers.Dense(
        units,
        activation=None if batch_norm else activation,
        use_bias=not batch_norm,
        name=name,
        **weights.dense(activity=not batch_norm, bias=not batch_norm),
    )
    return _finished(dense(x), weights, activation, batch_norm, dropout)


def convolution(
    x: Any,
    filters: int,
    weights: Weights,
    *,
    kernel_size: int = 3,
    strides: int = 1,
    activation: str | None,
    batch_norm: bool = False,
    dropout: float = 0.0,
    activity: bool = True,
    name: str | None = None,
) -> Any:
    """Return a convolution's output, padded to the image's size: convolution, norm, activation, dropout.

    `activity` false leaves its outputs out of the activity penalty.
    """
    conv = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        activation=None if batch_norm else activation,
        use_bias=not batch_norm,
        name=name,
        **weights.conv(activity=activity and not batch_norm, bias=not batch_norm),
    )
    return _finished(conv(x), weights, activation, batch_norm, dropout, activity)


def _finished(
    x: Any, weights: Weights, activation: str | None, batch_norm: bool, dropout: float, activity: bool = True
) -> Any:
    if batch_norm:
        x = normalized(x)
        if activation is not None:
            penalty = weights.activity_regularizer if activity else None
            x = layers.Activation(activation, activity_regularizer=penalty)(x)
    return layers.Dropout(dropout)(x) if dropout else x


def normalized(x: Any) -> Any:
    """Return the batch's values with mean 0 and deviation 1 by channel.

    The moments are taken over the batch of all replicas, or two devices would not train as one does. The running
    ones forget within tens of steps: with Keras' 0.99, short runs would validate with moments still near their start.
    """
    return layers.BatchNormalization(momentum=0.9, synchronized=True)(x)


def output_dtype() -> str:
    """Return the type of a model's output: exact enough for a loss, also where the layers before it are not."""
    return "float64" if keras.config.dtype_policy().compute_dtype == "float64" else "float32"


def head(x: Any, target: TargetSpec, activation: str | None, weights: Weights, activity: bool = False) -> Any:
    """Return the model's output, `[batch, *target.shape, outputs]`, in float32 (float64 if all is) whatever the precision before it.

    Args:
        x: `[batch, d]`.
        target: how many outputs; with a shape, one label for each of its places.
        activation: of the last layer, None for logits, scores and real numbers.
        weights: of the layer.
        activity: penalize its outputs: for models without a hidden layer.
    """
    arguments = {"dtype": output_dtype(), **weights.dense(activity=activity)}
    if not target.shape:
        return layers.Dense(target.outputs, activation=activation, name="head", **arguments)(x)
    x = layers.Dense(math.prod(target.shape) * target.outputs, name="places", **arguments)(x)
    x = layers.Reshape(
        (*target.shape, target.outputs), dtype=output_dtype(), name="head" if activation is None else "shaped"
    )(x)
    return x if activation is None else layers.Activation(activation, dtype=output_dtype(), name="head")(x)
