"""JPEG files that TensorFlow decodes to the pixels that Pillow gives, many in one call and without Python's global lock."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainrun.data import _tensorflow

if TYPE_CHECKING:
    import numpy as np
    import tensorflow as tf

BEGIN, END = b"\xff\xd8", b"\xff\xd9"
# Segments with the size of the image: baseline, extended and progressive Huffman coding.
SIZE_MARKERS = (0xC0, 0xC1, 0xC2)
# The camera's data, in which an orientation may be: such files are left to Pillow.
CAMERA_MARKER = 0xE1


def read(file: str, channels: int) -> tuple[bytes, tuple[int, int]] | None:
    """Return the content, and height and width, of a JPEG that both libraries decode alike; None: it is not one.

    Args:
        file: any image.
        channels: 1 or 3 as in `_image_pixels.pixels_of`; of others there is none.

    Raises:
        OSError: it cannot be read.
    """
    if channels not in (1, 3):
        return None
    with open(file, "rb", buffering=0) as stream:
        if stream.read(2) != BEGIN:
            return None
        content = BEGIN + stream.read()
    size = size_of(content, channels)
    return None if size is None else (content, size)


def size_of(content: bytes, channels: int) -> tuple[int, int] | None:
    """Return height and width, from the segments before the pixels, of a JPEG's content; None as of `read`."""
    at = len(BEGIN)
    while at + 10 <= len(content):
        start, marker, length = struct.unpack_from(">BBH", content, at)
        if start != 0xFF or marker == CAMERA_MARKER:
            return None
        if marker in SIZE_MARKERS:
            bits, height, width, components = struct.unpack_from(">BHHB", content, at + 4)
            # The libraries make grey of colours, and colours of four components, in ways of their own.
            alike = bits == 8 and components in ((1, 3) if channels == 3 else (1,))
            return (height, width) if alike and height and width else None
        at += 2 + length
    return None


def decoder(channels: int, resize: Callable[[Any], Any] | None) -> Callable[[list[bytes]], np.ndarray]:
    """Return a function from JPEG files of one size to their pixels, uint8 `[n, height, width, channels]`.

    It raises what TensorFlow makes of a damaged file.

    Args:
        channels: 1 or 3.
        resize: of the pixels as a tensor; None: they keep their size.
    """
    tf = _tensorflow.imported()

    def pixels(content: tf.Tensor) -> tf.Tensor:
        # As Pillow does by default; TensorFlow's is faster and less exact.
        return tf.io.decode_jpeg(content, channels=channels, dct_method="INTEGER_ACCURATE")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
    def decode(contents: tf.Tensor) -> tf.Tensor:
        spec = tf.TensorSpec([None, None, channels], tf.uint8)
        images = tf.map_fn(pixels, contents, parallel_iterations=1, fn_output_signature=spec)
        return images if resize is None else resize(images)

    def of_files(contents: list[bytes]) -> np.ndarray:
        with tf.device("cpu:0"):
            return decode(tf.constant(contents)).numpy()

    return of_files
