"""Affine transformations of images: of each by its own matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import keras
import tensorflow as tf

from trainrun.util.arguments import Range

# A number f stands for the range from -f to f.
Factor = Annotated[float | Sequence[float], Range(-1, 1)]
FillMode = Literal["reflect", "constant", "wrap", "nearest"]
Interpolation = Literal["bilinear", "nearest"]


def limits(factor: float | Sequence[float], name: str = "factor") -> tuple[float, float]:
    """Return the range that a factor stands for, as Keras' layers read it.

    Raises:
        ValueError: it is a list of other than two numbers.
    """
    if not isinstance(factor, Sequence):
        return -abs(factor), abs(factor)
    if len(factor) != 2:
        raise ValueError(
            f"{name}: expected a number or two, a smallest and a largest one, got {list(factor)}."
        )
    return min(factor), max(factor)


@dataclass(frozen=True)
class Reader:
    """How pixels are read at places between and outside of those of an image; the arguments of the components that move images.

    Args:
        fill_mode: what is outside.
        interpolation: of what is between pixels.
        fill_value: for ``constant``.
    """

    fill_mode: FillMode
    interpolation: Interpolation
    fill_value: float

    def read(
        self,
        images: tf.Tensor,
        linear: Sequence[Sequence[tf.Tensor]],
        shift: Sequence[tf.Tensor],
        labels: bool = False,
    ) -> tf.Tensor:
        """Return images whose pixels are read from other places; see `keras.ops.image.affine_transform`.

        Args:
            images: `[batch, height, width, channels]`.
            linear: ``((xx, xy), (yx, yy))``, a number an example each: the pixel at (x, y) from the center is read at
                (xx x + xy y, yx x + yy y) from it.
            shift: how far right and down the image moves, in pixels.
            labels: they are images of labels, which are read from the nearest pixel; outside of them there is class 0.
        """
        return keras.ops.image.affine_transform(
            images,
            _around_center(images, linear, shift),
            interpolation="nearest" if labels else self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=0.0 if labels else self.fill_value,
            data_format="channels_last",
        )


def _around_center(
    images: tf.Tensor, linear: Sequence[Sequence[tf.Tensor]], shift: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Return the matrices that read each pixel of the result, `[batch, 8]`, from their parts; see `Reader.read`."""
    height, width = (tf.cast(n, tf.float32) for n in (tf.shape(images)[1], tf.shape(images)[2]))
    center = (width - 1) / 2, (height - 1) / 2
    rows = [
        (row[0], row[1], center[i] - row[0] * (center[0] + shift[0]) - row[1] * (center[1] + shift[1]))
        for i, row in enumerate(linear)
    ]
    zeros = tf.zeros_like(rows[0][2])
    return tf.stack([*rows[0], *rows[1], zeros, zeros], axis=1)
