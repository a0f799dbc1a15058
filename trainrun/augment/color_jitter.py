"""Random brightness, contrast and saturation of images."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainrun.augment import _colors, _draw
from trainrun.util.arguments import Share
from trainrun.util.declarations import declare


@declare(inputs=("image",))
class ColorJitter:
    """Change brightness, contrast and saturation of each image, one after the other; grey images have no saturation.

    Args:
        brightness_factor: as `factor` of random_brightness. Default 0.2.
        contrast_factor: as `factor` of random_contrast. Default 0.2.
        saturation_factor: deviations from grey are multiplied by a number from 1 - factor to 1 + factor. Default 0.2.
        value_range: smallest and largest value of an image, to which the result is clipped. Default 0 and 1.
    """

    def __init__(
        self,
        brightness_factor: Share = 0.2,
        contrast_factor: Share = 0.2,
        saturation_factor: Share = 0.2,
        value_range: Sequence[float] = (0.0, 1.0),
    ):
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.value_range = saturation_factor, _colors.checked_range(value_range)

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Return images `[batch, height, width, channels]` of changed colors."""
        values = self.value_range
        images = _colors.brighter(images, _draw.folded(seed, "brightness"), self.brightness_factor, values)
        images = _colors.contrasted(images, _draw.folded(seed, "contrast"), self.contrast_factor, values)
        if images.shape[-1] != len(_colors.LUMINANCE):
            return images
        return _colors.saturated(images, _draw.folded(seed, "saturation"), self.saturation_factor, values)
