"""Changes of the values of images; each image by a number of its own."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainrun.augment import _draw

# Shares of red, green and blue in the brightness that is perceived (ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)


def checked_range(values: Sequence[float]) -> tuple[float, float]:
    """Return a smallest and a largest value.

    Raises:
        ValueError: they are not.
    """
    if len(values) != 2 or not values[0] < values[1]:
        raise ValueError(f"value_range: expected a smallest and a largest value, got {list(values)}.")
    return values[0], values[1]


def brighter(images: tf.Tensor, seed: tf.Tensor, factor: float, values: Sequence[float]) -> tf.Tensor:
    """Return images with a number added that is drawn between -factor and factor of the range of values."""
    delta = _draw.uniform(seed, tf.shape(images)[:1], -factor, factor) * (values[1] - values[0])
    return clipped(images + _draw.per_example(delta, images), values)


def contrasted(images: tf.Tensor, seed: tf.Tensor, factor: float, values: Sequence[float]) -> tf.Tensor:
    """Return images whose deviations from their channels' means are multiplied by 1 - factor to 1 + factor."""
    mean = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return _spread(images, mean, seed, factor, values)


def saturated(images: tf.Tensor, seed: tf.Tensor, factor: float, values: Sequence[float]) -> tf.Tensor:
    """Return color images whose deviations from grey are multiplied by 1 - factor to 1 + factor."""
    grey = tf.reduce_sum(images * tf.constant(LUMINANCE, images.dtype), axis=-1, keepdims=True)
    return _spread(images, grey, seed, factor, values)


def clipped(images: tf.Tensor, values: Sequence[float]) -> tf.Tensor:
    """Return images with values inside a range."""
    return tf.clip_by_value(images, values[0], values[1])


def _spread(
    images: tf.Tensor, base: tf.Tensor, seed: tf.Tensor, factor: float, values: Sequence[float]
) -> tf.Tensor:
    scale = _draw.uniform(seed, tf.shape(images)[:1], 1 - factor, 1 + factor)
    return clipped((images - base) * _draw.per_example(scale, images) + base, values)
