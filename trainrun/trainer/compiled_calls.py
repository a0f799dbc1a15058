"""A pass as a compiled function: of TensorFlow's kernels, or with all of its full batches in one XLA program."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from trainrun.trainer.compiled_epoch import Pass

Call = Callable[[np.ndarray, tuple], dict]


def by_kernels(steps: Pass) -> tuple[Any, Call]:
    """Return a pass as a `tf.function`, not traced yet, and a function that calls it with indices and data."""
    # Without AutoGraph: a step is called as Keras calls a `train_step`, with explicit `tf.cond`.
    index = tf.TensorSpec([None], tf.int64)
    if steps.held is not None:
        # Captured, not passed: arguments are copied to the function's device at each call.
        held = tf.function(lambda i: steps.run_steps(i, steps.held), input_signature=[index], autograph=False)
        return held, lambda i, _: held(i)
    # A signature cannot contain None: without sample weights, the tuple is shorter.
    sent = tf.function(
        lambda i, data: steps.run_steps(i, (*data, None)[:3]),
        input_signature=[index, _sent(steps, None)],
        autograph=False,
    )
    return sent, lambda i, data: sent(i, data[: steps.parts])


def by_xla(steps: Pass) -> tuple[Any, Call]:
    """Return a pass whose full batches are one XLA program, and a function that calls it; as `by_kernels`.

    Compiled by itself, a step returns to TensorFlow after each batch, and costs more than its kernels do. XLA compiles a program
    for each shape of its arguments: indices and data are padded to the longest call, and the number of steps is an argument. A
    smaller last batch takes TensorFlow's kernels, so that it needs no program of its own.
    """
    batch, kernels = steps.batch_size, by_kernels(steps)
    longest = len(steps.split) // batch
    size = (longest if steps.held is not None else min(longest, steps.block)) * batch
    if not size:
        return kernels
    signature = [tf.TensorSpec([size], tf.int64), tf.TensorSpec([], tf.int32)]
    if steps.held is None:
        signature.append(_sent(steps, size))
    full = tf.function(
        lambda i, n, data=None: steps.run_steps(i, steps.held if data is None else (*data, None)[:3], n),
        input_signature=signature,
        autograph=False,
        jit_compile=True,
    )

    def call(index: np.ndarray, data: tuple) -> dict:
        at, logs = len(index) // batch * batch, {}
        if at:
            sent = [] if steps.held is not None else [tf.nest.map_structure(padded, data[: steps.parts])]
            logs = full(np.resize(index[:at], size), at // batch, *sent)
        return kernels[1](index[at:], data) if at < len(index) else logs

    def padded(array: tf.Tensor) -> tf.Tensor:
        missing = size - len(array)
        return (
            tf.pad(array, [[0, missing], *[[0, 0]] * (len(array.shape) - 1)]) if missing > 0 else array[:size]
        )

    return full, call


def _sent(steps: Pass, rows: int | None) -> Any:
    """Return the signature of the data of a call, with that number of rows; None: any."""
    arrays = (steps.split.x, steps.split.y, steps.split.weight)[: steps.parts]
    return tf.nest.map_structure(lambda a: tf.TensorSpec([rows, *a.shape[1:]], a.dtype), arrays)
