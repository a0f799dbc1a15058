"""Everything that draws begins anew from a run's seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from trainrun.run import joint_training
from trainrun.trainer import program_cache


def begin(seed: int) -> None:
    """Seed Python's, numpy's, TensorFlow's and Keras' generators.

    TensorFlow drops all its kernels at that, those of compiled functions too: their random operations would go on drawing
    where they are. A compiled epoch is then made ready anew at its next call, in a tenth of a second, which is most of what
    a short trial takes. Where trials share what is compiled, no operation has such a state (`reuse.STATEFUL`; Keras' own
    draw from variables), and the kernels are kept.
    """
    if not (program_cache.active() or joint_training.place() is not None):
        keras.utils.set_random_seed(seed)
        return
    with _kernels_kept():
        keras.utils.set_random_seed(seed)


@contextmanager
def _kernels_kept() -> Iterator[None]:
    from tensorflow.python.eager import context

    runtime = context.pywrap_tfe
    clear = runtime.TFE_ContextClearCaches
    runtime.TFE_ContextClearCaches = lambda handle: None
    try:
        yield
    finally:
        runtime.TFE_ContextClearCaches = clear
