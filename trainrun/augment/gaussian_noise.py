"""Noise on numeric features."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _draw
from trainrun.util.arguments import NotNegative
from trainrun.util.declarations import declare


@declare(inputs=("numeric", "image"))
class GaussianNoise:
    """Add normally distributed numbers to features or pixels, as `keras.layers.GaussianNoise`.

    Args:
        stddev: standard deviation of the noise; numeric columns of a table have a standard deviation of 1. Default 0.1.
    """

    def __init__(self, stddev: NotNegative = 0.1):
        self.stddev = stddev

    def __call__(self, values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return values `[batch, …]` with noise."""
        return values + _draw.normal(seed, tf.shape(values), self.stddev)
