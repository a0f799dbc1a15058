"""Convolutions and max pooling of Keras as matrix products and maxima: what XLA compiles well for a CPU, also in a loop.

For: `trainer.jit_compile` on a CPU, by `keras_xla_private.for_xla`. In a loop, XLA computes the gradients of a convolution without vector
instructions: 8.1 ms for the filter of 3 x 3 x 16 x 32 over 32 images of 4 x 4, 0.15 ms as products with the forward pass and the other
gradient. Values and gradients are the same up to rounding; of equal values in a window the first gets the gradient, as in
TensorFlow's kernel. Grouped, transposed and depthwise convolutions, `channels_first`, unknown sizes and windows above
`MAX_WINDOW_BYTES` stay as they are.
Public API: Keras has no other form of `keras.ops.conv` on TensorFlow. Checked: Keras 3.15.1. Missing: see `for_xla`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tensorflow as tf

# Windows of a larger layer are not held side by side: bytes for a batch.
MAX_WINDOW_BYTES = 256 * 2**20


def conv(
    inputs: Any,
    kernel: Any,
    strides: int | Sequence[int] = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int | Sequence[int] = 1,
) -> tf.Tensor | None:
    """Return what `keras.ops.conv` returns, or None where it is to do it."""
    import tensorflow as tf

    x, kernel = tf.convert_to_tensor(inputs), tf.convert_to_tensor(kernel)
    size = tuple(kernel.shape[:-2])
    if x.shape[-1] != kernel.shape[-2]:
        return None  # groups, or an error
    windows = _windows(x, size, strides, padding, data_format, dilation_rate, 0)
    if windows is None:
        return None
    columns = math.prod(kernel.shape[:-1])
    product = tf.matmul(
        tf.reshape(tf.concat(windows, -1), [-1, columns]), tf.reshape(kernel, [columns, kernel.shape[-1]])
    )
    return tf.reshape(product, [-1, *windows[0].shape[1:-1], kernel.shape[-1]])


def max_pool(
    inputs: Any,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> tf.Tensor | None:
    """Return what `keras.ops.max_pool` returns, or None where it is to do it."""
    import tensorflow as tf

    x = tf.convert_to_tensor(inputs)
    size = _each(pool_size, len(x.shape) - 2)
    windows = _windows(x, size, strides or size, padding, data_format, 1, -math.inf)
    return None if windows is None else reduce(tf.maximum, windows)


def _each(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    return (value,) * dimensions if isinstance(value, int) else tuple(value)


def _windows(
    x: tf.Tensor,
    size: tuple[int, ...],
    strides: int | Sequence[int],
    padding: str,
    data_format: str | None,
    dilation: int | Sequence[int],
    fill: float,
) -> list[tf.Tensor] | None:
    """Return for each place in a window, in row-major order, its values in all windows; None where that is not possible.

    Args:
        x: `[batch, ..., channels]`.
        size: of a window, for each spatial dimension, as the following.
        strides, dilation: steps between windows, and between the places of one.
        padding: ``valid`` or ``same``.
        data_format: of Keras; default None: the global one.
        fill: value outside of x.
    """
    import keras
    import tensorflow as tf

    form = keras.config.image_data_format() if data_format is None else data_format
    padding = padding.lower()
    if form != "channels_last" or not x.dtype.is_floating or not all(x.shape[1:]):
        return None
    strides, dilation = _each(strides, len(size)), _each(dilation, len(size))
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    lengths = x.shape[1:-1]
    if padding == "same":
        counts = [-(-n // s) for n, s in zip(lengths, strides, strict=True)]
        missing = [
            max((c - 1) * s + k - n, 0) for c, s, k, n in zip(counts, strides, spans, lengths, strict=True)
        ]
        if any(missing):
            pads = [[m // 2, m - m // 2] for m in missing]
            x = tf.pad(x, [[0, 0], *pads, [0, 0]], constant_values=fill)
    else:
        counts = [(n - k) // s + 1 for n, s, k in zip(lengths, strides, spans, strict=True)]
    bytes_ = (x.shape[0] or 1) * math.prod(counts) * math.prod(size) * x.shape[-1] * x.dtype.size
    if min(counts) < 1 or bytes_ > MAX_WINDOW_BYTES:
        return None
    places = itertools.product(*(range(0, k, d) for k, d in zip(spans, dilation, strict=True)))
    return [
        x[
            (
                slice(None),
                *(slice(p, p + (c - 1) * s + 1, s) for p, c, s in zip(place, counts, strides, strict=True)),
            )
        ]
        for place in places
    ]
