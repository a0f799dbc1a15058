"""Training by a compiled loop of GradientTape and apply_gradients, up to an epoch per call."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Literal

import keras
import numpy as np
import tensorflow as tf

from trainrun.step._accumulate import Accumulate
from trainrun.step._evaluate import evaluate
from trainrun.step.default import default
from trainrun.trainer import pass_cache
from trainrun.trainer.compiled_epoch import Pass, Step
from trainrun.trainer.epoch_loop import Logs, build, loop, run_calls
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import takes_own
from trainrun.trainer.pipeline import order
from trainrun.trainer.step_by_model import StepByModel
from trainrun.trainer.steps_per_call import TEST, TRAIN, Pace
from trainrun.util.arguments import Count, Reference
from trainrun.util.clock import INPUT
from trainrun.util.declarations import declare

# Steps per compiled call where several workers train together.
STEPS_OF_WORKERS = 32


@declare(
    takes_steps=True,
    augments=True,
    accumulates=True,
    divides_batches=True,
    multi_worker=True,
    shares_program=True,
    vectorizes=True,
    input="gathered",
)
class Custom:
    """Repeat a compiled step, with as few returns to Python as callbacks, progress bar and Ctrl-C allow.

    Args:
        validation_freq: epochs from one validation to the next; default 1.
        step: the training step; default None: the model's own `train_step` if its class defines one, else
            `trainrun.step.default`.
        accumulate: number of parts in which the gradient of each batch is computed, to need less memory; the update is that of
            the whole batch. Default 1.
        steps_per_execution: steps per compiled call; default ``auto``: those of about 0.2 seconds, by measurement.

    Raises:
        ValueError: `accumulate` together with a custom step.
    """

    def __init__(
        self,
        validation_freq: Count = 1,
        step: Annotated[Step | None, Reference("step")] = None,
        accumulate: Count = 1,
        steps_per_execution: Count | Literal["auto"] = "auto",
    ):
        custom_step = step is not None and step is not default
        if accumulate > 1 and custom_step:
            raise ValueError(
                "trainer.accumulate divides the default step; a custom step takes the whole batch. "
                "Set trainer.accumulate=1, or call trainrun.step._accumulate.Accumulate from your step."
            )
        self.validation_freq = validation_freq
        self.step = Accumulate(accumulate) if accumulate > 1 else step or default
        self.custom_step = custom_step
        self.steps_per_execution = steps_per_execution

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model` in place.

        Returns:
            The history: metric name -> one value per epoch.
        """
        model, plan = job.model, job.plan
        build(job, self.step)
        make = partial(Pass, job, self.step, job.train, augment=job.augment)
        if takes_own(model, "train_step") and not self.custom_step:
            make = partial(StepByModel, job, model.train_step, job.train, augment=job.augment)
        training = pass_cache.shared(job, "training", make, job.train)
        training.begin(job, callbacks)
        training.stored.load_beside()
        pace = self._pace(job, callbacks, TRAIN)

        def train(epoch: int, first: int, callback_list: keras.callbacks.CallbackList) -> Logs:
            with job.clock(INPUT):
                indices = order(plan, len(job.train), epoch)
            calls = training.calls(indices, pace, first, (plan.seed, epoch))
            return run_calls(
                job.clock.each(INPUT, calls),
                callback_list.on_train_batch_begin,
                callback_list.on_train_batch_end,
                partial(stopped, model),
            )

        if job.validation is None:
            return loop(job, callbacks, train, None, self.validation_freq)
        make = partial(Pass, job, evaluate, job.validation)
        if takes_own(model, "test_step"):
            make = partial(StepByModel, job, model.test_step, job.validation)
        measuring = pass_cache.shared(job, "validation", make, job.validation)
        indices = np.arange(len(job.validation), dtype="int64")
        test_pace = self._pace(job, callbacks, TEST)
        measuring.stored.load_beside()

        def validate(callback_list: keras.callbacks.CallbackList) -> Logs:
            calls = measuring.calls(indices, test_pace)
            return run_calls(calls, callback_list.on_test_batch_begin, callback_list.on_test_batch_end)

        return loop(job, callbacks, train, validate, self.validation_freq)

    def _pace(self, job: Job, callbacks: Sequence[keras.callbacks.Callback], hooks: tuple[str, ...]) -> Pace:
        if job.model.run_eagerly:
            return Pace(1)
        setting = self.steps_per_execution
        # A fixed number, not by measured time: workers must return to Python after the same step, or they would deadlock.
        if setting == "auto" and workers(job.model) > 1:
            setting = STEPS_OF_WORKERS
        return Pace.of(setting, callbacks, hooks)


def workers(model: keras.Model) -> int:
    """Return the number of processes that train the model together."""
    strategy = model.distribute_strategy
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return len(strategy.cluster_resolver.cluster_spec().as_dict().get("worker", [])) or 1 if several else 1


def stopped(model: keras.Model) -> bool:
    """Return whether to stop training; all workers stop as soon as a callback of one of them does."""
    if workers(model) > 1:
        votes = tf.constant(float(model.stop_training))
        model.stop_training = bool(summed(model.distribute_strategy)(votes) > 0)
    return model.stop_training


@functools.cache
def summed(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a compiled function that sums a value over the replicas; it is used after each compiled call."""

    @tf.function(autograph=False)
    def sum_over_replicas(value: tf.Tensor) -> tf.Tensor:
        values = strategy.run(lambda v: v, args=(value,))
        return strategy.reduce(tf.distribute.ReduceOp.SUM, values, axis=None)

    return sum_over_replicas
