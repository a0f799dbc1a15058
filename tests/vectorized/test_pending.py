"""Values that the graph has computed reach the variables before they are read, and checkpoints read them at once."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.checkpoint.training_state import Reader
from trainrun.vectorized.pending import PendingReader, PendingValues
from trainrun.vectorized.shape import variables


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    made.compile("adam", "mse")
    made.optimizer.build(made.trainable_variables)
    return made


@pytest.fixture
def pending(model):
    """Values of a pass of two trials, in which each variable of the second is one higher than it was."""
    values = PendingValues(model)
    before = [np.asarray(v) for v in variables(model)]
    values.set(object(), [np.stack([b * 0, b + 1]) for b in before], slot=1)
    return values


def test_counters_and_rates_are_written_and_weights_stay_pending(model, pending):
    bias = np.array(model.layers[0].bias)
    pending.write_scalars(settable=False)
    assert int(model.optimizer.iterations) == 1
    assert float(model.optimizer.learning_rate) == pytest.approx(1.001)
    np.testing.assert_array_equal(model.layers[0].bias, bias)
    pending.write()
    np.testing.assert_array_equal(model.layers[0].bias, bias + 1)


def test_a_rate_that_a_callback_sets_is_not_overwritten(model, pending):
    pending.write_scalars(settable=True)
    model.optimizer.learning_rate = 0.25
    pending.write()
    assert float(model.optimizer.learning_rate) == 0.25


def test_a_checkpoint_reads_what_the_variables_hold_once_they_are_written(model, pending):
    reader = PendingReader(model, lambda: pending)
    unwritten = reader.arrays()
    pending.write()
    written = Reader(model).arrays()
    assert unwritten.keys() == written.keys() == reader.arrays().keys()
    for name, array in written.items():
        np.testing.assert_array_equal(unwritten[name], array)
        np.testing.assert_array_equal(reader.arrays()[name], array)
