"""Stateless random numbers of a batch: the same seed gives the same numbers, in every process and under every trainer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import tensorflow as tf

# Named, because TensorFlow's default is another algorithm on some devices, and so other numbers. (XLA's Philox gives other
# numbers than TensorFlow's kernels, so that a rule refuses it.)
ALGORITHM = "philox"


def seed_of_step(at: tf.Tensor) -> tf.Tensor:
    """Return the seed of a step, `[2]` int64.

    Args:
        at: the run's seed, the epoch and the step of it, `[3]` int64.
    """
    at = tf.convert_to_tensor(at, tf.int64)
    return folded(at[:2], at[2])


def folded(seed: tf.Tensor, what: str | int | tf.Tensor) -> tf.Tensor:
    """Return a seed for a part of what is drawn; parts of other names or numbers draw independently.

    Args:
        seed: `[2]` int64.
        what: a name, or a number.
    """
    number = zlib.crc32(what.encode()) if isinstance(what, str) else what
    return tf.random.experimental.stateless_fold_in(seed, tf.cast(number, tf.int64), alg=ALGORITHM)


def uniform(seed: tf.Tensor, shape: Sequence, low: float = 0.0, high: float = 1.0) -> tf.Tensor:
    """Return numbers in [low, high), float32."""
    # Not by the operation's own limits, which must not be equal.
    return low + (high - low) * tf.random.stateless_uniform(shape, seed, alg=ALGORITHM)


def integers(seed: tf.Tensor, shape: Sequence, end: int | tf.Tensor) -> tf.Tensor:
    """Return whole numbers from 0 to `end` - 1, int32."""
    drawn = tf.floor(uniform(seed, shape) * tf.cast(end, tf.float32))
    return tf.minimum(tf.cast(drawn, tf.int32), end - 1)  # the product may round up to `end`


def normal(seed: tf.Tensor, shape: Sequence, stddev: float) -> tf.Tensor:
    """Return normally distributed numbers around 0, float32."""
    return stddev * tf.random.stateless_normal(shape, seed, alg=ALGORITHM)


def chance(seed: tf.Tensor, shape: Sequence, rate: float) -> tf.Tensor:
    """Return true with probability `rate`, bool."""
    return tf.random.stateless_uniform(shape, seed, alg=ALGORITHM) < rate


def beta(seed: tf.Tensor, shape: Sequence, alpha: float) -> tf.Tensor:
    """Return numbers of the distribution Beta(alpha, alpha), float32: one of two gamma variates as a share of both."""
    # In float64: for a small alpha, both may be less than the smallest float32, and their quotient undefined.
    one, other = (
        tf.random.stateless_gamma(shape, folded(seed, i), tf.constant(alpha, tf.float64), dtype=tf.float64)
        for i in range(2)
    )
    return tf.cast(tf.math.divide_no_nan(one, one + other), tf.float32)


def permutation(seed: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Return the numbers from 0 to `size` - 1 in random order, int32."""
    return tf.argsort(tf.random.stateless_uniform([size], seed, alg=ALGORITHM))


def per_example(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Return one value an example, `[batch]`, with axes of size 1 so that it is broadcast to a tensor of examples."""
    return tf.reshape(values, [-1, *[1] * (len(like.shape) - 1)])
