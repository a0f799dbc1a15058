"""A Keras model's training step as a pure function of the values of its variables, so that it can be vectorized.

Keras itself has the form for models (`stateless_call`), and for optimizers only on other backends: TensorFlow's optimizers
write into `tf.Variable`s. Inside `pure` they take the backend-neutral way of their base class, which assigns through
`keras.Variable`, whose assignments a `StatelessScope` collects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf
from keras.src import backend
from keras.src.backend.tensorflow import core
from keras.src.backend.tensorflow import numpy as operations
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

# What TensorFlow's optimizers do in ways of their own, for the sake of tf.distribute.
OVERRIDDEN = (
    "assign",
    "assign_add",
    "assign_sub",
    "_apply_weight_decay",
    "_backend_update_step",
    "_backend_increment_gradient_accumulators",
    "_overwrite_model_variables_with_average_value",
)


@contextmanager
def pure() -> Iterator[None]:
    """Have optimizers assign through `keras.Variable`, as they do on the other backends."""
    saved = {name: vars(TFOptimizer)[name] for name in (*OVERRIDDEN, "_var_key")}
    for name in OVERRIDDEN:
        setattr(TFOptimizer, name, getattr(BaseOptimizer, name))
    TFOptimizer._var_key = lambda self, variable: saved["_var_key"](
        self, getattr(variable, "_value", variable)
    )
    conds, divide = (tf.cond, core.cond), operations.divide
    tf.cond = core.cond = _both
    operations.divide = _with_all_rows(divide)
    try:
        yield
    finally:
        (tf.cond, core.cond), operations.divide = conds, divide
        for name, method in saved.items():
            setattr(TFOptimizer, name, method)


def _with_all_rows(divide: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return Keras' division with one form for gradients that are rows, as RMSprop divides those of an embedding.

    Keras adds rows to the quotient where the divisor is 0 or NaN, so that NaN comes out there, too. How many these are is
    a matter of values, which has no form for many trials; here each row is added, which is 0 elsewhere.
    """

    def quotient(x1: Any, x2: Any) -> Any:
        if (
            not isinstance(x1, tf.IndexedSlices)
            or isinstance(x2, tf.IndexedSlices)
            or getattr(x2, "shape", ()) == ()
        ):
            return divide(x1, x2)
        x2 = tf.convert_to_tensor(x2)
        every = tf.range(tf.shape(x2, x1.indices.dtype)[0], dtype=x1.indices.dtype)
        values = [divide(x1.values, tf.gather(x2, x1.indices)), divide(tf.zeros_like(x2), x2)]
        return tf.IndexedSlices(
            tf.concat(values, 0), tf.concat([x1.indices, every], 0), dense_shape=x1.dense_shape
        )

    return quotient


def _both(
    pred: Any,
    true_fn: Callable[[], Any] | None = None,
    false_fn: Callable[[], Any] | None = None,
    name: str | None = None,
) -> Any:
    """As `tf.cond`, for many trials at once: both branches are computed, and each trial takes what is its own."""
    scope = backend.get_stateless_scope()
    before = dict(scope.state_mapping)
    results, after = [], []
    for branch in (true_fn, false_fn):
        scope.state_mapping = dict(before)
        results.append(branch())
        after.append(scope.state_mapping)
    yes, no = after

    def chosen(one: Any, other: Any) -> Any:
        return one if one is other or one is None else tf.where(pred, one, other)

    scope.state_mapping = {k: chosen(yes[k], no[k]) for k in before}
    return tf.nest.map_structure(chosen, *results)


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
        variables: all that the step reads or writes.
        values: of them, before the step.
        x, y, weight: a batch.
        dense: take gradients that are rows as whole ones.
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
    """Return the values of all variables after a batch was measured; see `training`."""

    def step() -> None:
        y_pred = model(x, training=False)
        measure(model, x, y, weight, y_pred, model.compute_loss(x, y, y_pred, weight, training=False))

    return _after(step, variables, values)


def reset(model: keras.Model, variables: Sequence[Any], values: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Return the values of all variables with the metrics at their beginning."""
    return _after(model.reset_metrics, variables, values)


def results(model: keras.Model, variables: Sequence[Any], values: Sequence[tf.Tensor]) -> dict[str, Any]:
    """Return the metrics that these values of the variables stand for."""
    with backend.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
        return model.get_metrics_result()


def measure(model: keras.Model, x: Any, y: Any, weight: Any, y_pred: Any, loss: tf.Tensor) -> None:
    """Count a batch in the metrics, as a pass does."""
    model._loss_tracker.update_state(loss, sample_weight=tf.shape(tf.nest.flatten(x)[0])[0])
    model.compute_metrics(x, y, y_pred, sample_weight=weight)


def _after(
    step: Callable[[], None], variables: Sequence[Any], values: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    scope = backend.StatelessScope(
        state_mapping=list(zip(variables, values, strict=True)), collect_losses=True
    )
    with scope, pure():
        step()
    after = [scope.get_current_value(v) for v in variables]
    return [tf.cast(a, b.dtype) if a.dtype != b.dtype else a for a, b in zip(after, values, strict=True)]
