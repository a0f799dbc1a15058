"""The raw inputs of a model whose data are no columns of a table: images of any size, texts, arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from trainrun.data import _image_decoding, _vectorized_text


def encoded(tensor: Any, step: Mapping[str, Any], prefix: str) -> tuple[Any, Any]:
    """Return a raw input and what is made of it, in the form of the trained model's input.

    Args:
        tensor: the trained model's input.
        step: what was done to the raw data, as in `Preprocessor.steps`; empty: nothing.
        prefix: of the layers' names.
    """
    shape, name = tuple(tensor.shape[1:]), tensor.name
    if "vocabulary" in step:
        raw = keras.Input((1,), dtype="string", name=name)
        return raw, ops.cast(_vectorized_text.layer_of(step)(raw), "int32")
    if "scale" in step:
        resize = step.get("resize")
        raw = keras.Input((None, None, shape[-1]) if resize else shape, dtype="float32", name=name)
        pixels = raw
        if resize:
            # The layer `Resizing` has training=True by default, which the layers after it take over in a plain call of the model.
            pixels = ops.image.resize(raw, shape[:2], **_image_decoding.resizing_arguments(resize))
            pixels = ops.clip(ops.round(pixels), 0.0, 255.0)
        return raw, layers.Rescaling(step["scale"], dtype="float32", name=f"{prefix}.pixels_{name}")(pixels)
    if "standardize" in step:
        raw, fitted = keras.Input(shape, dtype="float64", name=name), step["standardize"]
        return raw, standardized(raw, fitted["mean"], fitted["std"], f"{prefix}.{name}")
    raw = keras.Input(shape, dtype=tensor.dtype, name=name)
    return raw, raw


def standardized(numbers: Any, mean: Sequence[float], std: Sequence[float], prefix: str) -> Any:
    """Return numbers with means subtracted and divided by deviations in float64, as float32.

    Args:
        numbers: `[batch, features]`, float64.
        mean, std: of each feature.
        prefix: of the layers' names.
    """
    mean = np.array(mean)
    # Two layers: one that multiplies first would lose the digits of a large mean.
    centre = layers.Rescaling(np.ones_like(mean), -mean, dtype="float64", name=f"{prefix}_centre")
    scale = layers.Rescaling(1 / np.array(std), dtype="float64", name=f"{prefix}_scale")
    return ops.cast(scale(centre(numbers)), "float32")
