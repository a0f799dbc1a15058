"""Gradient descent on the whole training set until the gradient vanishes, in one compiled graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from trainrun.trainer.epoch_loop import numbers
from trainrun.trainer.job import Job
from trainrun.util.arguments import Count, NotNegative


def objective(job: Job) -> tf.Tensor:
    """Return the loss with penalties on the whole training set, a scalar."""
    model, split = job.model, job.train
    x = tf.nest.map_structure(tf.convert_to_tensor, split.x)
    weight = None if split.weight is None else tf.convert_to_tensor(split.weight)
    return model.compute_loss(
        x=x, y=tf.convert_to_tensor(split.y), y_pred=model(x, training=True), sample_weight=weight
    )


def descend(job: Job) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Take one step of the optimizer; return the objective before it and the gradients."""
    with tf.GradientTape() as tape:
        loss = objective(job)
    variables = job.model.trainable_variables
    gradients = tape.gradient(loss, [v.value for v in variables])
    job.model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return loss, gradients


def report(
    job: Job, callbacks: Sequence[keras.callbacks.Callback], steps: int, extra: dict[str, Any]
) -> dict[str, list[float]]:
    """Report the finished loop to the callbacks as one epoch, and return the history."""
    logs = {"loss": float(objective(job)), **extra, "iterations": float(steps)}
    callback_list = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=job.model, epochs=1, steps=1
    )
    callback_list.on_train_begin()
    callback_list.on_epoch_begin(0)
    callback_list.on_epoch_end(0, logs)
    callback_list.on_train_end(logs)
    return numbers(job.model.history)


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
        job.model.optimizer.build(job.model.trainable_variables)

        @tf.function(jit_compile=False)
        def run() -> tuple[tf.Tensor, tf.Tensor]:
            def condition(step: tf.Tensor, maximum: tf.Tensor) -> tf.Tensor:
                return tf.logical_and(maximum >= self.tolerance, step < self.max_steps)

            def body(step: tf.Tensor, maximum: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                _, gradients = descend(job)
                return step + 1, tf.reduce_max(
                    [tf.cast(tf.reduce_max(tf.abs(g)), maximum.dtype) for g in gradients]
                )

            start = (tf.constant(0), tf.constant(float("inf"), keras.config.floatx()))
            return tf.while_loop(condition, body, start)

        steps, maximum = run()
        return report(job, callbacks, int(steps), {"gradient": float(maximum)})
