"""Everything that draws begins anew from a run's seed."""

from __future__ import annotations

import keras

from trainrun.compat import tensorflow_private


def begin(seed: int, keep_kernels: bool = False) -> None:
    """Seed Python's, numpy's, TensorFlow's and Keras' generators.

    TensorFlow drops all its kernels at that, those of compiled functions too: their random operations would go on drawing
    where they are. A compiled epoch is then made ready anew at its next call, in a tenth of a second, which is most of what
    a short trial takes. Where trials share what is compiled, no operation has such a state (`RANDOM_OPERATIONS`; Keras' own
    draw from variables), and the kernels are kept.

    Args:
        seed: of the run.
        keep_kernels: compiled functions outlive the run.
    """
    if not keep_kernels:
        keras.utils.set_random_seed(seed)
        return
    with tensorflow_private.keep_kernels():
        keras.utils.set_random_seed(seed)
