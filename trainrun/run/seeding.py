"""Seeding of all random generators of the process."""

from __future__ import annotations

import keras

from trainrun.compat import tensorflow_private


def begin(seed: int, keep_kernels: bool = False) -> None:
    """Seed Python's, numpy's, TensorFlow's and Keras' generators.

    When a seed is set, TensorFlow drops all kernels, because stateful random operations keep a counter in theirs. A compiled
    epoch then takes another 0.1 s at its next call, most of the time of a short trial. Trials that share a compiled program
    have no such operation (`RANDOM_OPERATIONS`; Keras' own draw from variables), so their kernels are kept.

    Args:
        seed: of the run.
        keep_kernels: other runs of the process use the same compiled functions.
    """
    if not keep_kernels:
        keras.utils.set_random_seed(seed)
        return
    with tensorflow_private.keep_kernels():
        keras.utils.set_random_seed(seed)
