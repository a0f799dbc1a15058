"""Batches for Keras, in an order that depends on (seed, epoch, step) and on nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data._order import balanced, epoch_order
from trainrun.data.dataset import Split
from trainrun.data.lazy_array import View
from trainrun.trainer.held_arrays import MAX_HELD_BYTES, gathered, held, held_bytes, scaled, stored
from trainrun.trainer.job import Plan
from trainrun.trainer.model_steps import batch_of

if TYPE_CHECKING:
    from trainrun.augment._sequence import Augmentations

# Functions of tensors only: AutoGraph's rewriting of their sources takes half a second before the first batch.
GRAPH = tf.autograph.experimental.do_not_convert


def order(plan: Plan, examples: int, epoch: int) -> np.ndarray:
    """Return the indices of an epoch's examples in order, `[n]` int64; all trainers use this function.

    Args:
        plan: seed, batch size, steps.
        examples: in the training split.
        epoch: from 0.
    """
    drawn = None if plan.resampled is None else balanced(plan.seed, epoch, *plan.resampled)
    count = examples if drawn is None else len(drawn)
    indices = epoch_order(plan.seed, epoch, count) if plan.shuffle else np.arange(count, dtype="int64")
    if drawn is not None:
        indices = drawn[indices]
    return indices[: plan.steps_per_epoch * plan.batch_size]


class Feed(keras.callbacks.Callback):
    """A `tf.data.Dataset` of one epoch's batches; each new iterator has the order of Keras' current epoch.

    Numpy computes the order of the epoch, a variable holds it, and the pipeline gathers batches by it, so that training can
    resume at any (epoch, step) without reading the data before it. It is a callback to learn the current epoch.

    Args:
        split: the training examples.
        plan: batch size, steps, seed.
        position: the epoch and the step to begin with; of earlier steps of that epoch, one example per replica is read.
        replicas: number of replicas that share a batch.
        augment: changes each batch; default None.
        timed: measure how long the batches are waited for; only on one device, which takes them without a buffer between.
    """

    coarse = True
    transient = True  # a function of (seed, epoch, step), without a state to save

    def __init__(
        self,
        split: Split,
        plan: Plan,
        position: tuple[int, int] = (0, 0),
        replicas: int = 1,
        augment: Augmentations | None = None,
        timed: bool = False,
    ):
        super().__init__()
        self.augment = augment
        self.split, self.plan = split, plan
        self.first_epoch, self.first_step = position
        self.replicas = replicas
        self._epoch = self._at = 0
        with tf.device("cpu:0"):
            self.indices = tf.Variable(order(plan, len(split), 0), trainable=False)
            self.epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
            self.first = tf.Variable(0, dtype=tf.int64, trainable=False)
            self._waited = tf.Variable(0.0, dtype=tf.float64, trainable=False) if timed else None

    @property
    def waited(self) -> float | None:
        """The seconds that training has waited for batches; None: they are not measured."""
        return None if self._waited is None else float(self._waited)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.assign(epoch)
        self.indices.assign(order(self.plan, len(self.split), epoch))
        self.first.assign(self.first_step if epoch == self.first_epoch else 0)
        self._epoch, self._at = epoch, 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.first_step:
            self.model.train_function = self._passing_over(self.model.train_function)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.first_step:
            self.model.train_function = None

    def _passing_over(self, train: Callable[[Iterator], Any]) -> Callable[[Iterator], Any]:
        """Return a train function that skips the steps that were done before the run was resumed."""

        def call(iterator: Iterator) -> Any:
            at, self._at = self._at, self._at + self.model.steps_per_execution
            if self._epoch != self.first_epoch or at >= self.first_step:
                return train(iterator)
            for _ in range(self.model.steps_per_execution):
                next(iterator)
            return self.model.get_metrics_result()

        return call

    def dataset(self) -> tf.data.Dataset:
        """Return the batches `(x, y)` or `(x, y, weight)` of the current epoch."""
        steps, read = self.plan.steps_per_epoch, gather(self.split)
        size, replicas = tf.constant(self.plan.batch_size, tf.int64), tf.constant(self.replicas, tf.int64)

        # One map for slicing and gathering: each stage costs about ten microseconds per batch.
        @GRAPH
        def batch(step: tf.Tensor) -> Any:
            # Keras needs as many elements in the resumed epoch; skipped ones have one example per replica.
            count = tf.where(step < self.first, replicas, size) if self.first_step else size
            examples = read(self.indices[step * size : step * size + count])
            if self.augment is None:
                return examples
            at = tf.stack([tf.constant(self.plan.seed, tf.int64), self.epoch, step])
            return batch_of(*self.augment(*keras.utils.unpack_x_y_sample_weight(examples), at))

        data = _options(tf.data.Dataset.range(steps).map(batch), steps)
        return data if self._waited is None else _timed(data, self._waited)


def in_order(split: Split, batch_size: int, again: bool = False) -> tf.data.Dataset:
    """Return the batches of a split in its own order, for evaluation.

    Args:
        split: the examples.
        batch_size: examples per batch.
        again: whether the dataset is used in several epochs, so that lazy arrays should be held in memory.
    """
    n = len(split)
    indices = tf.data.Dataset.range(n).batch(batch_size).map(gather(split, again))
    return _options(indices, -(-n // batch_size))


def gather(split: Split, views: bool = True) -> Callable[[tf.Tensor], Any]:
    """Return a function from indices `[batch]` to `(x, y)` or `(x, y, weight)`.

    A split of at most `MAX_HELD_BYTES` is part of the graph. Of a larger one, numpy gathers the examples of each batch, so that
    they are in memory once, or not at all if they are in a mapped file.

    Args:
        split: the examples.
        views: also hold lazy arrays, which are not in memory yet.
    """
    arrays = (split.x, split.y) + (() if split.weight is None else (split.weight,))
    flat = tf.nest.flatten(arrays)
    can_hold = views or not any(isinstance(a, View) for a in flat)
    if can_hold and held_bytes(split) <= MAX_HELD_BYTES:
        with tf.device("cpu:0"):
            data = held(arrays)
        return GRAPH(lambda index: gathered(data, index, arrays))
    read_from = [stored(a) for a in flat]

    @GRAPH
    def read(index: tf.Tensor) -> Any:
        tensors = tf.numpy_function(
            lambda i: [a[i] for a in read_from], [index], [a.dtype for a in read_from]
        )
        for tensor, array in zip(tensors, read_from, strict=True):
            tensor.set_shape([None, *array.shape[1:]])
        return tf.nest.map_structure(scaled, tf.nest.pack_sequence_as(arrays, tensors), arrays)

    return read


def batches(split: Split, indices: np.ndarray, batch_size: int) -> Iterator[tuple]:
    """Yield `(x, y)` or `(x, y, weight)` of each batch as numpy arrays, for loops in plain Python."""
    for start in range(0, len(indices), batch_size):
        part = split.take(indices[start : start + batch_size])
        yield batch_of(part.x, part.y, part.weight)


def _timed(dataset: tf.data.Dataset, waited: tf.Variable) -> tf.data.Dataset:
    """Return the dataset, which adds to `waited` the seconds from asking for an element to having it.

    `zip` draws from its parts one after the other, in the thread that asks, as long as no buffer stands behind it.
    """

    def now() -> tf.Tensor:  # not `tf.timestamp`, which deterministic operations refuse
        return tf.ensure_shape(tf.numpy_function(time.perf_counter, [], tf.float64), [])

    asked = tf.data.Dataset.counter().map(GRAPH(lambda _: now()))

    @GRAPH
    def count(since: tf.Tensor, examples: Any) -> Any:
        waited.assign_add(now() - since)
        return examples

    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return tf.data.Dataset.zip(asked, dataset).map(count).with_options(options)


def _options(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The arrays are in memory: sharding by file is impossible, and a thread pool is not faster.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return (
        dataset.apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )
