"""What is built aside leaves nothing behind."""

from __future__ import annotations

import logging
import random

import keras
import numpy as np
import tensorflow as tf

from trainrun.inspect.trial_job import aside


def test_names_and_random_states_are_as_before():
    keras.utils.set_random_seed(3)
    expected = keras.layers.Dense(1).name.rpartition("_")
    numbers = random.random(), np.random.rand()
    keras.utils.set_random_seed(3)
    with aside():
        for _ in range(5):
            keras.layers.Dense(1)
            random.random()
            np.random.rand()
        warning = logging.LogRecord("tensorflow", 30, "", 0, "triggered tf.function retracing", (), None)
        assert not tf.get_logger().filter(warning)
    name = keras.layers.Dense(1).name.rpartition("_")
    assert int(name[2]) == (int(expected[2]) if expected[0] else 0) + 1
    assert (random.random(), np.random.rand()) == numbers
