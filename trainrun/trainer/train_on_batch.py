"""Training by a plain Python loop over batches, for use in a debugger."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from trainrun.trainer.epoch_loop import Logs, build, loop
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import as_tensors, batch_of
from trainrun.trainer.pipeline import batches, order
from trainrun.util.arguments import Count
from trainrun.util.clock import INPUT
from trainrun.util.declarations import declare


@declare(takes_steps=True, augments=True, calls_train_step=True, vectorizes=True, input="python")
class TrainOnBatch:
    """Apply Keras' own training step to one numpy batch after another.

    With `trainer.run_eagerly=true` nothing is compiled, and breakpoints in a layer, a loss or a metric stop at each batch.

    Args:
        validation_freq: epochs from one validation to the next; default 1.
    """

    def __init__(self, validation_freq: Count = 1):
        self.validation_freq = validation_freq

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model` in place.

        Returns:
            The history: metric name -> one value per epoch.
        """
        model, plan = job.model, job.plan
        model.steps_per_execution = 1
        build(job)
        # Not `model.train_on_batch`, which resets the metrics at each batch since Keras 3.15.
        model.make_train_function()
        model.make_test_function()

        augment = job.augment
        if augment is not None and not model.run_eagerly:
            augment = tf.function(augment, autograph=False, reduce_retracing=True)

        def train(epoch: int, first: int, callback_list: keras.callbacks.CallbackList) -> Logs:
            logs: Logs = {}
            indices = order(plan, len(job.train), epoch)[first * plan.batch_size :]
            drawn = job.clock.each(INPUT, batches(job.train, indices, plan.batch_size))
            for step, batch in enumerate(drawn, start=first):
                if augment is not None:
                    at = tf.constant([plan.seed, epoch, step], tf.int64)
                    batch = batch_of(*augment(*as_tensors(*batch), at))
                callback_list.on_train_batch_begin(step)
                logs = model.train_function(iter([batch]))
                callback_list.on_train_batch_end(step, logs)
                if model.stop_training:
                    break
            return logs

        def validate(callback_list: keras.callbacks.CallbackList) -> Logs:
            logs: Logs = {}
            indices = np.arange(len(job.validation), dtype="int64")
            for step, batch in enumerate(batches(job.validation, indices, plan.batch_size)):
                callback_list.on_test_batch_begin(step)
                logs = model.test_function(iter([batch]))
                callback_list.on_test_batch_end(step, logs)
            return logs

        return loop(
            job, callbacks, train, validate if job.validation is not None else None, self.validation_freq
        )
