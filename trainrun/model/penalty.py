"""The metrics `data_loss` and `penalty` of a regularized model, whose sum is `loss`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_metric_private, keras_model_private
from trainrun.model.variables import untouched


def report(
    model: keras.Model, replica_count: int, examples_of_replica: Callable[[], Any], example: Any = None
) -> None:
    """Make Keras log `data_loss` and `penalty`, if the model has penalties.

    `compute_loss` is replaced on the instance, not in a subclass, so that the model is saved as a plain Keras model.

    Args:
        model: before `compile`; changed in place.
        replica_count: number of replicas that share a batch.
        examples_of_replica: returns the number of examples that count in the step being traced, or None for the whole
            batch.
        example: inputs of one example, for models whose layers add losses when they are called; None: they are not called.
    """
    kind = type(model)
    if kind.metrics is not keras.Model.metrics or kind.train_step is not keras.Model.train_step:
        return  # it lists its metrics itself, or its step may update each of `metrics` with labels and predictions
    if not (model.losses or _adds_losses(model, example)):
        return
    keras_compute_loss = model.compute_loss
    penalty, data_loss = keras.metrics.Mean(name="penalty"), keras.metrics.Mean(name="data_loss")
    for metric in (penalty, data_loss):
        keras_metric_private.set_direction(metric, "min")
    # Keras lists metrics that are attributes of a model in `model.metrics`, which it logs and resets.
    with keras_model_private.unlocked(model):
        model.trainrun_metrics = [data_loss, penalty]

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = keras_compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        penalties = keras.ops.sum([keras.ops.cast(term, loss.dtype) for term in model.losses])
        # A step of the model's own may leave x out, as Keras' own `compute_loss` does not read it.
        examples = keras.ops.shape(keras.tree.flatten(y_pred if x is None else x)[0])[0]
        # The loss may be of a part of the replica's examples.
        if (limit := examples_of_replica()) is not None:
            examples = keras.ops.minimum(examples, limit)
        penalty.update_state(penalties, sample_weight=examples)
        # On several replicas, Keras has already divided the loss by their number, for the sum of the gradients.
        data_loss.update_state(loss * replica_count - penalties, sample_weight=examples)
        return loss

    model.compute_loss = compute_loss


def _adds_losses(model: keras.Model, example: Any) -> bool:
    """Return whether a call of the model adds losses: by an activity regularizer, or by `add_loss` of a layer.

    Only a call with numbers tells: Keras keeps no loss of a symbolic one.
    """
    may_add = any(
        layer.activity_regularizer is not None or not type(layer).__module__.startswith("keras.")
        for layer in keras_model_private.all_layers(model)
    )
    if example is None or not may_add:
        return False
    found: list[bool] = []

    def called() -> None:
        model(example, training=True)
        found.append(bool(model.losses))

    try:
        with untouched(model):
            if (strategy := tf.distribute.get_strategy()).num_replicas_in_sync == 1:
                called()
            else:  # traced only; outside of a replica, Keras has no losses of a mirrored model's call
                tf.function(lambda: strategy.run(called), autograph=False).get_concrete_function()
            return any(found)
    except tf.errors.ResourceExhaustedError:
        return False  # training will report it, and has answers to it
