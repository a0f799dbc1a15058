"""Random flips of images."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from trainrun.augment import _draw
from trainrun.util.declarations import declare

AXES = {"vertical": (1,), "horizontal": (2,), "horizontal_and_vertical": (1, 2)}


@declare(inputs=("image",), moves_pixels=True)
class RandomFlip:
    """Flip each image with probability 1/2, in each direction by itself, as `keras.layers.RandomFlip`.

    Args:
        mode: ``horizontal`` (left and right), ``vertical`` or ``horizontal_and_vertical``; default horizontal.
    """

    def __init__(self, mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal"):
        self.mode = mode

    def __call__(self, images: tf.Tensor, seed: tf.Tensor, nearest: bool = False) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, flipped; `nearest` changes nothing."""
        for axis in AXES[self.mode]:
            flips = _draw.chance(_draw.folded(seed, axis), tf.shape(images)[:1], 0.5)
            images = tf.where(_draw.per_example(flips, images), tf.reverse(images, [axis]), images)
        return images
