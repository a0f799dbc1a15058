"""The default training step: forward pass, loss, gradient, update."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def default(
    model: keras.Model, x: Any, y: tf.Tensor, weight: tf.Tensor | None, share: Any, /
) -> tuple[tf.Tensor, Any]:
    """Update the weights by the gradient of the loss and the penalties.

    `trainer=custom` compiles and repeats it. A custom step has the same arguments and results (docs/plugins.md).

    Args:
        model: compiled; `model.compute_loss` computes loss and penalties, `model.optimizer` makes the update.
        x: the inputs of a batch, a tensor `[batch, …]` or a dict of tensors.
        y: the labels, `[batch, …]`, in the form that the loss requires.
        weight: sample weights, `[batch]`, or None.
        share: weight of the loss: 1.0, or, if several replicas share a batch, the replica's share, because the optimizer sums
            the gradients of all replicas.

    Returns:
        `(loss, y_pred)`: the loss times `share`, a scalar, and the outputs for the metrics.
    """
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, weight, training=True) * share
        scaled = model.optimizer.scale_loss(loss)  # mixed_float16: small gradients would become zero
    gradients = tape.gradient(scaled, model.trainable_weights)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return loss, y_pred
