"""Random contrast of images."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainrun.augment import _colors
from trainrun.util.arguments import Share
from trainrun.util.declarations import declare


@declare(inputs=("image",))
class RandomContrast:
    """Multiply each image's deviations from the means of its channels by a number, as `keras.layers.RandomContrast`.

    Args:
        factor: the number is drawn uniformly from 1 - factor to 1 + factor. Default 0.2.
        value_range: smallest and largest value of an image, to which the result is clipped. Default 0 and 1.
    """

    def __init__(self, factor: Share = 0.2, value_range: Sequence[float] = (0.0, 1.0)):
        self.factor, self.value_range = factor, _colors.checked_range(value_range)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return images `[batch, height, width, channels]` of more or less contrast."""
        return _colors.contrasted(images, seed, self.factor, self.value_range)
