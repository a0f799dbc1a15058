"""Random rotations of images."""

from __future__ import annotations

import math

import tensorflow as tf

from trainrun.augment import _affine, _draw
from trainrun.util.declarations import declare


@declare(inputs=("image",), moves_pixels=True)
class RandomRotation:
    """Rotate each image around its center by an angle drawn uniformly, as `keras.layers.RandomRotation`.

    Args:
        factor: largest angle to either side, in whole turns (0.1: 36 degrees), or the smallest and the largest one. Default 0.05.
        fill_mode: what is read outside of the image: ``reflect`` (its mirror image), ``constant``, ``wrap`` or ``nearest``.
        interpolation: ``bilinear`` or ``nearest``; images of labels are always read from the nearest pixel.
        fill_value: the value for ``constant``; in images of labels it is class 0.
    """

    def __init__(
        self,
        factor: _affine.Factor = 0.05,
        fill_mode: _affine.FillMode = "reflect",
        interpolation: _affine.Interpolation = "bilinear",
        fill_value: float = 0.0,
    ):
        self.limits = _affine.limits(factor)
        self.reader = _affine.Reader(fill_mode, interpolation, fill_value)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor, nearest: bool = False) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, rotated; `nearest`: they are labels."""
        angle = 2 * math.pi * _draw.uniform(seed, tf.shape(images)[:1], *self.limits)
        cos, sin, none = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle)
        return self.reader.read(images, ((cos, -sin), (sin, cos)), (none, none), nearest)
