"""Training by Keras' own `fit`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private
from trainrun.hardware.replicas import average_together, even_batches
from trainrun.trainer.callbacks import Callbacks
from trainrun.trainer.epoch_loop import build, numbers
from trainrun.trainer.fit_from_arrays import Indexed
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import logs_loss, takes_own
from trainrun.trainer.pipeline import Feed, in_order
from trainrun.trainer.steps_per_call import TEST, TRAIN, call_interval, wants_steps
from trainrun.util.arguments import Count
from trainrun.util.clock import INPUT
from trainrun.util.declarations import declare

# Maximum number of batches per call without a measurement: more could delay progress bar and Ctrl-C too long.
MAX_UNMEASURED_STEPS = 64


@declare(
    takes_steps=True,
    augments=True,
    calls_train_step=True,
    divides_batches=True,
    keras_fit=True,
    shares_program=True,
    vectorizes=True,
    input="gathered",
)
class Fit:
    """Keras' `fit`, with batches whose order is a function of (seed, epoch, step).

    Args:
        validation_freq: epochs from one validation to the next; default 1.
        steps_per_execution: batches per compiled call; default ``auto``: those of about 0.2 seconds, by measurement.
    """

    def __init__(self, validation_freq: Count = 1, steps_per_execution: Count | Literal["auto"] = "auto"):
        self.validation_freq = validation_freq
        self.steps_per_execution = steps_per_execution

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model` in place.

        Returns:
            The history: metric name -> one value per epoch.
        """
        build(job)
        model = job.model
        if takes_own(model, "train_step"):
            keras_model_private.log_what_steps_return(model)
        if Indexed.fits(job):
            feed = Indexed(job, callbacks, self.steps_per_execution)
            validation = None if job.validation is None else feed.dataset()
            try:
                return self._fit(job, feed.dataset(), validation, feed.callbacks)
            finally:
                model.train_function = model.test_function = None
        replicas, steps = model.distribute_strategy.num_replicas_in_sync, model.steps_per_execution
        if replicas > 1:
            average_together(model, *(logs_loss(model, step) for step in ("train_step", "test_step")))
        model.steps_per_execution = self._steps(job, callbacks)
        feed = Feed(job.train, job.plan, job.position(), replicas, job.augment, timed=replicas == 1)
        validation = None if job.validation is None else self._validation(job)
        try:
            history = self._fit(job, feed.dataset(), validation, Callbacks(job, [feed, *callbacks]))
        finally:
            if model.steps_per_execution != steps:
                model.steps_per_execution = steps
                # Keras traces the model once for each batch of a call, and keeps what it has traced.
                model.train_function = model.test_function = model.predict_function = None
        if feed.waited is not None:
            job.clock.add(INPUT, feed.waited)
        return history

    def _fit(
        self, job: Job, data: tf.data.Dataset, validation: tf.data.Dataset | None, callbacks: Callbacks
    ) -> dict[str, list[float]]:
        history = job.model.fit(
            data,
            epochs=job.plan.epochs,
            validation_data=validation,
            validation_freq=self.validation_freq,
            callbacks=callbacks,
            shuffle=False,  # the data is already shuffled; Keras would warn that it cannot shuffle a dataset
            verbose=0,
        )
        return numbers(history)

    def _validation(self, job: Job) -> tf.data.Dataset:
        replicas = job.model.distribute_strategy.num_replicas_in_sync
        size = even_batches(len(job.validation), job.plan.batch_size, replicas)
        return in_order(job.validation, size, again=True)

    def _steps(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> int:
        """Return the number of batches per compiled call from a `tf.data` iterator; it is the same for all calls."""
        if job.model.run_eagerly or wants_steps(callbacks, TRAIN + TEST):
            return 1
        if job.model.distribute_strategy.num_replicas_in_sync > 1:
            return 1  # Keras 3.15 fails with more: replicas cannot synchronize inside its loop
        auto = self.steps_per_execution == "auto"
        count = min(job.plan.steps_per_epoch, MAX_UNMEASURED_STEPS) if auto else int(self.steps_per_execution)
        if (interval := call_interval(callbacks)) is not None:
            # All calls have the same length, which must divide the interval.
            count = max(n for n in range(1, min(count, interval) + 1) if interval % n == 0)
        # A call must begin at the step where the run is resumed.
        return math.gcd(job.position()[1], count)
