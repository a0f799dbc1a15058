"""Sums of examples and of others of their batch."""

from __future__ import annotations

import tensorflow as tf

from trainrun.augment import _draw


def mixed(values: tf.Tensor | None, own: tf.Tensor, other: tf.Tensor) -> tf.Tensor | None:
    """Return `own` of each example and the rest of another one.

    Args:
        values: of the examples, `[batch, …]`; None, such as weights that there are none of, stays None.
        own: the share of each example, `[batch]`.
        other: the place of the other one in the batch, `[batch]`.
    """
    if values is None:
        return None
    share = tf.cast(_draw.per_example(own, values), values.dtype)
    return share * values + (1 - share) * tf.gather(values, other)
