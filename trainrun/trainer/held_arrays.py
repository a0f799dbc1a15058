"""Arrays of a split as TensorFlow holds them for a pass, and the gathering of batches from them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from trainrun.data.lazy_array import View
from trainrun.trainer.pipeline import whole


def may_renew() -> bool:
    """Return whether data can be held in variables: only on a CPU, because a GPU does not support every dtype."""
    return not tf.config.list_logical_devices("GPU")


def exchangeable(array: np.ndarray | View) -> tf.Variable:
    """Return an array as a variable with a variable number of rows."""
    return tf.Variable(whole(array), trainable=False, shape=[None, *array.shape[1:]])


def kinds(arrays: Any) -> tuple:
    """Return shape and dtype of each array without the number of rows; arrays of equal kinds can replace each other."""
    return tuple(None if a is None else (a.shape[1:], str(a.dtype)) for a in tf.nest.flatten(arrays))


def gathered(data: Any, index: tf.Tensor) -> Any:
    """Return the examples `(x, y, weight)`, or one of these, at the indices."""
    return tf.nest.map_structure(lambda a: None if a is None else tf.gather(a, index), data)
