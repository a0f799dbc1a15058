"""Keras' `fit` without an input pipeline: each compiled call takes indices and gathers the examples from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data.dataset import Split
from trainrun.model.variables import untouched
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import batch_of, is_own
from trainrun.trainer.pass_cache import cached, shared
from trainrun.trainer.pipeline import order
from trainrun.trainer.steps_per_call import CALL_S, Pace
from trainrun.util.clock import INPUT

# Duration of a training step relative to a test step: a forward pass, and a backward pass of twice its cost.
TRAINING_COST = 3.0
# Shortest call of an epoch without decoding, whatever decoding takes in the first one: the overhead of a call is 2.5% of it.
LEAST_CALL_S = 0.02
# Element of the datasets that `Indexed` returns, by which their iterators are recognized; no split has scalar integers.
STEP_NUMBER = tf.TensorSpec([], tf.int64)


class StepByModel(Pass):
    """A pass whose step is the model's own `train_step` or `test_step`, which also updates the metrics.

    Keras' own steps return the metrics since their last reset. One that the model's class defines may return anything: what
    the last step returns are the logs, as in Keras' `fit`.
    """

    @property
    def returns_logs(self) -> bool:
        """Whether the results of the step are the logs: it is the model's own, or returns what a `compute_metrics` of the model's own does."""
        step = getattr(self.step, "__func__", None)
        own = step not in (keras.Model.train_step, keras.Model.test_step)
        return step is not None and (own or is_own(self.model, "compute_metrics"))

    def _on_one(self, index: tf.Tensor, data: tuple, at: tf.Tensor) -> Any:
        return self.step(batch_of(*self.examples(index, data, at)))

    def run_steps(self, index: tf.Tensor, data: tuple, examples: tf.Tensor | None = None) -> dict[str, Any]:
        if not self.returns_logs:
            return super().run_steps(index, data, examples)
        logs = None
        for first, end, take in self.loops(index, examples):

            def one(at: tf.Tensor, _: Any, take: Callable = take) -> tuple[tf.Tensor, Any]:
                return at + self.batch_size, self._logs(take(at), data, at)

            # All steps are in the loop: TensorFlow optimizes the code outside of one otherwise, and a step there rounds otherwise.
            if logs is None:
                logs = tf.nest.map_structure(
                    lambda spec: tf.zeros(spec.shape, spec.dtype), self._signature(take, data)
                )
            logs = tf.while_loop(lambda at, _, end=end: at < end, one, (first, logs), parallel_iterations=1)[
                1
            ]
        return logs

    def _signature(self, take: Callable[[tf.Tensor], tf.Tensor], data: tuple) -> dict[str, tf.TensorSpec]:
        """Return shape and dtype of the logs of a step."""
        step = tf.function(lambda at: self._logs(take(at), data, at), autograph=False)
        return step.get_concrete_function(tf.TensorSpec([], tf.int32)).structured_outputs

    def _logs(self, index: tf.Tensor, data: tuple, at: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            name: tf.convert_to_tensor(value) for name, value in flat(self._on_one(index, data, at)).items()
        }


def flat(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a step returns as Keras logs it: the metrics of `compile` stand in a dict of their own in `{m.name: m.result()}`."""
    return {
        name: value
        for key, result in logs.items()
        for name, value in (flat(result) if isinstance(result, Mapping) else {key: result}).items()
    }


def measuring(job: Job, split: Split, name: str = "measuring") -> Pass:
    """Return the pass of the model's own `test_step` over a split, cached under a name."""
    return cached(job, name, partial(StepByModel, job, job.model.test_step, split), split)


def training(job: Job) -> Pass:
    """Return the pass of the model's own `train_step` over the training data."""
    make = partial(StepByModel, job, job.model.train_step, job.train, augment=job.augment)
    return shared(job, "training", make, job.train)


