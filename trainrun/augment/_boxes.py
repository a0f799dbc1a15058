"""Random rectangles in images."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _draw


def inside(images: tf.Tensor, seed: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Return which pixels are in a rectangle at a random place, bool `[batch, height, width, 1]`.

    Args:
        images: `[batch, height, width, channels]`.
        seed: of the places.
        height, width: of each rectangle, as shares of the image's, `[batch]`.
    """
    ranges = []
    for axis, share in ((1, height), (2, width)):
        length = tf.cast(tf.shape(images)[axis], tf.float32)
        start = _draw.uniform(_draw.folded(seed, axis), tf.shape(share)) * (length - share * length)
        pixels = tf.range(length)
        ranges.append((pixels >= start[:, None]) & (pixels < (start + share * length)[:, None]))
    return (ranges[0][:, :, None] & ranges[1][:, None, :])[..., None]
