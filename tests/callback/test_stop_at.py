"""Training that ends when it is good enough."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import trainrun
from trainrun.errors import UserError


def stops(values, **arguments):
    """Return the epoch after which it stops, or None."""
    callback = trainrun.build("callback", "stop_at", **arguments)
    metric = SimpleNamespace(name="accuracy", _direction="up")  # as Keras' metrics have it
    callback.set_model(SimpleNamespace(stop_training=False, metrics=[metric]))
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": 1.0} | ({} if value is None else {callback.monitor: value}))
        if callback.model.stop_training:
            return epoch
    return None


@pytest.mark.parametrize(
    ("monitor", "mode", "value", "values", "epoch"),
    [
        ("val_loss", "auto", 0.2, [0.5, 0.2, 0.1], 1),
        ("val_accuracy", "auto", 0.9, [0.5, 0.8, 0.95], 2),
        ("val_accuracy", "min", 0.6, [0.9, 0.5], 1),
        ("custom", "max", 3, [1, 2, 2.9], None),
        ("val_loss", "auto", 0.2, [None, float("nan"), float("-inf"), 0.1], 3),
    ],
)
def test_stops_when_good_enough(monitor, mode, value, values, epoch):
    assert stops(values, monitor=monitor, mode=mode, value=value) == epoch


def test_metric_that_was_never_logged_is_named_in_a_warning():
    callback = trainrun.build("callback", "stop_at", monitor="val_acuracy")
    callback.on_epoch_end(0, {"loss": 1.0})
    with pytest.warns(UserWarning) as caught:
        callback.on_train_end({"loss": 1.0})
    (message,) = [str(w.message) for w in caught]
    assert "val_acuracy, which was never logged; logged were loss." in message


def test_refuses_another_mode():
    with pytest.raises(UserError, match="auto, min or max"):
        trainrun.build("callback", "stop_at", mode="lower")
