"""Random translations of images."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _affine, _draw
from trainrun.util.declarations import declare


@declare(inputs=("image",), moves_pixels=True)
class RandomTranslation:
    """Move each image by a distance drawn uniformly, as `keras.layers.RandomTranslation`.

    Args:
        height_factor: largest distance up and down, as a share of the height, or the smallest and the largest one (above 0: down).
            Default 0.1.
        width_factor: likewise to the left and right, of the width (above 0: right). Default 0.1.
        fill_mode: what is read outside of the image: ``reflect`` (its mirror image), ``constant``, ``wrap`` or ``nearest``.
        interpolation: ``bilinear`` or ``nearest``; images of labels are always read from the nearest pixel.
        fill_value: the value for ``constant``; in images of labels it is class 0.
    """

    def __init__(
        self,
        height_factor: _affine.Factor = 0.1,
        width_factor: _affine.Factor = 0.1,
        fill_mode: _affine.FillMode = "reflect",
        interpolation: _affine.Interpolation = "bilinear",
        fill_value: float = 0.0,
    ):
        self.height_limits = _affine.limits(height_factor, "height_factor")
        self.width_limits = _affine.limits(width_factor, "width_factor")
        self.reader = _affine.Reader(fill_mode, interpolation, fill_value)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor, nearest: bool = False) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, moved; `nearest`: they are labels."""
        size, drawn = tf.cast(tf.shape(images), tf.float32), tf.shape(images)[:1]
        down = size[1] * _draw.uniform(_draw.folded(seed, "height"), drawn, *self.height_limits)
        right = size[2] * _draw.uniform(_draw.folded(seed, "width"), drawn, *self.width_limits)
        one, none = tf.ones_like(down), tf.zeros_like(down)
        return self.reader.read(images, ((one, none), (none, one)), (right, down), nearest)
