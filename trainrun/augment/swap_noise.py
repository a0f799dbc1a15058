"""Swap noise: features of other examples."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _draw
from trainrun.util.arguments import Share
from trainrun.util.declarations import declare


@declare(inputs=("numeric", "categorical"))
class SwapNoise:
    """Replace features by those of other examples of the batch: each value stays one of its column.

    Args:
        rate: the probability of each feature of each example. Default 0.1.
    """

    def __init__(self, rate: Share = 0.1):
        self.rate = rate

    def __call__(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return values `[batch, features]`, or `[batch, steps, features]` of which whole series are replaced."""
        rank = len(values.shape)
        columns = tf.transpose(values, [rank - 1, *range(rank - 1)])
        drawn = tf.shape(columns)[:2]
        other = _draw.integers(_draw.folded(seed, "other"), drawn, drawn[1])
        swaps = _draw.chance(_draw.folded(seed, "swaps"), drawn, self.rate)
        source = tf.where(swaps, other, tf.range(drawn[1]))
        return tf.transpose(tf.gather(columns, source, axis=1, batch_dims=1), [*range(1, rank), 0])
