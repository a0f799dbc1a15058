"""Dropout of numeric features."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _draw
from trainrun.util.arguments import Decay
from trainrun.util.declarations import declare


@declare(inputs=("numeric",))
class FeatureDropout:
    """Set features to 0, which is the mean of a table's numeric column, as if they were missing; the others keep their values.

    Args:
        rate: the probability of each feature of each example. Default 0.1.
    """

    def __init__(self, rate: Decay = 0.1):
        self.rate = rate

    def __call__(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return values `[batch, …, features]`, some of them 0."""
        return tf.where(_draw.chance(seed, tf.shape(values), self.rate), tf.zeros_like(values), values)
