"""Random zooms of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tensorflow as tf

from trainrun.augment import _affine, _draw
from trainrun.util.arguments import Range
from trainrun.util.declarations import declare

# -1 would show a single pixel.
Zoom = Annotated[float | Sequence[float], Range(above=-1, high=1)]


@declare(inputs=("image",), moves_pixels=True)
class RandomZoom:
    """Enlarge or shrink each image around its center, as `keras.layers.RandomZoom`.

    The result shows 1 + z of the height and width, with z drawn uniformly: below 0 it is enlarged, above 0 shrunk.

    Args:
        height_factor: largest z to either side, or the smallest and the largest one, above -1. Default 0.1.
        width_factor: likewise of the width; default None: the z of the height, which keeps the proportions.
        fill_mode: what is read outside of the image: ``reflect`` (its mirror image), ``constant``, ``wrap`` or ``nearest``.
        interpolation: ``bilinear`` or ``nearest``; images of labels are always read from the nearest pixel.
        fill_value: the value for ``constant``; in images of labels it is class 0.
    """

    def __init__(
        self,
        height_factor: Zoom = 0.1,
        width_factor: Zoom | None = None,
        fill_mode: _affine.FillMode = "reflect",
        interpolation: _affine.Interpolation = "bilinear",
        fill_value: float = 0.0,
    ):
        self.height_limits = _affine.limits(height_factor, "height_factor")
        self.width_limits = None if width_factor is None else _affine.limits(width_factor, "width_factor")
        self.reader = _affine.Reader(fill_mode, interpolation, fill_value)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor, nearest: bool = False) -> tf.Tensor:
        """Return images `[batch, height, width, channels]`, zoomed; `nearest`: they are labels."""
        drawn = tf.shape(images)[:1]
        high = 1 + _draw.uniform(_draw.folded(seed, "height"), drawn, *self.height_limits)
        wide = high
        if self.width_limits is not None:
            wide = 1 + _draw.uniform(_draw.folded(seed, "width"), drawn, *self.width_limits)
        none = tf.zeros_like(high)
        return self.reader.read(images, ((wide, none), (none, high)), (none, none), nearest)
