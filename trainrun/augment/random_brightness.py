"""Random brightness of images."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainrun.augment import _colors
from trainrun.util.arguments import Share
from trainrun.util.declarations import declare


@declare(inputs=("image",))
class RandomBrightness:
    """Add to each image a number drawn uniformly, as `keras.layers.RandomBrightness`.

    Args:
        factor: the largest number to either side, as a share of the range of values. Default 0.2.
        value_range: smallest and largest value of an image, to which the result is clipped. Default 0 and 1.
    """

    def __init__(self, factor: Share = 0.2, value_range: Sequence[float] = (0.0, 1.0)):
        self.factor, self.value_range = factor, _colors.checked_range(value_range)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, brighter or darker."""
        return _colors.brighter(images, seed, self.factor, self.value_range)
