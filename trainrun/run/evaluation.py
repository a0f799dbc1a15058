"""Evaluation of a trained model: metrics of every split, and predictions for the plots."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data.dataset import Dataset, Split
from trainrun.run.target_scaling import Unit
from trainrun.trainer.job import Job
from trainrun.trainer.measure import measure_sets
from trainrun.trainer.model_steps import is_own
from trainrun.trainer.pipeline import in_order
from trainrun.util.rate_columns import is_rate

# Numbers of inputs, or of predictions, that are in memory at once: the probabilities of thousands of classes would be so four times.
BLOCK = 4_000_000


@dataclass
class Evaluation:
    """The figures of a run.

    Args:
        history: name -> one value an epoch.
        metrics: final, name -> number; `val_` and `test_` before those of the other splits.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    _outputs: dict[str, Any] = field(default_factory=dict, repr=False)

    def output(self, job: Job, part: str) -> Any:
        """Return the trained model's `predictions` for a part that the job has; they are computed once."""
        if part not in self._outputs:
            self._outputs[part] = predictions(job, getattr(job, part))
        return self._outputs[part]

    @property
    def epochs(self) -> int:
        """Epochs of the history."""
        return max((len(v) for k, v in self.history.items() if not k.startswith("val_")), default=0)

    def of_model(self, restored: int | None) -> dict[str, float]:
        """Return the metrics to record after the last epoch's: what a tracker shows of a run are the last values that it gets.

        Args:
            restored: the epoch that the model's weights are of, counted from 1; None: of the last, or of none.
        """
        restores = restored is not None and restored != self.epochs
        final = {
            name: value
            for name, value in self.metrics.items()
            if name.startswith("test_") or "threshold" in name or (restores and not is_rate(name))
        }
        # As MLflow's autologging of Keras names it.
        return final if restored is None else {**final, "restored_epoch": restored}

    @classmethod
    def of_unfinished(cls, model: keras.Model | None) -> Evaluation:
        """Return the metrics of the epochs that were finished before training failed, from Keras' history."""
        noted = getattr(getattr(model, "history", None), "history", {})
        history = {k: [float(v) for v in values] for k, values in noted.items()}
        return cls(history, {k: values[-1] for k, values in history.items() if values})


def evaluate(
    job: Job,
    history: dict[str, list[float]],
    measure: Callable[[Job, Split], dict[str, float]],
    epoch: int | None = None,
) -> Evaluation:
    """Measure the trained model on every split.

    Args:
        job: with the trained model, on one device.
        history: as the trainer returned it.
        measure: returns loss and metrics of a job's model on a split.
        epoch: that the model's weights are of, counted from 1; None: the last.
    """
    metrics = {
        k: values[-1 if epoch is None else min(epoch, len(values)) - 1]
        for k, values in history.items()
        if values and not k.startswith("val_")
    }
    for prefix, split in (("val_", job.validation), ("test_", job.test)):
        if split is not None and len(split):
            metrics |= {prefix + name: value for name, value in measure(job, split).items()}
    return Evaluation(history, metrics | measure_sets(job))


def shown_split(job: Job) -> tuple[str, Split | None]:
    """Return name and examples of the split for the plots: test, else validation, else train."""
    for part in ("test", "validation", "train"):
        split = getattr(job, part)
        if split is not None and len(split):
            return part, split
    return "", None


def predict(job: Job, output: Callable[[Job, str], Any]) -> Any:
    """Return predictions for the split that plots show: probabilities, or numbers in the target's unit.

    Args:
        job: with the trained model, on one device.
        output: returns the predictions for a part of the job.

    Returns:
        As `predictions`; None where there is no split, no target to compare with, or a model that does not predict it.
    """
    part, split = shown_split(job)
    if split is None or job.dataset.target.kind == "none" or job.embeds or job.saved is not None:
        return None
    return output(job, part)


