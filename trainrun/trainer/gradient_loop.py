"""Gradient descent on the whole training set until the gradient vanishes, in one compiled graph."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_private
from trainrun.trainer.callbacks import Callbacks
from trainrun.trainer.epoch_loop import numbers
from trainrun.trainer.job import Job
from trainrun.trainer.steps_per_call import Pace, call_interval, wants_steps
from trainrun.util.arguments import Count, NotNegative
from trainrun.util.clock import INPUT


def objective(job: Job) -> tf.Tensor:
    """Return the loss with penalties on the whole training set, a scalar."""
    model, split = job.model, job.train
    x = tf.nest.map_structure(tf.convert_to_tensor, split.x)
    weight = None if split.weight is None else tf.convert_to_tensor(split.weight)
    return model.compute_loss(
        x=x, y=tf.convert_to_tensor(split.y), y_pred=model(x, training=True), sample_weight=weight
    )


def descend(
    function: Callable[[], tf.Tensor], variables: Sequence[Any], optimizer: keras.optimizers.Optimizer
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Take one step of the optimizer; return the function's value before it and the gradients."""
    with tf.GradientTape() as tape:
        value = function()
    gradients = tape.gradient(value, [keras_private.backing_variable(v) for v in variables])
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return value, gradients


def descend_until(
    job: Job,
    callbacks: Sequence[keras.callbacks.Callback],
    most: int,
    tolerance: float | None = None,
) -> dict[str, list[float]]:
    """Take optimizer steps in compiled calls, as one epoch of the callbacks; return the history.

    A call ends where a callback must be called, else after about 0.2 seconds, so that Ctrl-C and checkpoints take effect.

    Args:
        job: model, data and the point to resume from.
        callbacks: in their order. Those with a `stride` are called at each multiple of so many steps.
        most: maximum number of steps.
        tolerance: the loop ends when max |∂loss/∂w| is below it; None: it takes all steps.
    """
    model = job.model
    variables = model.trainable_variables
    model.optimizer.build(variables)
    model.stop_training = False

    @tf.function(jit_compile=False)
    def call(step: tf.Tensor, until: tf.Tensor, slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def goes_on(step: tf.Tensor, slope: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
            return step < until if tolerance is None else tf.logical_and(slope >= tolerance, step < until)

        def body(step: tf.Tensor, slope: tf.Tensor, loss: tf.Tensor) -> tuple[tf.Tensor, ...]:
            loss_before, gradients = descend(partial(objective, job), variables, model.optimizer)
            steepest = [tf.cast(tf.reduce_max(tf.abs(g)), slope.dtype) for g in gradients]
            return step + 1, tf.reduce_max(steepest), tf.cast(loss_before, loss.dtype)

        return tf.while_loop(goes_on, body, (step, slope, tf.zeros_like(slope)))

    job.clock.add(INPUT, 0.0)  # the training set is in the graph as a whole
    callback_list, logs = Callbacks(job, callbacks), {}
    callback_list.on_train_begin()
    if callback_list.first_epoch == 0:
        callback_list.on_epoch_begin(0)
        each = wants_steps(c for c in callbacks if not getattr(c, "stride", None))
        pace = Pace(1 if each else None, call_interval(callbacks))
        step, slope = callback_list.first_step, math.inf
        while step < most and not model.stop_training and (tolerance is None or slope >= tolerance):
            callback_list.on_train_batch_begin(step)
            before, begun = step, time.perf_counter()
            until = step + pace.steps(most - step, step)
            done, steepest, loss = call(
                tf.constant(step), tf.constant(until), tf.constant(slope, keras.config.floatx())
            )
            step, slope = int(done), float(steepest)
            if before > callback_list.first_step:  # the first call compiles
                pace.took((time.perf_counter() - begun) / (step - before))
            callback_list.on_train_batch_end(step - 1, {"loss": float(loss), "gradient": slope})
        logs = {"loss": float(objective(job)), "gradient": slope, "iterations": float(step)}
        callback_list.on_epoch_end(0, logs)
    model.optimizer.finalize_variable_values(model.trainable_weights)
    callback_list.on_train_end(logs)
    return numbers(model.history)


class GradientLoop:
    """Take optimizer steps until every partial derivative is below `tolerance`, in one `tf.while_loop`.

    Args:
        tolerance: the loop ends when max |∂loss/∂w| is below it, at least 0; default 1e-5.
        max_steps: maximum number of steps; default 100,000.
    """

    def __init__(self, tolerance: NotNegative = 1e-5, max_steps: Count = 100_000):
        self.tolerance, self.max_steps = tolerance, max_steps

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model` in place; the history has one entry with the loss, max |∂loss/∂w| and the number of steps."""
        return descend_until(job, callbacks, self.max_steps, self.tolerance)
