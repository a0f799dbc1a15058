"""Batches for Keras: the order of the data is a function of (seed, epoch, step) and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data._order import epoch_order
from trainrun.data.dataset import Split
from trainrun.data.lazy_array import View
from trainrun.trainer.job import Plan

# A split of at most so many bytes is held by TensorFlow, whole; a larger one is read batch by batch.
HELD = 512 * 2**20


def order(plan: Plan, examples: int, epoch: int) -> np.ndarray:
    """Return the indices of an epoch's examples, in order, `[n]` int64; all ways of training take this one.

    Args:
        plan: seed, batch size, steps.
        examples: in the training split.
        epoch: from 0.
    """
    indices = epoch_order(plan.seed, epoch, examples) if plan.shuffle else np.arange(examples, dtype="int64")
    return indices[: plan.steps_per_epoch * plan.batch_size]


class Feed(keras.callbacks.Callback):
    """A `tf.data.Dataset` of one epoch's batches; each new iterator follows the epoch that Keras is in.

    The epoch's order is made by numpy, put into a variable, and only then cut into batches and gathered, so that
    any (epoch, step) can be returned to without running through what comes before. It is a callback so that
    Keras tells it the epoch.

    Args:
        split: the training examples.
        plan: batch size, steps, seed.
        position: the epoch and the step to begin with; of the steps of that epoch before it, next to nothing is
            read.
        replicas: that share a batch.
    """

    coarse = True
    transient = True  # a function of (seed, epoch, step): nothing to be kept

    def __init__(self, split: Split, plan: Plan, position: tuple[int, int] = (0, 0), replicas: int = 1):
        super().__init__()
        self.split, self.plan = split, plan
        self.first_epoch, self.first_step = position
        self.replicas = replicas
        self._epoch = self._at = 0
        with tf.device("cpu:0"):
            self.indices = tf.Variable(order(plan, len(split), 0), trainable=False)
            self.first = tf.Variable(0, dtype=tf.int64, trainable=False)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
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
        """Return Keras' function of some steps; those that were done before the run went on are only drawn."""

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
        size, few = tf.constant(self.plan.batch_size, tf.int64), tf.constant(self.replicas, tf.int64)

        # One map, not one to cut and one to gather: each stage costs some ten microseconds a batch.
        def batch(step: tf.Tensor) -> Any:
            # Keras wants as many elements in the first epoch as in the others; those passed over have an example
            # for each replica.
            some = tf.where(step < self.first, few, size) if self.first_step else size
            return read(self.indices[step * size : step * size + some])

        return _options(tf.data.Dataset.range(steps).map(batch), steps)


def in_order(split: Split, batch_size: int, again: bool = False) -> tf.data.Dataset:
    """Return the batches of a split in its own order, for evaluation.

    Args:
        split: the examples.
        batch_size: examples a batch.
        again: it is gone through epoch after epoch, so that a view is worth being held, too.
    """
    n = len(split)
    indices = tf.data.Dataset.range(n).batch(batch_size).map(gather(split, again))
    return _options(indices, -(-n // batch_size))


def gather(split: Split, views: bool = True) -> Callable[[tf.Tensor], Any]:
    """Return a function from indices `[batch]` to `(x, y)` or `(x, y, weight)`.

    A small split is held by the graph; of a large one, numpy gathers the examples of each batch, so that they
    are in memory once, or, where they lie in a mapped file, not at all.

    Args:
        split: the examples.
        views: hold those of a view, too, which are not in memory yet.
    """
    arrays = (split.x, split.y) + (() if split.weight is None else (split.weight,))
    flat = tf.nest.flatten(arrays)
    may = views or not any(isinstance(a, View) for a in flat)
    if may and sum(a.nbytes for a in flat if a is not None) <= HELD:
        with tf.device("cpu:0"):
            held = tf.nest.map_structure(whole, arrays)
        return lambda index: tf.nest.map_structure(lambda a: tf.gather(a, index), held)

    def read(index: tf.Tensor) -> Any:
        got = tf.numpy_function(lambda i: [a[i] for a in flat], [index], [a.dtype for a in flat])
        for tensor, array in zip(got, flat, strict=True):
            tensor.set_shape([None, *array.shape[1:]])
        return tf.nest.pack_sequence_as(arrays, got)

    return read


def whole(array: np.ndarray | View) -> tf.Tensor:
    """Return an array as a tensor; all of a view's examples are made, and are in memory once.

    `tf.constant` copies what it is given, so that it cannot be changed from outside. What is made here has no other
    owner, and becomes the tensor's own memory (DLPack), if it begins where TensorFlow wants it, at a multiple of 64.
    """
    if isinstance(array, np.ndarray) or tf.config.list_logical_devices("GPU"):
        return tf.constant(np.asarray(array))
    room = np.empty(array.nbytes + 64, "uint8")
    start = -room.ctypes.data % 64
    made = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    array.read_into(made)
    return tf.experimental.dlpack.from_dlpack(made.__dlpack__())


def batches(split: Split, indices: np.ndarray, batch_size: int) -> Iterator[tuple]:
    """Yield `(x, y, weight)` of each batch as numpy arrays, for loops in plain Python."""
    for start in range(0, len(indices), batch_size):
        part = split.take(indices[start : start + batch_size])
        yield part.x, part.y, part.weight


def _options(dataset: tf.data.Dataset, steps: int) -> tf.data.Dataset:
    options = tf.data.Options()
    options.deterministic = True
    # The arrays are in memory already: sharding by file makes no sense, and no thread pool is worth its start.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return (
        dataset.apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(tf.data.AUTOTUNE)
        .with_options(options)
    )
