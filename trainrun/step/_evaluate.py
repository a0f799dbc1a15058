"""The step of an evaluation."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def evaluate(
    model: keras.Model, x: Any, y: tf.Tensor, weight: tf.Tensor | None, share: Any, /
) -> tuple[tf.Tensor, Any]:
    """Evaluate a batch: a step without an update."""
    y_pred = model(x, training=False)
    return model.compute_loss(x, y, y_pred, weight, training=False) * share, y_pred
