"""Trials: jobs that are built, trained a little and thrown away, without a trace in the run that follows."""

from __future__ import annotations

import gc
import logging
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from trainrun.compat import keras_private


@contextmanager
def aside() -> Iterator[None]:
    """Build and train inside the `with`; afterwards names, random state and memory are as before.

    Weights are not touched by a trial, because each builds a model of its own. The random states of TensorFlow
    and Keras have no need of this: `builders.job` sets them each time it builds.
    """
    counters = keras_private.name_counters()
    names, python, numpy = dict(counters), random.getstate(), np.random.get_state()
    logger = tf.get_logger()
    level = logger.level
    # "… triggered tf.function retracing": each trial compiles, as it must.
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        counters.clear()
        counters.update(names)
        random.setstate(python)
        np.random.set_state(numpy)
        gc.collect()  # Keras models hold themselves in circles
