"""Keras' `fit` without its input pipeline: each compiled call takes indices, and gathers from data in memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data.dataset import Split
from trainrun.trainer.compiled_epoch import Pass, gathered
from trainrun.trainer.job import Job
from trainrun.trainer.pass_cache import kept, shared
from trainrun.trainer.pipeline import order
from trainrun.trainer.steps_per_call import BREATH, Pace

# A training step takes about three times a test step: forward, and twice that backward.
BACKWARD = 3.0
# By this element Keras' epoch iterator is known to be one of ours; no split consists of single whole numbers.
MARK = tf.TensorSpec([], tf.int64)


class StepByModel(Pass):
    """A pass whose step is the model's own `train_step` or `test_step`, metrics and all."""

    def _on_one(self, index: tf.Tensor, data: tuple) -> None:
        self.step(gathered(data, index))


def measuring(job: Job, split: Split) -> Pass:
    """Return the pass of the model's own `test_step` over a split."""
    return kept(job, "measuring", partial(StepByModel, job, job.model.test_step, split), split)


def training(job: Job) -> Pass:
    """Return the pass of the model's own `train_step` over the training data."""
    return shared(job, "training", partial(StepByModel, job, job.model.train_step, job.train), job.train)


class Indexed(keras.callbacks.Callback):
    """Stands in for the compiled functions that `fit` calls; Keras keeps epochs, steps, callbacks and logs.

    Keras' own functions ask a `tf.data` iterator for each batch. Making one takes 6 ms an epoch, asking it 0.2 ms a
    batch, and it keeps kernels from running on one thread; on the digits MLP that is three quarters of the time.

    Args:
        job: what is trained; its data fit to be held, its model on one device and not eager.
    """

    coarse = True
    transient = True

    def __init__(self, job: Job):
        super().__init__()
        self.job, model = job, job.model
        self.training = training(job)
        measured = job.train if job.validation is None else job.validation
        self.measuring = measuring(job, measured)
        self.everything = np.arange(len(measured), dtype="int64")
        model.make_test_function(force=True)
        self._keras, model.test_function = model.test_function, None
        self._at = self._done = 0
        self._order = self.everything
        self._first_epoch, self._first_step = job.position()

    @staticmethod
    def fits(job: Job) -> bool:
        """Return whether the job can be trained so; else Keras' own functions do it."""
        model = job.model
        probe = Pass.fits(model, job.train) and (job.validation is None or Pass.fits(model, job.validation))
        return probe and not model.run_eagerly and not model.jit_compile

    def longest(self) -> int:
        """Return how many training steps take about `BREATH` seconds, judged by two test steps."""
        few, pace = self.everything[: 2 * self.job.plan.batch_size], Pace()
        for _ in range(2):  # the first compiles
            self.measuring._call(few, self.measuring.held, pace)
        self.job.model.reset_metrics()
        return max(1, int(BREATH / (BACKWARD * pace.seconds)))

    def dataset(self) -> tf.data.Dataset:
        """Return what tells Keras the number of steps."""
        return tf.data.Dataset.range(self.job.plan.steps_per_epoch)

    def validation(self) -> tf.data.Dataset | None:
        """Return what tells Keras the number of validation steps."""
        if self.job.validation is None:
            return None
        return tf.data.Dataset.range(-(-len(self.everything) // self.job.plan.batch_size))

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.train_function = self._function(self.training, None)
        self.model.test_function = self._function(self.measuring, self._keras)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._order, self._at = order(self.job.plan, len(self.job.train), epoch), 0
        # A run that goes on in mid-epoch: Keras counts all its steps, and those that were done take nothing.
        self._done = self._first_step * self.job.plan.batch_size if epoch == self._first_epoch else 0

    def on_test_begin(self, logs: Any = None) -> None:
        self._order, self._at, self._done = self.everything, 0, 0

    def on_train_end(self, logs: Any = None) -> None:
        self.model.train_function = self.model.test_function = None

    def _function(self, steps: Pass, otherwise: Callable | None) -> Callable[[Any], dict]:
        def call(iterator: Any) -> dict:
            if otherwise is not None and getattr(iterator, "element_spec", None) != MARK:
                return otherwise(iterator)  # a callback evaluates data of its own
            size = self.model.steps_per_execution * self.job.plan.batch_size
            part, self._at = self._order[max(self._at, self._done) : self._at + size], self._at + size
            if not len(part):
                return self.model.get_metrics_result()
            return steps._call(part, steps.held, Pace())

        return call
