"""The training step of a Keras model as a pure function of the values of its variables, so that it can be vectorized.

A `keras.StatelessScope` gives variables their values and collects what is assigned; `compat.keras_pure_step_private` makes Keras'
optimizers assign in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private, keras_pure_step_private


def training(
    model: keras.Model,
    variables: Sequence[Any],
    values: Sequence[tf.Tensor],
    x: Any,
    y: Any,
    weight: Any,
    dense: bool = False,
) -> list[tf.Tensor]:
    """Return the values of all variables after a step of training (`trainrun.step.default`, and the metrics).

    Args:
        model: compiled, its variables created.
        variables: of the step.
        values: of the variables before the step.
        x, y, weight: a batch.
        dense: convert sparse gradients to dense ones.
    """

    def step() -> None:
        trainable = model.trainable_variables
        watched = [v.value for v in trainable]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, weight, training=True)
            scaled = model.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, watched)
        if dense:
            gradients = [tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]
        model.optimizer.apply_gradients(zip(gradients, trainable, strict=True))
        measure(model, x, y, weight, y_pred, loss)

    return _after(step, variables, values)


def measuring(
    model: keras.Model, variables: Sequence[Any], values: Sequence[tf.Tensor], x: Any, y: Any, weight: Any
) -> list[tf.Tensor]:
    """Return the values of all variables after the evaluation of a batch; see `training`."""

    def step() -> None:
        y_pred = model(x, training=False)
        measure(model, x, y, weight, y_pred, model.compute_loss(x, y, y_pred, weight, training=False))

    return _after(step, variables, values)


def reset(model: keras.Model, variables: Sequence[Any], values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return the values of all variables after resetting the metrics."""
    return _after(model.reset_metrics, variables, values)


def results(model: keras.Model, variables: Sequence[Any], values: Sequence[tf.Tensor]) -> dict[str, Any]:
    """Return the results of the metrics for these values of the variables."""
    with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
        return model.get_metrics_result()


def measure(model: keras.Model, x: Any, y: Any, weight: Any, y_pred: Any, loss: tf.Tensor) -> None:
    """Update the metrics with a batch, as a pass does."""
    keras_model_private.count_loss(model, loss, tf.shape(tf.nest.flatten(x)[0])[0])
    model.compute_metrics(x, y, y_pred, sample_weight=weight)


def _after(
    step: Callable[[], None], variables: Sequence[Any], values: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    scope = keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True)), collect_losses=True)
    with scope, keras_pure_step_private.pure():
        step()
    after = [scope.get_current_value(v) for v in variables]
    return [tf.cast(a, b.dtype) if a.dtype != b.dtype else a for a, b in zip(after, values, strict=True)]
