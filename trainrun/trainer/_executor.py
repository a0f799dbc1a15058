"""How TensorFlow runs the kernels of a compiled call on the CPU: one after another, or on a pool of threads."""

from __future__ import annotations

from contextlib import AbstractContextManager

import tensorflow as tf

POOL, ALONE = "", "SINGLE_THREADED_EXECUTOR"
# Below this many seconds a step, handing kernels from thread to thread costs more than running them.
SHORT = 0.001
# A step of so many operations goes to the pool without trial, which would trace it twice: on 2 cores it takes some
# 3 ms. (The CNN at batch 256 has 142 million, the small ResNet at 32 has 149, both faster by the pool; the
# recurrent model at 256 has 78 and is faster by one thread.)
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


class Executor:
    """Takes the faster of the two, by trial; the results agree to float rounding.

    A step of a small model is some 400 kernels of one or two microseconds. TensorFlow gives each that is ready
    to a pool of threads, which costs as much again: the digits MLP takes 0.28 ms a step by the pool and 0.15
    by one thread, the small CNN at batch 256, where kernels are long and some can run side by side, 3.1 and 5.6.
    (Each kernel still divides its own work among threads; this is about the order of kernels.)

    What is called must be traced under the executor that it is called under, because TensorFlow writes a loop in
    one way for one thread, in another for the pool. The pool runs both, but the first without optimizing the
    body with the rest: resnet_small at batch 256 took 26 ms a step so, and 20 traced for the pool.

    Args:
        choose: False: the pool, without trial.
    """

    def __init__(self, choose: bool):
        self.kind = ALONE if choose else POOL
        self.settled = not choose
        self._calls = 0
        self._alone = 0.0

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


def may_wait(graph: tf.Graph) -> bool:
    """Tell whether a kernel of the graph, or of a function in it, may wait for another one."""
    said = graph.as_graph_def()
    nodes = [*said.node, *(node for f in said.library.function for node in f.node_def)]
    return any(word in node.op for node in nodes for word in WAITING)
