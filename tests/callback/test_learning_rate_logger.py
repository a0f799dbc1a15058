"""The learning rate in the logs is the one that was used."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun
from trainrun.callback.learning_rate_logger import last_rate

X = np.ones((40, 2), "float32")


def fit(optimizer, *callbacks, epochs=3):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model.fit(X, X[:, :1], batch_size=10, epochs=epochs, verbose=0, callbacks=list(callbacks)).history


def test_constant_learning_rate_is_logged():
    history = fit(keras.optimizers.SGD(0.25), trainrun.build("callback", "learning_rate_logger"))
    assert history["learning_rate"] == [0.25, 0.25, 0.25]
    # As typed, not the float32 number converted: 0.0010000000474974513.
    history = fit(keras.optimizers.Adam(0.001), trainrun.build("callback", "learning_rate_logger"))
    assert history["learning_rate"] == [0.001, 0.001, 0.001]


def test_rate_of_a_schedule_is_that_of_the_last_update():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3, 7], [1e-2, 1e-3, 1e-4])
    history = fit(keras.optimizers.SGD(schedule), trainrun.build("callback", "learning_rate_logger"))
    # Four updates an epoch: the last ones are numbers 3, 7 and 11, counted from 0.
    np.testing.assert_allclose(history["learning_rate"], [1e-2, 1e-3, 1e-4], rtol=1e-6)


def test_logged_rate_is_unchanged_by_later_callbacks():
    plateau = trainrun.build("callback", "plateau", monitor="loss", patience=1, min_delta=1e9)
    history = fit(keras.optimizers.SGD(0.5), trainrun.build("callback", "learning_rate_logger"), plateau)
    np.testing.assert_allclose(history["learning_rate"], [0.5, 0.5, 0.05], rtol=1e-6)


def test_rate_of_each_step_is_logged_on_request():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["learning_rate"])

    schedule = keras.optimizers.schedules.InverseTimeDecay(1.0, 1, 1.0)
    logger = trainrun.build("callback", "learning_rate_logger", per_step=True)
    fit(keras.optimizers.SGD(schedule), logger, Look(), epochs=1)
    np.testing.assert_allclose(seen, [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-6)


@pytest.mark.parametrize("name", ["radam", "lookahead", "adam_then_sgd"])
def test_rate_of_our_own_optimizers_on_a_schedule_is_logged(name):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3, 7], [1e-2, 1e-3, 1e-4])
    more = {"switch_at": 6} if name == "adam_then_sgd" else {}
    optimizer = trainrun.build("optimizer", name, learning_rate=schedule, **more)
    history = fit(optimizer, trainrun.build("callback", "learning_rate_logger"))
    np.testing.assert_allclose(history["learning_rate"], [1e-2, 1e-3, 1e-4], rtol=1e-6)


class Wrapper:
    """An optimizer around others, as Lookahead and AdamThenSGD are."""

    def __init__(self, *inners, phase=0):
        self.inners = inners
        self.phase = phase


@pytest.mark.parametrize(("phase", "rate"), [(0, 0.1), (1, 0.2)])
def test_rate_of_a_wrapper_is_that_of_its_active_optimizer(phase, rate):
    wrapper = Wrapper(keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.2), phase=phase)
    assert last_rate(wrapper) == pytest.approx(rate)


def test_rate_of_a_loss_scale_optimizer_is_logged():
    assert last_rate(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1))) == pytest.approx(0.1)
