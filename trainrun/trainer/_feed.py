"""Batches for Keras: the order of the data is a function of (seed, epoch, step) and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data._order import epoch_order
from trainrun.dataset import Split
from trainrun.job import Plan

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
    """

    coarse = True

    def __init__(self, split: Split, plan: Plan):
        super().__init__()
        self.split, self.plan = split, plan
        with tf.device("cpu:0"):
            self.indices = tf.Variable(order(plan, len(split), 0), trainable=False)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.indices.assign(order(self.plan, len(self.split), epoch))

    def dataset(self) -> tf.data.Dataset:
        """Return the batches `(x, y)` or `(x, y, weight)` of the current epoch."""
        steps, size, read = self.plan.steps_per_epoch, self.plan.batch_size, gather(self.split)
        # One map, not one to cut and one to gather: each stage costs some ten microseconds a batch.
        batches = tf.data.Dataset.range(steps).map(
            lambda step: read(self.indices[step * size : (step + 1) * size])
        )
        return _options(batches, steps)


def in_order(split: Split, batch_size: int) -> tf.data.Dataset:
    """Return the batches of a split in its own order, for evaluation."""
    n = len(split)
    indices = tf.data.Dataset.range(n).batch(batch_size).map(gather(split))
    return _options(indices, -(-n // batch_size))


def gather(split: Split) -> Callable[[tf.Tensor], Any]:
    """Return a function from indices `[batch]` to `(x, y)` or `(x, y, weight)`.

    A small split is held by the graph; of a large one, numpy gathers the examples of each batch, so that they
    are in memory once, or not at all where they lie in a mapped file.
    """
    arrays = (split.x, split.y) + (() if split.weight is None else (split.weight,))
    if sum(a.nbytes for a in split.arrays()) <= HELD:
        with tf.device("cpu:0"):
            held = tf.nest.map_structure(tf.constant, arrays)
        return lambda index: tf.nest.map_structure(lambda a: tf.gather(a, index), held)
    flat = tf.nest.flatten(arrays)

    def read(index: tf.Tensor) -> Any:
        got = tf.numpy_function(lambda i: [a[i] for a in flat], [index], [a.dtype for a in flat])
        for tensor, array in zip(got, flat, strict=True):
            tensor.set_shape([None, *array.shape[1:]])
        return tf.nest.pack_sequence_as(arrays, got)

    return read


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