def predictions(job: Job, split: Split, model: keras.Model | None = None) -> Any:
    """Return probabilities, or numbers in the target's unit, for the examples of a split.

    Args:
        job: with the trained model, on one device.
        split: of the job.
        model: of `model_files.load_core`, whose output is in the target's own unit; None: the job's model.

    Returns:
        An array, of several outputs a dict of arrays by name.
    """
    outputs = sum(data.target.outputs * math.prod(data.target.shape) for data in job.dataset.each().values())
    inputs = sum(math.prod(array.shape[1:]) for array in keras.tree.flatten(split.x))
    rows = max(BLOCK // max(outputs, inputs) // job.plan.batch_size, 1) * job.plan.batch_size
    predict = predictor(model or job.model, split, job.plan.batch_size)

    def predicted(some: Split) -> Any:
        return _of_outputs(job, predict(some), model)

    if len(split) <= rows:
        return predicted(split)
    whole: Any = None
    for start in range(0, len(split), rows):
        block = predicted(split.part(slice(start, start + rows)))
        if whole is None:
            whole = keras.tree.map_structure(lambda a: np.empty((len(split), *a.shape[1:]), a.dtype), block)
        for all_rows, of_block in zip(keras.tree.flatten(whole), keras.tree.flatten(block), strict=True):
            all_rows[start : start + len(of_block)] = of_block
    return whole


def predictor(model: keras.Model, split: Split, batch_size: int) -> Callable[[Split], Any]:
    """Return what Keras' `predict` does for parts of a split.

    All whole batches of a part are one call, which takes a tenth of the time for small models; and Keras 3.15 traces the model twice where
    the last batch is smaller.
    """
    if model.run_eagerly or is_own(model, "predict_step") or is_own(model, "predict"):
        return lambda some: model.predict(in_order(some, batch_size), verbose=0)
    of_batch, of_batches = (
        keras.tree.map_structure(
            lambda a, first=first: tf.TensorSpec((*first, *a.shape[1:]), a.dtype), split.x
        )
        for first in ((None,), (None, batch_size))
    )

    @tf.function(input_signature=[of_batch], autograph=False)
    def step(x: Any) -> Any:
        return model.predict_step((x,))

    @tf.function(input_signature=[of_batches], autograph=False)
    def steps(x: Any) -> Any:
        outputs = step.get_concrete_function().structured_outputs
        specs = keras.tree.map_structure(tf.TensorSpec.from_tensor, outputs)
        return tf.map_fn(step, x, fn_output_signature=specs, parallel_iterations=1)

    def predict(some: Split) -> Any:
        whole, n = len(some) // batch_size * batch_size, len(some)
        parts = []
        if whole:
            x = keras.tree.map_structure(
                lambda a: np.asarray(a).reshape(-1, batch_size, *a.shape[1:]), some.part(slice(0, whole)).x
            )
            parts.append(keras.tree.map_structure(lambda a: tf.reshape(a, (whole, *a.shape[2:])), steps(x)))
        if whole < n:
            parts.append(step(keras.tree.map_structure(np.asarray, some.part(slice(whole, n)).x)))
        return keras.tree.map_structure(lambda *of_part: np.concatenate(of_part), *parts)

    return predict


def _of_outputs(job: Job, output: Any, model: keras.Model | None) -> Any:
    """Return what a model's output says: probabilities, or numbers in the target's unit; see `predictions`."""

    def of_one(output: np.ndarray, data: Dataset, activation: str) -> np.ndarray:
        if (unit := Unit.of(data)) is not None:
            return output if model is not None else unit.own(output)
        if activation == "identity":
            return output
        return keras.ops.convert_to_numpy(getattr(keras.ops, activation)(output))

    if not job.dataset.target.named:
        return of_one(output, job.dataset, job.probabilities)
    return {
        name: of_one(output[name], data, job.probabilities[name]) for name, data in job.dataset.each().items()
    }
