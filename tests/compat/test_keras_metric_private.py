"""Keras' callbacks read the direction that `trainrun.compat.keras_metric_private` sets."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.compat import keras_metric_private as private

X, Y = np.zeros((4, 2), "float32"), np.zeros((4, 1), "float32")


def monitored(metric):
    """Return an EarlyStopping that has decided the direction of `val_measure` by itself."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=[metric])
    model.evaluate(X, Y, verbose=0)
    stopping = keras.callbacks.EarlyStopping(monitor="val_measure")
    stopping.set_model(model)
    stopping._set_monitor_op()
    return stopping


def measure():
    return keras.metrics.MeanMetricWrapper(lambda y, y_pred: y_pred, name="measure")


def test_a_copied_direction_is_what_early_stopping_reads():
    outer = measure()
    private.copy_direction(keras.metrics.R2Score(), outer)
    assert monitored(outer).monitor_op(2.0, 1.0), "R² is better when it is larger"


@pytest.mark.parametrize(("direction", "better"), [("max", 2.0), ("min", 0.5)])
def test_a_set_direction_is_what_early_stopping_reads(direction, better):
    metric = measure()
    private.set_direction(metric, direction)
    assert private.direction(metric) == direction
    stopping = monitored(metric)
    assert stopping.monitor_op(better, 1.0)
    assert private.direction_of_monitored(stopping.model, "val_measure") == direction


def test_a_metric_without_a_direction_gives_none():
    outer = keras.metrics.Mean()
    private.copy_direction(keras.metrics.Mean(), outer)
    assert not hasattr(outer, "_direction") and private.direction(outer) is None
