"""How TensorFlow runs the kernels of a compiled call on the CPU: one after another, or on a pool of threads."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

POOL, ALONE = "", "SINGLE_THREADED_EXECUTOR"
# Below this many seconds a step, handing kernels from thread to thread costs more than running them.
SHORT = 0.001
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


class Executor:
    """Takes the faster of the two, by trial; the results agree to float rounding.

    A step of a small model is some 400 kernels of one or two microseconds. TensorFlow gives each that is ready
    to a pool of threads, which costs as much again: the digits MLP takes 0.28 ms a step by the pool and 0.15
    by one thread, the small CNN at batch 256, where kernels are long and some can run side by side, 4 and 7.
    (Each kernel still divides its own work among threads; this is about the order of kernels.)

    Args:
        choose: False: the pool, without trial.
    """

    def __init__(self, choose: bool):
        self.kind = ALONE if choose else POOL
        self.settled = not choose
        self._calls = 0
        self._alone = 0.0

    @classmethod
    def of(cls, function: Any) -> Executor:
        """Return the executor for a `tf.function` with an input signature; None: the pool, without trial."""
        if function is None:
            return cls(choose=False)
        # Loops are compiled in one way for the pool, in another for one thread; the pool takes both.
        with tf.experimental.function_executor_type(ALONE):
            return cls(choose=not _may_wait(function.get_concrete_function().graph))

    def scope(self) -> AbstractContextManager:
        """Return the context to make a call in."""
        return tf.experimental.function_executor_type(self.kind)

    def took(self, seconds: float) -> bool:
        """Note the seconds a step of the last call; return whether they tell of the pace.

        The first call under an executor prepares the code for it, and tells nothing.
        """
        self._calls += 1
        if self._calls == 1:
            return False
        if self.settled:
            return True
        if self.kind == ALONE and seconds < SHORT:
            self.settled = True
        elif self.kind == ALONE:
            self._alone, self.kind, self._calls = seconds, POOL, 0
        else:
            self.kind = ALONE if self._alone < seconds else POOL
            self.settled = True
        return True


def _may_wait(graph: tf.Graph) -> bool:
    """Tell whether a kernel of the graph, or of a function in it, may wait for another one."""
    said = graph.as_graph_def()
    nodes = [*said.node, *(node for f in said.library.function for node in f.node_def)]
    return any(word in node.op for node in nodes for word in WAITING)
