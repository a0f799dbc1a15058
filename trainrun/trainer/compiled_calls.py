"""A pass as a compiled function: of TensorFlow's kernels, or as one XLA program."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from trainrun.compat.keras_xla_private import for_xla
from trainrun.trainer.held_arrays import stored

if TYPE_CHECKING:
    from trainrun.trainer.compiled_epoch import Pass

Call = Callable[[np.ndarray, tuple], dict]
# By it, replicas exchange the rows of the sparse gradients of embeddings.
GATHER = "CollectiveGatherV2"
# Their results have shapes that depend on values.
SHAPED_BY_VALUES = {"Where", "Unique", "UniqueV2", "UniqueWithCounts", "DynamicPartition"}


def by_kernels(steps: Pass) -> tuple[Any, Call]:
    """Return a pass as a `tf.function`, not traced yet, and a function that calls it with indices and data."""
    # Without AutoGraph: a step is called as Keras calls a `train_step`, with explicit `tf.cond`.
    index = tf.TensorSpec([None], tf.int64)
    if steps.held is not None:
        # Captured, not passed: arguments are copied to the function's device at each call.
        held = tf.function(lambda i: steps.run_steps(i, steps.held), input_signature=[index], autograph=False)
        call = _direct(held, steps)
        return held, lambda i, _: call(i)
    # A signature cannot contain None: without sample weights, the tuple is shorter.
    sent = tf.function(
        lambda i, data: steps.run_steps(i, (*data, None)[:3]),
        input_signature=[index, _sent(steps, None)],
        autograph=False,
    )
    call = _direct(sent, steps)
    return sent, lambda i, data: call(i, data[: steps.parts])


def _direct(function: Any, steps: Pass) -> Callable[..., dict]:
    """Return a call of a function's only trace, which `tf.function` would look up each time: 0.15 of the 0.4 ms of a call without a step.

    For one device: two workers that call their traces wait for each other without end (TensorFlow 2.21).
    """
    if steps.replicated:
        return function
    trace = functools.cache(function.get_concrete_function)
    return lambda *arguments: trace()(*arguments)


def of_equal_steps(call: Call, steps: Pass) -> Call:
    """Return a call that is made in parts, in each of which all steps exchange the same number of rows.

    For sparse gradients on several replicas: TensorFlow 2.21 expects one shape of a collective operation as long as a call lasts, and
    the smaller last batch has fewer rows. (A dense sum would not do: Keras' Adam squares the rows of one index before it adds them.)

    Args:
        call: takes the indices of some steps, the last of which may be smaller, and the data.
        steps: the pass, traced.
    """
    batch, vary = steps.batch_size, not SHAPED_BY_VALUES.isdisjoint(steps.operations())

    def in_parts(index: np.ndarray, data: tuple) -> dict:
        logs: dict = {}
        size = batch if vary else max(len(index) // batch, 1) * batch
        for at in range(0, len(index), size):
            logs = call(index[at : at + size], data)
            if steps.augment is not None:
                steps.place.assign_add([0, 0, size // batch])
        return logs

    return in_parts


def by_xla(steps: Pass) -> tuple[Any, Call]:
    """Return a pass as one XLA program, and a function that calls it; as `by_kernels`.

    Compiled by itself, a step returns to TensorFlow after each batch, and costs more than its kernels do. XLA compiles a program
    for each shape of its arguments: indices and data are padded to the longest call, and the number of examples is an argument.
    The program also has the step of the smaller last batch: as a call of TensorFlow's kernels it cost as much as 25 steps.
    """
    batch, last = steps.batch_size, steps.last
    longest = steps.most // batch
    if not longest:
        return by_kernels(steps)
    size = (longest if steps.held is not None else min(longest, steps.block)) * batch + last
    signature = [tf.TensorSpec([size], tf.int64), tf.TensorSpec([], tf.int32)]
    if steps.held is None:
        signature.append(_sent(steps, size))

    def steps_of(i: tf.Tensor, n: tf.Tensor, *data: tuple) -> dict:
        with nullcontext() if tf.config.list_logical_devices("GPU") else for_xla():
            return steps.run_steps(i, (*data[0], None)[:3] if data else steps.held, n)

    program = tf.function(steps_of, input_signature=signature, autograph=False, jit_compile=True)
    compiled, kernels = _direct(program, steps), []

    def call(index: np.ndarray, data: tuple) -> dict:
        # A trial of a sweep whose epochs are longer, or end elsewhere.
        if len(index) > size or len(index) % batch not in (0, last):
            if not kernels:
                kernels.append(by_kernels(steps)[1])
            return kernels[0](index, data)
        sent = [] if steps.held is not None else [tf.nest.map_structure(padded, data[: steps.parts])]
        return compiled(np.resize(index, size), len(index), *sent)

    def padded(array: tf.Tensor) -> tf.Tensor:
        missing = size - len(array)
        return tf.pad(array, [[0, missing], *[[0, 0]] * (len(array.shape) - 1)]) if missing > 0 else array

    return program, call


def _sent(steps: Pass, rows: int | None) -> Any:
    """Return the signature of the data of a call, with that number of rows; None: any."""
    return tf.nest.map_structure(
        lambda a: tf.TensorSpec([rows, *a.shape[1:]], stored(a).dtype), steps.arrays[: steps.parts]
    )
