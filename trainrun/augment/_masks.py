"""Images of labels, moved as the images that they belong to."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from trainrun.data.dataset import TargetSpec


def both_moved(
    move: Callable, y: tf.Tensor, weight: tf.Tensor | None, seed: tf.Tensor, target: TargetSpec
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Return labels and weights of a target: moved if its labels are images, else unchanged; arguments as in `moved`."""
    if not target.shape:
        return y, weight
    return moved(move, y, seed, target), None if weight is None else moved_weights(move, weight, seed)


def moved(move: Callable, y: tf.Tensor, seed: tf.Tensor, target: TargetSpec) -> tf.Tensor:
    """Return labels moved by an augmentation, each pixel from the nearest one, in their form and dtype.

    Args:
        move: the component; takes `nearest`.
        y: class ids `[batch, height, width]`, 0/1 `[…, 1]` or one-hot `[…, classes]`.
        seed: as for the images.
        target: of the data.
    """
    if len(y.shape) == len(target.shape) + 1:
        return _nearest(move, y, seed)
    if y.shape[-1] == 1:
        return _nearest(move, y[..., 0], seed)[..., None]
    # As ids: a pixel from outside the image would have no class in one-hot labels.
    ids = _nearest(move, tf.argmax(y, axis=-1), seed)
    return tf.one_hot(ids, y.shape[-1], dtype=y.dtype)


def moved_weights(move: Callable, weight: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Return the weights of pixels, `[batch, height, width]`, moved as their labels; those of examples unchanged."""
    return weight if len(weight.shape) == 1 else _nearest(move, weight, seed)


def _nearest(move: Callable, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    images = tf.cast(labels, tf.float32)[..., None]
    return tf.ensure_shape(tf.cast(move(images, seed, nearest=True)[..., 0], labels.dtype), labels.shape)
