"""TensorFlow's executor of a compiled call on the CPU: one thread, or a thread pool."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

THREAD_POOL, ONE_THREAD = "", "SINGLE_THREADED_EXECUTOR"
# A step of fewer floating-point operations runs on one thread. (The CNN at batch 256 has 142 million, the small ResNet at 32
# has 149, both faster with the pool; the recurrent model at 256 has 78 and is faster on one thread.)
# The choice goes by this count and not by a measurement: the executors differ in the last bits of a convolution, and one
# config must give the same bits whatever the load of the machine.
ONE_THREAD_FLOPS = 100e6
# A step whose batch has more bytes of numbers or pixels runs in the pool: the loop's body is optimized for the pool only (see `scope`),
# and without oneDNN the gradient of a layer of 5 units over 128 x 12,288 pixels takes 4.9 ms instead of 0.9. A sequence is read step
# by step, by short kernels.
ONE_THREAD_BYTES = 2**20
# Of an array of sequences: examples, steps, columns.
SEQUENCE_DIMENSIONS = 3
# Operations that may wait for another kernel of the same call, for which a single thread would wait forever. The branch of
# loss scaling hung in this way (mixed_float16, TensorFlow 2.21); no other branch is trusted.
WAITING_OPERATIONS = (
    "If",
    "Case",
    "PyFunc",
    "EagerPyFunc",
    "Iterator",
    "Collective",
    "Queue",
    "Barrier",
    "Send",
    "Recv",
    "XlaLaunch",
)


def scope(kind: str) -> AbstractContextManager:
    """Return the context to trace and make a call in.

    A step of a small model is about 400 kernels of one or two microseconds each. Passing each of them to a thread pool costs as
    much again: the digits MLP takes 0.28 ms a step with the pool and 0.15 on one thread; the small CNN at batch 256, whose
    kernels are long and partly independent, takes 3.1 and 5.6 ms. (Each kernel still divides its own work among threads.)

    A function must be traced under the executor that it is called under, because TensorFlow represents a loop differently for
    the two. The pool runs both forms, but does not optimize the body of a loop that was traced for one thread: resnet_small at
    batch 256 took 26 ms a step in this way, and 20 when traced for the pool.

    Args:
        kind: `THREAD_POOL` or `ONE_THREAD`.
    """
    return tf.experimental.function_executor_type(kind)


def is_short(flops: float, x: Any, batch_size: int) -> bool:
    """Return whether the kernels of a step are so short that one thread is faster than a thread pool.

    Args:
        flops: floating-point operations of the step.
        x: inputs of the split, an array or a dict of arrays.
        batch_size: examples of the step.
    """
    return flops < ONE_THREAD_FLOPS and reads_little(x, batch_size)


def reads_little(x: Any, batch_size: int) -> bool:
    """Return whether the inputs of a step, as `is_short` takes them, are small."""
    at_once = sum(math.prod(a.shape[1:]) * 4 for a in tf.nest.flatten(x) if a.ndim != SEQUENCE_DIMENSIONS)
    return at_once * batch_size <= ONE_THREAD_BYTES


def operation_types(graph: tf.Graph) -> set[str]:
    """Return the types of the operations in a graph and in its functions."""
    definition = graph.as_graph_def()
    return {
        node.op for node in [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    }


def may_wait(graph: tf.Graph) -> bool:
    """Return whether a kernel of the graph or of its functions may wait for another one."""
    return any(word in op for op in operation_types(graph) for word in WAITING_OPERATIONS)
