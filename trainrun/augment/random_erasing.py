"""Random erasing of rectangles in images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tensorflow as tf

from trainrun.augment import _boxes, _colors, _draw
from trainrun.util.arguments import Range, Share
from trainrun.util.declarations import declare


@declare(inputs=("image",))
class RandomErasing:
    """Replace a rectangle of some of the images; the shapes are drawn as by `keras.layers.RandomErasing`.

    Args:
        rate: the probability that an image has a rectangle erased. Default 0.5.
        scale: smallest and largest share; each side of the rectangle is the square root of one in between, of the image's side.
            Default 0.02 and 0.33.
        fill_value: the value of erased pixels; default None: noise, standard normal times the largest value, clipped.
        value_range: smallest and largest value of an image. Default 0 and 1.

    Reference:
        Zhong et al., Random Erasing Data Augmentation, 2017, https://arxiv.org/abs/1708.04896
    """

    def __init__(
        self,
        rate: Share = 0.5,
        scale: Annotated[Sequence[float], Range(0, 1)] = (0.02, 0.33),
        fill_value: float | None = None,
        value_range: Sequence[float] = (0.0, 1.0),
    ):
        self.rate, self.scale = rate, tuple(scale)
        self.fill_value, self.value_range = fill_value, _colors.checked_range(value_range)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, some with an erased rectangle."""
        drawn = tf.shape(images)[:1]
        height, width = (
            tf.sqrt(_draw.uniform(_draw.folded(seed, side), drawn, *self.scale))
            for side in ("height", "width")
        )
        erased = _boxes.inside(images, _draw.folded(seed, "place"), height, width)
        erases = _draw.chance(_draw.folded(seed, "erases"), drawn, self.rate)
        if self.fill_value is None:
            noise = _draw.normal(_draw.folded(seed, "noise"), tf.shape(images), self.value_range[1])
            filling = _colors.clipped(noise, self.value_range)
        else:
            filling = tf.fill(tf.shape(images), tf.cast(self.fill_value, images.dtype))
        return tf.where(erased & _draw.per_example(erases, images), filling, images)
