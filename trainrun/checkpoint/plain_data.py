"""Nested Python data as JSON, with arrays beside it; tuples, keys of any type and arrays survive the round trip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

ARRAY, TUPLE, PAIRS = "$array", "$tuple", "$pairs"


def pack(value: Any, arrays: dict[str, np.ndarray], at: str) -> Any:
    """Return plain data as JSON; arrays go into `arrays` under names that begin with `at`."""
    if isinstance(value, tf.Variable | keras.Variable):
        value = np.array(value.numpy())
    if isinstance(value, np.ndarray | np.generic):
        arrays[at] = np.array(value)
        return {ARRAY: at}
    if isinstance(value, tuple):
        return {TUPLE: [pack(v, arrays, f"{at}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [pack(v, arrays, f"{at}.{i}") for i, v in enumerate(value)]
    if isinstance(value, Mapping):
        return {
            PAIRS: [
                [pack(k, arrays, f"{at}.{i}k"), pack(v, arrays, f"{at}.{i}")]
                for i, (k, v) in enumerate(value.items())
            ]
        }
    return value


def unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the data that `pack` has turned into JSON and arrays."""
    if isinstance(value, list):
        return [unpack(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    (kind, content), *_ = value.items()
    if kind == ARRAY:
        array = arrays[content]
        return array[()] if array.shape == () else array.copy()
    if kind == TUPLE:
        return tuple(unpack(v, arrays) for v in content)
    return {unpack(k, arrays): unpack(v, arrays) for k, v in content}
