"""switch_on_plateau: when it hands over, and to whom."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.callback.switch_on_plateau import SwitchOnPlateau
from trainrun.optimizer.adam_then_sgd import AdamThenSGD
from trainrun.registry.construct import construct


def watched(values, monitor="val_loss", optimizer=None, **arguments):
    """Return the epoch of the switch and the optimizer after it has seen `values`."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    measured = monitor.removeprefix("val_")
    metrics = [] if measured == "loss" else [construct("metric", measured, name=measured)]
    model.compile(optimizer or AdamThenSGD(), "mse", metrics=metrics)
    model.evaluate(
        np.zeros((2, 2)), np.zeros((2, 1)), verbose=0
    )  # Keras makes the metrics with the first batch
    callback = SwitchOnPlateau(monitor, **arguments)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {monitor: value})
    return callback.switched_epoch, model.optimizer


def test_switches_after_patience_epochs_without_improvement():
    epoch, optimizer = watched([3.0, 2.0, 2.5, 2.0, 1.0, 1.0, 1.1, 1.2, 0.1], patience=3)
    assert epoch == 7
    assert int(optimizer.phase) == 1


def test_does_not_switch_while_it_improves():
    epoch, optimizer = watched([3.0, 2.9, 3.1, 2.8, 2.9, 2.7], patience=2)
    assert epoch is None
    assert int(optimizer.phase) == 0


@pytest.mark.parametrize(
    "monitor, mode, values, epoch",
    [
        ("val_accuracy", "auto", [0.1, 0.2, 0.3, 0.4], None),
        ("val_accuracy", "auto", [0.4, 0.3, 0.2, 0.1], 2),
        ("false_positives", "auto", [0.4, 0.3, 0.2, 0.1], None),
        ("true_negatives", "auto", [0.4, 0.3, 0.2, 0.1], 2),
        ("val_loss", "max", [0.4, 0.3, 0.2, 0.1], 2),
        ("ks", "min", [0.4, 0.3, 0.2, 0.1], None),
    ],
)
def test_follows_the_direction_of_the_metric(monitor, mode, values, epoch):
    assert watched(values, monitor, patience=2, mode=mode)[0] == epoch


def test_small_improvements_do_not_count():
    assert watched([1.0, 0.95, 0.91, 0.7], min_delta=0.1, patience=2)[0] == 2


def test_reaches_the_optimizer_inside_a_loss_scale():
    optimizer = keras.optimizers.LossScaleOptimizer(AdamThenSGD())
    assert watched([1.0, 1.0], optimizer=optimizer, patience=1)[0] == 1
    assert int(optimizer.inner_optimizer.phase) == 1


def test_the_compiled_training_step_sees_the_switch(seeded):
    x, y = np.random.RandomState(0).randn(8, 2), np.zeros((8, 1))
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    # The first makes no steps, the second does.
    first = keras.optimizers.SGD(0.0)
    model.compile(AdamThenSGD(first, keras.optimizers.SGD(0.1)), "mse")
    callback = SwitchOnPlateau("loss", patience=2)
    losses = model.fit(x, y, epochs=6, batch_size=8, verbose=0, callbacks=[callback]).history["loss"]
    assert callback.switched_epoch == 2
    assert losses[0] == losses[1] == losses[2] == losses[3]
    assert losses[5] < losses[4] < losses[3]


def test_refuses_an_optimizer_that_cannot_switch():
    with pytest.raises(ValueError, match=r"optimizer=adam_then_sgd"):
        watched([1.0], optimizer=keras.optimizers.Adam())


def test_refuses_a_metric_that_is_not_logged():
    callback = SwitchOnPlateau("val_auc")
    with pytest.raises(ValueError, match="val_auc, which is not logged; logged are loss"):
        callback.on_epoch_end(0, {"loss": 1.0})


@pytest.mark.parametrize("arguments", [{"mode": "best"}, {"patience": 0}, {"min_delta": -1.0}])
def test_refuses_what_is_out_of_range(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        SwitchOnPlateau(**arguments)
