"""Keras' `fit` without an input pipeline: each compiled call takes indices and gathers the examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from trainrun.trainer.callbacks import Callbacks
from trainrun.trainer.compiled_epoch import is_replicated
from trainrun.trainer.epoch_loop import Logs, run_calls
from trainrun.trainer.job import Job
from trainrun.trainer.pipeline import order
from trainrun.trainer.step_by_model import measuring, training
from trainrun.trainer.steps_per_call import TEST, TRAIN, Pace, traced
from trainrun.util.clock import INPUT

# Element of the dataset that `Indexed` returns, by which its iterators are recognized; no split has scalar integers.
STEP_NUMBER = tf.TensorSpec([], tf.int64)


class StepsInside(Callbacks):
    """Callbacks of a `fit` to which an epoch is one step: `Indexed` calls the hooks of the real ones."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        pass

    on_train_batch_end = on_test_batch_begin = on_test_batch_end = on_train_batch_begin

    def train(self, calls: Iterable[tuple[int, int, Callable[[], Logs]]]) -> Logs:
        """Make the calls of an epoch, or what is left of it, until a callback stops the training."""
        hooks = super()
        return run_calls(
            calls, hooks.on_train_batch_begin, hooks.on_train_batch_end, lambda: self.model.stop_training
        )

    def validate(self, calls: Iterable[tuple[int, int, Callable[[], Logs]]]) -> Logs:
        """Make the calls of a validation."""
        hooks = super()
        return run_calls(calls, hooks.on_test_batch_begin, hooks.on_test_batch_end)


class Indexed(keras.callbacks.Callback):
    """Replaces the compiled functions that `fit` calls, by ones that go through an epoch in several calls of compiled code.

    Keras still runs epochs, validations, callbacks and logs. Its own functions take each batch from a `tf.data` iterator. Creating one
    takes 6 ms an epoch, a batch 0.2 ms, and the iterator prevents running all kernels on one thread; on the digits MLP that is three
    quarters of the time.

    Args:
        job: with a model on one device that does not run eagerly.
        callbacks: of the training.
        steps_per_execution: of the trainer.
    """

    coarse = True
    transient = True

    def __init__(
        self,
        job: Job,
        callbacks: Sequence[keras.callbacks.Callback],
        steps_per_execution: int | Literal["auto"],
    ):
        super().__init__()
        self.job, self.callbacks = job, StepsInside(job, [self, *callbacks])
        self._pace, self._test_pace = (Pace.of(steps_per_execution, callbacks, h) for h in (TRAIN, TEST))
        self.training = training(job)
        self.training.begin(job, callbacks)
        self.training.stored.load_beside()
        self.measuring = None if job.validation is None else measuring(job, job.validation)
        if self.measuring is not None:
            self.measuring.traced = traced(callbacks)
            self.measuring.stored.load_beside()
        self._epoch = self._first = 0

    @staticmethod
    def fits(job: Job) -> bool:
        """Return whether the job can be trained in this way; otherwise Keras' own functions are used."""
        return not is_replicated(job.model.distribute_strategy) and not job.model.run_eagerly

    @staticmethod
    def dataset() -> tf.data.Dataset:
        """Return a dataset of one step, for training or validation."""
        return tf.data.Dataset.range(1)

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.train_function = self._train
        if self.measuring is not None:
            self.model.make_test_function(force=True)
            self.model.test_function = partial(self._test, self.model.test_function)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        first_epoch, first_step = self.job.position()
        self._epoch, self._first = epoch, first_step if epoch == first_epoch else 0

    def _train(self, _: Any) -> Logs:
        plan, clock = self.job.plan, self.job.clock
        with clock(INPUT):
            indices = order(plan, len(self.job.train), self._epoch)
        calls = self.training.calls(indices, self._pace, self._first, (plan.seed, self._epoch))
        # Without logs if all steps of the epoch were done before the run was resumed.
        return self.callbacks.train(clock.each(INPUT, calls)) or self.model.get_metrics_result()

    def _test(self, otherwise: Callable[[Any], Logs], iterator: Any) -> Logs:
        if getattr(iterator, "element_spec", None) != STEP_NUMBER:
            return otherwise(iterator)  # a callback evaluates its own data
        indices = np.arange(len(self.job.validation), dtype="int64")
        return self.callbacks.validate(self.measuring.calls(indices, self._test_pace))