class Indexed(keras.callbacks.Callback):
    """Replaces the compiled functions that `fit` calls; Keras still runs epochs, steps, callbacks and logs.

    Keras' own functions take each batch from a `tf.data` iterator. Creating one takes 6 ms an epoch, a batch 0.2 ms, and the
    iterator prevents running all kernels on one thread; on the digits MLP that is three quarters of the time.

    Args:
        job: with data that fits into memory, and a model on one device that does not run eagerly.
    """

    coarse = True
    transient = True

    def __init__(self, job: Job):
        super().__init__()
        self.job, model = job, job.model
        self.training = training(job)
        measured = job.train if job.validation is None else job.validation
        self.measuring = measuring(job, measured)
        self.test_order = np.arange(len(measured), dtype="int64")
        model.make_test_function(force=True)
        self._keras, model.test_function = model.test_function, None
        self._at = self._done = self._epoch = 0
        self._order = self.test_order
        self._first_epoch, self._first_step = job.position()

    @staticmethod
    def fits(job: Job) -> bool:
        """Return whether the job can be trained in this way; otherwise Keras' own functions are used."""
        model = job.model
        in_memory = Pass.fits(model, job.train) and (
            job.validation is None or Pass.fits(model, job.validation)
        )
        return in_memory and not model.run_eagerly

    def longest(self) -> int:
        """Return the number of training steps of about `CALL_S` seconds, estimated from two test steps.

        Where images are decoded in the first epoch, its calls take about so long, and those of later epochs `LEAST_CALL_S` at least.
        """
        size, pace = self.job.plan.batch_size, Pace()
        indices = self.test_order[: 2 * size]
        with untouched(self.job.model):  # a layer may draw, or keep a state, also when nothing is trained
            self.measuring.call(indices[:size], self.measuring.held, pace)  # compiles, also what decodes
            if (reading := self.measuring.on_demand) is not None:
                reading.read(indices)
            self.training.stored.wait()  # which would take a core from what is measured
            self.measuring.call(indices, self.measuring.held, pace)
        step_s = TRAINING_COST * pace.seconds
        if reading is None or self.training.on_demand is None:
            return max(1, int(CALL_S / step_s))
        return max(1, int(CALL_S / (step_s + size * reading.example_s)), int(LEAST_CALL_S / step_s))

    def dataset(self) -> tf.data.Dataset:
        """Return a dataset that gives Keras the number of steps."""
        return tf.data.Dataset.range(self.job.plan.steps_per_epoch)

    def validation(self) -> tf.data.Dataset | None:
        """Return a dataset that gives Keras the number of validation steps."""
        if self.job.validation is None:
            return None
        return tf.data.Dataset.range(-(-len(self.test_order) // self.job.plan.batch_size))

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.train_function = self._function(self.training, None)
        self.model.test_function = self._function(self.measuring, self._keras)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        with self.job.clock(INPUT):
            self._order = order(self.job.plan, len(self.job.train), epoch)
        self._at, self._epoch = 0, epoch
        # Keras counts all steps of an epoch that is resumed in its middle; those that were done are skipped.
        self._done = self._first_step * self.job.plan.batch_size if epoch == self._first_epoch else 0

    def on_test_begin(self, logs: Any = None) -> None:
        self._order, self._at, self._done = self.test_order, 0, 0

    def on_train_end(self, logs: Any = None) -> None:
        self.model.train_function = self.model.test_function = None

    def _function(self, steps: Pass, otherwise: Callable | None) -> Callable[[Any], dict]:
        def call(iterator: Any) -> dict:
            if otherwise is not None and getattr(iterator, "element_spec", None) != STEP_NUMBER:
                return otherwise(iterator)  # a callback evaluates its own data
            size = self.model.steps_per_execution * self.job.plan.batch_size
            begin, self._at = max(self._at, self._done), self._at + size
            part, plan = self._order[begin : self._at], self.job.plan
            if not len(part):
                return self.model.get_metrics_result()
            return steps.call(part, steps.held, Pace(), (plan.seed, self._epoch, begin // plan.batch_size))

        return call
