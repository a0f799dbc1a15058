"""Trial jobs: built, trained for a few steps and discarded, without an effect on the run that follows."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from trainrun.compat import keras_private
from trainrun.util import retracing


@contextmanager
def aside() -> Iterator[None]:
    """Restore names, random state and memory after building and training inside the `with`.

    Each trial builds a model of its own, so weights need no care. Neither do the random states of TensorFlow and Keras, which
    `builders.job` sets for each job.
    """
    counters = keras_private.name_counters()
    names, python, numpy = dict(counters), random.getstate(), np.random.get_state()
    try:
        with retracing.unannounced():
            yield
    finally:
        counters.clear()
        counters.update(names)
        random.setstate(python)
        np.random.set_state(numpy)
        gc.collect()  # Keras models contain reference cycles
