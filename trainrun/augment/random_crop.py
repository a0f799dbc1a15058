"""Random crops of images that were padded, so that their size stays."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

from trainrun.augment import _draw
from trainrun.errors import Problem, UserError
from trainrun.util.arguments import Count
from trainrun.util.declarations import declare


@declare(inputs=("image",), moves_pixels=True)
class RandomCrop:
    """Pad each image on all sides and crop it to its own size at a random place: a shift by whole pixels.

    Args:
        padding: pixels on each side; default 4.
        fill_mode: what is outside of the image: ``constant`` (0, in images of labels class 0) or ``reflect`` (its mirror image).
    """

    def __init__(self, padding: Count = 4, fill_mode: Literal["constant", "reflect"] = "constant"):
        self.padding, self.fill_mode = padding, fill_mode

    def __call__(self, images: tf.Tensor, seed: tf.Tensor, nearest: bool = False) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, cropped; `nearest` changes nothing."""
        size, least = self.padding, min(images.shape[1:3])
        if self.fill_mode == "reflect" and size > least:
            text = f"a mirror image is as large as its image, of {least} pixels at least; got {size}."
            raise UserError(Problem("augment.random_crop.padding", text))
        mode = {"constant": "CONSTANT", "reflect": "SYMMETRIC"}[self.fill_mode]
        padded = tf.pad(images, [[0, 0], [size, size], [size, size], [0, 0]], mode)
        for axis in (1, 2):
            offsets = _draw.integers(_draw.folded(seed, axis), tf.shape(images)[:1], 2 * size + 1)
            index = offsets[:, None] + tf.range(tf.shape(images)[axis])
            padded = tf.gather(padded, index, axis=axis, batch_dims=1)
        return padded
