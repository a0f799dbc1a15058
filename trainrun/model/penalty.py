"""Regularization beside the data loss: two columns of the log, and their sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from trainrun.compat import keras_metric_private


def report(model: keras.Model, replica_count: int, examples_of_replica: Callable[[], Any]) -> None:
    """Let Keras log `data_loss` and `penalty` beside their sum `loss`, where the model has penalties.

    `compute_loss` is replaced on the instance, so that the model stays a plain Keras model and saves as one.

    Args:
        model: before `compile`.
        replica_count: replicas that share a batch.
        examples_of_replica: returns the number of examples that count in the step that is traced; None: all of the batch.
    """
    if not model.losses:
        return
    whole = model.compute_loss
    penalty, data_loss = keras.metrics.Mean(name="penalty"), keras.metrics.Mean(name="data_loss")
    for part in (penalty, data_loss):
        keras_metric_private.set_direction(part, "min")
    model.trainrun_metrics = [data_loss, penalty]

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = whole(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        extra = keras.ops.sum([keras.ops.cast(term, loss.dtype) for term in model.losses])
        examples = examples_of_replica()
        if examples is None:
            examples = keras.ops.shape(keras.tree.flatten(x)[0])[0]
        penalty.update_state(extra, sample_weight=examples)
        # On several replicas Keras has divided the loss by their number already, for the sum of their gradients.
        data_loss.update_state(loss * replica_count - extra, sample_weight=examples)
        return loss

    model.compute_loss = compute_loss
