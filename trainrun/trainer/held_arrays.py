"""Arrays of a split as TensorFlow holds them for a pass, and the gathering of batches from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from trainrun.data.dataset import Split
from trainrun.data.lazy_array import View

# Largest split that is held in TensorFlow's memory as a whole; a larger one is read batch by batch.
MAX_HELD_BYTES = 512 * 2**20
# Size of the blocks in which compiled passes read a larger one.
BLOCK_BYTES = 16 * 2**20


def may_renew() -> bool:
    """Return whether data can be held in variables: only on a CPU, because a GPU does not support every dtype."""
    return not tf.config.list_logical_devices("GPU")


def stored(array: np.ndarray | View | None) -> Any:
    """Return what is held of an array: images as bytes, a quarter of their size as float32; `scaled` makes the examples of them."""
    return array.unscaled() if isinstance(array, View) and may_renew() else array


def scaled(values: tf.Tensor, array: np.ndarray | View) -> tf.Tensor:
    """Return examples of an array, given what is stored of them; they have the same bits as the array's own."""
    if values.dtype == array.dtype:
        return values
    return tf.cast(values, array.dtype) * np.float32(array.scale)


def held_bytes(split: Split) -> int:
    """Return the size of what is held of a split."""
    return sum(stored(array).nbytes for array in split.arrays())


def whole(array: np.ndarray | View) -> tf.Tensor:
    """Return an array as a tensor; a lazy array is computed without a second copy in memory.

    `tf.constant` copies its argument. The values of a lazy array have no other owner, or are in a mapped file, so that the tensor can
    use their memory (by DLPack), if its address is a multiple of 64 as TensorFlow requires.
    """
    if isinstance(array, np.ndarray) or tf.config.list_logical_devices("GPU"):
        return tf.constant(np.asarray(array))
    stored = array.stored()
    if stored is not None and stored.flags.writeable and stored.ctypes.data % 64 == 0:
        return shared(stored)
    values = aligned(array)
    array.read_into(values)
    return shared(values)


def shared(values: np.ndarray) -> tf.Tensor:
    """Return a tensor that uses the memory of an array, whose address is a multiple of 64."""
    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())


def aligned(array: View) -> np.ndarray:
    """Return memory for a lazy array, of which a tensor can be made without a copy."""
    buffer = np.empty(array.nbytes + 64, "uint8")
    start = -buffer.ctypes.data % 64
    return buffer[start : start + array.nbytes].view(array.dtype).reshape(array.shape)


def held(arrays: Any, hold: Callable[[np.ndarray | View], Any] = whole) -> Any:
    """Return what TensorFlow holds of the arrays `(x, y, weight)`, each by `hold`."""
    return tf.nest.map_structure(lambda a: None if a is None else hold(stored(a)), arrays)


def steps_of_block(split: Split, batch_size: int) -> int:
    """Return the number of steps whose examples are read at once of a split that is larger than `MAX_HELD_BYTES`."""
    of_example = max(held_bytes(split) / max(len(split), 1), 1)
    return max(1, int(BLOCK_BYTES / of_example / batch_size))


def block(split: Split, index: np.ndarray) -> Any:
    """Return what TensorFlow holds of the examples at `index`."""
    part = split.part(index)
    return held((part.x, part.y, part.weight))


def exchangeable(array: np.ndarray | View) -> tf.Variable:
    """Return an array as a variable with a variable number of rows, which shares the memory of `whole`."""
    return in_variable(whole(array))


def in_variable(tensor: tf.Tensor) -> tf.Variable:
    """Return a variable with a variable number of rows, which shares a tensor's memory until it is assigned to."""
    return tf.Variable(tensor, trainable=False, shape=[None, *tensor.shape[1:]])


def kinds(arrays: Any) -> tuple:
    """Return shape, dtype and scale of each array without the number of rows; arrays of equal kinds can replace each other."""
    return tuple(
        None if a is None else (a.shape[1:], str(a.dtype), a.scale if isinstance(a, View) else None)
        for a in tf.nest.flatten(arrays)
    )


def gathered(data: Any, index: tf.Tensor, arrays: Any) -> Any:
    """Return the examples `(x, y, weight)`, or one of these, at the indices.

    Args:
        data: what is held of the arrays.
        index: of the examples.
        arrays: of the split.
    """

    def taken(of: Any, array: np.ndarray | View) -> tf.Tensor:
        # The gathering of a variable's rows would copy all of it first, since it shares its memory (TensorFlow 2.21).
        return scaled(tf.gather(tf.convert_to_tensor(of), index), array)

    return tf.nest.map_structure(lambda of, a: None if of is None else taken(of, a), data, arrays)
