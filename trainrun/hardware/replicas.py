"""Several replicas give the result of one device: clipping, averaging and scaling are done over the whole batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_model_private, keras_optimizer_private
from trainrun.errors import Problem, TrainingError, UserError
from trainrun.ui import console

# Errors of an operation that waits for a worker that has died.
LOST_WORKER_ERRORS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Return whether this process writes the record: the only one, or the first of several workers."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return True
    return strategy.cluster_resolver.task_id == 0


def is_several_processes(strategy: tf.distribute.Strategy) -> bool:
    """Return whether other processes train together with this one."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def refuse_different_data(strategy: tf.distribute.Strategy, digest: Callable[[], str]) -> None:
    """Compare the digest of the data over all workers.

    Args:
        strategy: of the run.
        digest: returns that of this worker's data, in hexadecimal digits; called only if there are several workers.

    Raises:
        UserError: (on every worker) they differ.
    """
    if not is_several_processes(strategy):
        return
    own = np.frombuffer(bytes.fromhex(digest()), "uint8").astype("float32")
    gather = tf.function(lambda: strategy.run(_rows_of_replicas, (own,)), autograph=False)
    with lost_worker_explained(strategy):
        rows = strategy.experimental_local_results(gather())[0].numpy()
    workers = len(strategy.cluster_resolver.cluster_spec().as_dict()["worker"])
    of_worker = rows[:: len(rows) // workers]  # replicas are numbered worker by worker
    others = [str(i + 1) for i in range(workers) if not np.array_equal(of_worker[i], of_worker[0])]
    if others:
        text = (
            f"worker {', '.join(others)} of {workers} has loaded other data than worker 1. Every worker must read the same files; "
            "a dataset of a plug-in must not depend on the process or the time."
        )
        raise UserError(Problem("data", text))


def _rows_of_replicas(values: np.ndarray) -> tf.Tensor:
    """Return the values of all replicas, one row each."""
    replica = tf.distribute.get_replica_context()
    place = tf.one_hot(replica.replica_id_in_sync_group, replica.num_replicas_in_sync)
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, place[:, tf.newaxis] * values)


@contextmanager
def lost_worker_explained(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Translate TensorFlow's errors when another worker has died.

    Raises:
        TrainingError: in place of TensorFlow's error.
    """
    try:
        yield
    except LOST_WORKER_ERRORS as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        console.log(str(error))
        raise TrainingError(
            "another worker does not answer any more, so this one has stopped. The checkpoint of the last whole "
            "epoch is in the chief's run directory."
        ) from error


def global_batch(batch_size: int, meaning: str, replicas: int) -> int:
    """Return the number of examples per step, over all replicas.

    Args:
        batch_size: as in the config.
        meaning: ``global``, or ``per_replica``: `batch_size` is that of each replica.
        replicas: number of replicas.
    """
    return batch_size * replicas if meaning == "per_replica" else batch_size


def even_batches(examples: int, batch_size: int, replicas: int) -> int:
    """Return the largest batch size up to `batch_size` whose last batch has an example for each replica.

    For evaluation, whose result does not depend on the batches: some layers refuse an empty batch.
    """
    for size in range(batch_size, replicas - 1, -1):
        if (examples % size or size) >= replicas:
            return size
    return batch_size


def scale_rate(optimizer: keras.optimizers.Optimizer, factor: float) -> None:
    """Multiply the learning rate or its schedule.

    Args:
        optimizer: changed in place, with the optimizers inside it.
        factor: above 0.
    """
    for leaf in leaves(optimizer):
        rate = keras_optimizer_private.rate(leaf)
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            leaf.learning_rate = Scaled(rate, factor)
    scale_constant(optimizer, factor)


def scale_constant(optimizer: keras.optimizers.Optimizer, factor: float) -> None:
    """Multiply the learning rate where it is a variable of the optimizer, not a schedule."""
    for leaf in leaves(optimizer):
        if isinstance(leaf, keras.optimizers.LossScaleOptimizer):
            continue  # passes its rate on to the optimizer inside
        rate = keras_optimizer_private.rate(leaf)
        if not callable(rate) and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            leaf.learning_rate = float(keras.ops.convert_to_numpy(leaf.learning_rate)) * factor


def constant_rate(optimizer: keras.optimizers.Optimizer) -> float | None:
    """Return the learning rate if it is a variable of the optimizer; None: a schedule, or only in optimizers inside."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return constant_rate(optimizer.inner_optimizer)
    rate = keras_optimizer_private.rate(optimizer)
    return float(keras.ops.convert_to_numpy(rate)) if isinstance(rate, keras.Variable) else None


@keras.saving.register_keras_serializable("trainrun")
class Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule, times a factor.

    Args:
        schedule: of the learning rate.
        factor: above 0.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, factor: float):
        super().__init__()
        self.schedule, self.factor = schedule, factor

    def __call__(self, step: Any) -> Any:
        return self.schedule(step) * self.factor

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "factor": self.factor}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Scaled:
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["factor"])


