"""How TensorFlow runs the kernels of a compiled call on the CPU: one after another, or on a pool of threads."""

from __future__ import annotations

from contextlib import AbstractContextManager

import tensorflow as tf

POOL, ALONE = "", "SINGLE_THREADED_EXECUTOR"
# A step of fewer floating-point operations is run by one thread. (The CNN at batch 256 has 142 million, the small ResNet
# at 32 has 149, both faster by the pool; the recurrent model at 256 has 78 and is faster by one thread.)
# By this count, and not by a trial: the two differ in the last bits of a convolution, and the same config must give the
# same bits whatever else the machine does meanwhile.
MUCH = 100e6
# What may wait for another kernel of the same call; one thread alone would wait for ever. The branch of
# loss scaling was seen to hang so (mixed_float16, TensorFlow 2.21), and no other branch is trusted.
WAITING = (
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

    A step of a small model is some 400 kernels of one or two microseconds. TensorFlow gives each that is ready
    to a pool of threads, which costs as much again: the digits MLP takes 0.28 ms a step by the pool and 0.15
    by one thread, the small CNN at batch 256, where kernels are long and some can run side by side, 3.1 and 5.6.
    (Each kernel still divides its own work among threads; this is about the order of kernels.)

    What is called must be traced under the executor that it is called under, because TensorFlow writes a loop in
    one way for one thread, in another for the pool. The pool runs both, but the first without optimizing the
    body with the rest: resnet_small at batch 256 took 26 ms a step so, and 20 traced for the pool.

    Args:
        kind: `POOL` or `ALONE`.
    """
    return tf.experimental.function_executor_type(kind)


def kinds_in(graph: tf.Graph) -> set[str]:
    """Return the kinds of operations in a graph and in the functions in it."""
    said = graph.as_graph_def()
    return {node.op for node in [*said.node, *(n for f in said.library.function for n in f.node_def)]}


def may_wait(graph: tf.Graph) -> bool:
    """Return whether a kernel of the graph, or of a function in it, may wait for another one."""
    return any(word in op for op in kinds_in(graph) for word in WAITING)
