"""Keras' own callbacks by their YAMLs: built by name, and doing their work in a run's directory."""

from __future__ import annotations

import csv
import math

import keras
import numpy as np
import pytest

import trainrun
from trainrun.registry import option_files

NAMES = [n for n, o in option_files.options("callback").items() if o.arguments.get("name")]
X = np.ones((40, 2), "float32")


def fit(*callbacks, epochs=4, optimizer="sgd", y=None):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    y = X[:, :1] if y is None else y
    with np.errstate(all="ignore"):
        history = model.fit(
            X, y, batch_size=10, epochs=epochs, verbose=0, validation_data=(X, y), callbacks=list(callbacks)
        )
    return model, history


@pytest.mark.parametrize("name", NAMES)
def test_every_option_builds_a_callback(name, inside):
    assert isinstance(trainrun.build("callback", name), keras.callbacks.Callback)


@pytest.mark.parametrize(
    "name", ["early_stopping", "reduce_lr_on_plateau", "csv_logger", "terminate_on_nan", "backup_and_restore"]
)
def test_works_with_its_defaults(name, inside):
    _, history = fit(trainrun.build("callback", name))
    assert math.isfinite(history.history["loss"][-1])


def test_early_stopping_by_its_short_name():
    stop = trainrun.build("callback", "es", patience=1, min_delta=1e9)
    _, history = fit(stop, epochs=10)
    assert len(history.epoch) == 2


def test_model_checkpoint_writes_to_the_path_in_its_yaml(inside):
    checkpoint = trainrun.build("callback", "model_checkpoint")
    model, _ = fit(checkpoint, epochs=1)
    saved = keras.saving.load_model(inside / "checkpoints" / "model.keras")
    np.testing.assert_array_equal(saved.predict(X, verbose=0), model.predict(X, verbose=0))


def test_csv_logger_gets_numbers_the_learning_rate_among_them(inside):
    fit(
        trainrun.build("callback", "learning_rate_logger"), trainrun.build("callback", "csv_logger"), epochs=2
    )
    with open("logs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["epoch"] for r in rows] == ["0", "1"]
    assert all(math.isfinite(float(v)) for r in rows for v in r.values())
    assert float(rows[0]["learning_rate"]) == pytest.approx(0.01)


def test_terminate_on_nan_stops():
    _, history = fit(trainrun.build("callback", "terminate_on_nan"), epochs=5, y=np.full((40, 1), np.nan))
    assert len(history.epoch) == 1


def test_swap_ema_weights_leaves_the_averaged_weights_in_the_model():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True)
    raw = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: raw.append([v.numpy() for v in note.model.trainable_variables])
    )
    model, _ = fit(note, trainrun.build("callback", "swap_ema_weights"), optimizer=optimizer)
    average = raw[0]
    for weights in raw[1:]:
        average = [0.99 * a + 0.01 * w for a, w in zip(average, weights, strict=True)]
    for variable, expected in zip(model.trainable_variables, average, strict=True):
        np.testing.assert_allclose(
            variable.numpy(), expected, rtol=1e-5, atol=1e-6
        )  # some weights are near zero


def test_tensorboard_writes_its_logs(inside):
    fit(trainrun.build("callback", "tensorboard"), epochs=1)
    assert list(inside.glob("logs/*/events*"))
