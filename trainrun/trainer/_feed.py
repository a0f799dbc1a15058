"""Batches for Keras: the order of the data is a function of (seed, epoch, step) and of nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.data._order import epoch_order
from trainrun.dataset import Split
from trainrun.job import Plan


class Feed(keras.callbacks.Callback):
    """A `tf.data.Dataset` of one epoch's batches; each new iterator follows the epoch that Keras is in.

    The epoch's order is made by numpy (`epoch_order`), batched as indices, and only then gathered, so that any
    (epoch, step) can be returned to without running through what comes before. It is a callback so that Keras
    tells it the epoch; nothing else is remembered.

    Args:
        split: the training examples.
        plan: batch size, steps, seed.
    """

    def __init__(self, split: Split, plan: Plan):
        super().__init__()
        self.split, self.plan, self.epoch = split, plan, 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def order(self) -> np.ndarray:
        """Return the indices of this epoch's examples, in order, shape `[examples]`."""
        n, plan = len(self.split), self.plan
        order = epoch_order(plan.seed, self.epoch, n) if plan.shuffle else np.arange(n, dtype="int64")
        return order[: plan.steps_per_epoch * plan.batch_size]

    def dataset(self) -> tf.data.Dataset:
        """Return the batches `(x, y)` or `(x, y, weight)` of the current epoch."""

        def orders() -> Iterator[np.ndarray]:
            yield self.order()

        indices = tf.data.Dataset.from_generator(orders, output_signature=tf.TensorSpec([None], tf.int64))
        indices = indices.flat_map(
            lambda o: tf.data.Dataset.from_tensor_slices(o).batch(self.plan.batch_size)
        )
        return _options(indices.map(gather(self.split)), self.plan.steps_per_epoch)


def in_order(split: Split, batch_size: int) -> tf.data.Dataset:
    """Return the batches of a split in its own order, for evaluation."""
    n = len(split)
    indices = tf.data.Dataset.range(n).batch(batch_size).map(gather(split))
    return _options(indices, -(-n // batch_size))


def gather(split: Split) -> Any:
    """Return a function from indices `[batch]` to `(x, y)` or `(x, y, weight)`, over arrays held by the graph."""
    with tf.device("cpu:0"):
        held = tf.nest.map_structure(
            tf.constant, (split.x, split.y) + (() if split.weight is None else (split.weight,))
        )
    return lambda index: tf.nest.map_structure(lambda a: tf.gather(a, index), held)


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
