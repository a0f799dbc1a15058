"""Building blocks of the models: dense and convolution blocks with normalization and dropout, and the output layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from trainrun.data.dataset import TargetSpec
from trainrun.errors import Problem, UserError, did_you_mean
from trainrun.model._weights import Weights


def check_activation(name: str | None, key: str = "model.activation") -> None:
    """Check the name of an activation.

    Args:
        name: as in `keras.activations`; None is allowed.
        key: the config's key, for the message.

    Raises:
        UserError: Keras has no activation of that name.
    """
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


def as_list(sizes: int | list[int]) -> list[int]:
    """Return one size, or several, as a list."""
    return [sizes] if isinstance(sizes, int) else list(sizes)


def dense_block(
    x: Any,
    units: int,
    weights: Weights,
    *,
    activation: str,
    batch_norm: bool = False,
    dropout: float = 0.0,
    name: str | None = None,
) -> Any:
    """Apply a dense layer, batch normalization (optional), an activation and dropout (optional).

    Args:
        x: `[batch, ..., d]`.
        units: width of the dense layer.
        weights: initializers, penalties and constraint of its weights.
        activation: after the normalization.
        batch_norm: normalize before the activation; the dense layer then has no bias.
        dropout: fraction of the outputs set to 0 during training, in [0, 1).
        name: of the dense layer.

    Returns:
        `[batch, ..., units]`.
    """
    dense = layers.Dense(
        units,
        activation=None if batch_norm else activation,
        use_bias=not batch_norm,
        name=name,
        **weights.dense(activity=not batch_norm, bias=not batch_norm),
    )
    return _normalize_activate_drop(dense(x), weights, activation, batch_norm, dropout)


def dense_stack(x: Any, units: int | list[int], weights: Weights, *, name: str, **block: Any) -> Any:
    """Apply one `dense_block` for each width in `units`, named ``<name>_1``, ``<name>_2`` …; further arguments are its."""
    for i, width in enumerate(as_list(units)):
        x = dense_block(x, width, weights, name=f"{name}_{i + 1}", **block)
    return x


def conv_block(
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
    """Apply a 2D convolution with padding ``same``, batch normalization (optional), activation and dropout (optional).

    Args:
        x: `[batch, height, width, channels]`.
        filters: number of output channels.
        weights: initializers, penalties and constraint of its weights.
        kernel_size: height and width of the kernel, in pixels.
        strides: step of the kernel in both directions, in pixels.
        activation: after the normalization; None: none.
        batch_norm: normalize before the activation; the convolution then has no bias.
        dropout: fraction of the outputs set to 0 during training, in [0, 1).
        activity: whether the activity penalty includes its outputs.
        name: of the convolution.

    Returns:
        `[batch, ⌈height / strides⌉, ⌈width / strides⌉, filters]`.
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
    return _normalize_activate_drop(conv(x), weights, activation, batch_norm, dropout, activity)


def _normalize_activate_drop(
    x: Any, weights: Weights, activation: str | None, batch_norm: bool, dropout: float, activity: bool = True
) -> Any:
    if batch_norm:
        # Synchronized over replicas, or two devices would not train as one does. Momentum 0.9, not Keras' 0.99: in a short
        # run, the moving averages used in validation would still be near their initial values.
        x = layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
        if activation is not None:
            penalty = weights.activity_regularizer if activity else None
            x = layers.Activation(activation, activity_regularizer=penalty)(x)
    return layers.Dropout(dropout)(x) if dropout else x


def output_dtype() -> str:
    """Return the dtype of a model's output: float64 under that policy, else float32, also in mixed precision."""
    return "float64" if keras.config.dtype_policy().compute_dtype == "float64" else "float32"


def output_layer(
    x: Any,
    target: TargetSpec,
    activation: str | Mapping[str, str | None] | None,
    weights: Weights,
    activity: bool = False,
    name: str = "head",
) -> Any:
    """Apply the dense output layer, or one for each of several outputs.

    Args:
        x: `[batch, d]`.
        target: number of outputs; if it has a shape, each of its positions has outputs of its own.
        activation: of the outputs; None for logits, scores and real numbers; of several outputs, a dict by name.
        weights: initializers, penalties and constraint of its weights.
        activity: whether the activity penalty includes the outputs: for models without a hidden layer.
        name: of the layer; of several outputs, the prefix of their layers' names.

    Returns:
        `[batch, *target.shape, outputs]`, of `output_dtype()`; of several outputs, a dict of these by name.
    """
    if target.named:
        return {
            output: output_layer(x, spec, activation[output], weights, activity, f"{name}_{output}")
            for output, spec in target.named.items()
        }
    arguments = {"dtype": output_dtype(), **weights.dense(activity=activity)}
    if not target.shape:
        return layers.Dense(target.outputs, activation=activation, name=name, **arguments)(x)
    prefix = "" if name == "head" else f"{name}_"
    x = layers.Dense(math.prod(target.shape) * target.outputs, name=f"{prefix}places", **arguments)(x)
    x = layers.Reshape(
        (*target.shape, target.outputs),
        dtype=output_dtype(),
        name=name if activation is None else f"{prefix}shaped",
    )(x)
    return x if activation is None else layers.Activation(activation, dtype=output_dtype(), name=name)(x)
