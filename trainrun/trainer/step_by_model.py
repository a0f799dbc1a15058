"""A compiled pass whose step is the model's own `train_step` or `test_step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from trainrun.data.dataset import Split
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import batch_of, is_own
from trainrun.trainer.pass_cache import cached, shared


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
