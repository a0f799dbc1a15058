"""One step of training: forward, loss, gradient, update. What `trainer=custom` repeats, and what one replaces."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def default(
    model: keras.Model, x: Any, y: tf.Tensor, weight: tf.Tensor | None, share: Any, /
) -> tuple[tf.Tensor, Any]:
    """Move the weights along the gradient of loss plus penalties.

    The trainer compiles it, repeats it, feeds it and measures what it returns; a step of one's own takes and
    returns the same (docs/custom_step.md).

    Args:
        model: compiled: `model.compute_loss` holds the loss and the penalties, `model.optimizer` the update.
        x: the inputs of a batch, a tensor `[batch, …]` or a dict of such.
        y: its labels, `[batch, …]`, in the form that the loss wants.
        weight: `[batch]`, or None.
        share: what the loss counts for: 1.0, except where several replicas share a batch; then each gradient is
            that of its share, and applying them adds them up.

    Returns:
        `(loss, y_pred)`: a scalar that includes `share`, and the outputs that the metrics read.
    """
    with tf.GradientTape() as tape:
        y_pred = model(x, training=True)
        loss = model.compute_loss(x, y, y_pred, weight, training=True) * share
        scaled = model.optimizer.scale_loss(loss)  # mixed_float16: keeps small gradients from becoming zero
    gradients = tape.gradient(scaled, model.trainable_weights)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_weights, strict=True))
    return loss, y_pred