def leaves(optimizer: keras.optimizers.Optimizer) -> Iterator[keras.optimizers.Optimizer]:
    """Yield an optimizer and those inside it."""
    yield optimizer
    wrapped = getattr(optimizer, "inner_optimizer", None)
    for inner in getattr(optimizer, "inners", (wrapped,) if wrapped is not None else ()):
        yield from leaves(inner)


def clip_together(optimizer: keras.optimizers.Optimizer, replicas: int) -> None:
    """Make the optimizer clip the gradient of the whole batch, instead of that of each replica before the sum.

    Args:
        optimizer: changed in place, with those inside it.
        replicas: number of replicas.
    """
    for leaf in leaves(optimizer) if replicas > 1 else ():
        if any(limit is not None for limit in (leaf.clipnorm, leaf.clipvalue, leaf.global_clipnorm)):
            keras_optimizer_private.replace_clipping(leaf, lambda clip: _of_the_sum(clip, replicas))


def _of_the_sum(clip: Any, replicas: int) -> Any:
    def clip_sum(gradients: Sequence[Any]) -> list[Any]:
        if tf.distribute.in_cross_replica_context():
            return clip(gradients)
        replica = tf.distribute.get_replica_context()
        # The rows of sparse gradients are gathered, not added, as Keras clips them on one device.
        sums = replica.all_reduce(tf.distribute.ReduceOp.SUM, list(gradients))
        # The optimizer will sum over the replicas once more.
        return [_part(g, replica.replica_id_in_sync_group, replicas) for g in clip(sums)]

    return clip_sum


def _part(gradient: Any, number: tf.Tensor, replicas: int) -> Any:
    """Return the part of a replica of a gradient that all of them have: the sum over the replicas is the gradient."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient / replicas
    # Rows must not occur several times: optimizers square them before they add those of one index.
    rows = tf.shape(gradient.indices)[0]
    part = slice(number * rows // replicas, (number + 1) * rows // replicas)
    return tf.IndexedSlices(gradient.values[part], gradient.indices[part], gradient.dense_shape)


def average_together(model: keras.Model, logged: bool = False, logged_in_test: bool = False) -> None:
    """Make Keras' `fit` weight each replica's loss by its number of examples, which Keras assumes to be equal.

    That matters if a batch cannot be divided evenly, as an odd last one. The value of the loss stays the mean of the
    replica, because Keras' own metric weights it by the examples; its gradient is that of the whole batch.

    Args:
        model: built and compiled under a strategy of several replicas; changed in place.
        logged, logged_in_test: whether a `train_step` or `test_step` of the model's own logs the loss as it is: its value is the mean then, as on
            one device, not the part of it that Keras gives each replica. The gradient is the same.
    """
    replicas, compute_whole = model.distribute_strategy.num_replicas_in_sync, model.compute_loss
    test_step, this_thread = model.test_step, threading.local()

    def compute_loss(
        x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        loss = compute_whole(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        if tf.distribute.in_cross_replica_context():
            return loss
        if getattr(this_thread, "tests", False):
            return loss * replicas
        if not training:
            return loss
        # A step of the model's own may leave x or more out, as Keras' own `compute_loss` reads neither x nor all of the others.
        given = next(a for a in keras.tree.flatten([x, y_pred, y]) if a is not None)
        examples = tf.cast(tf.shape(given)[0], loss.dtype)
        total = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, examples)
        part = tf.stop_gradient(examples * replicas / total)
        # Penalties on weights are the same on every replica, whatever its examples.
        of_examples = loss - _penalty(model, loss.dtype) / replicas
        loss += (part - 1) * (of_examples - tf.stop_gradient(of_examples))
        return loss + (replicas - 1) * tf.stop_gradient(loss) if logged else loss

    def tested(data: Any) -> Any:
        this_thread.tests = True  # most steps do not tell `compute_loss`
        try:
            return test_step(data)
        finally:
            this_thread.tests = False

    model.compute_loss = compute_loss
    if logged_in_test:
        model.test_step = tested
    # Keras would average the replicas' batches to build the model, which fails for parts of different size.
    keras_model_private.never_build_by_batches(model)


def _penalty(model: keras.Model, dtype: Any) -> tf.Tensor:
    terms = [
        v.regularizer(v) for v in model.trainable_variables if getattr(v, "regularizer", None) is not None
    ]
    return tf.add_n([tf.cast(t, dtype) for t in terms]) if terms else tf.zeros((), dtype)
