"""How often checkpoints are written, and what is in them at the end."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from trainrun import checkpoint


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


def train(model, folder, losses, clock=lambda: 0.0, stop_at=None):
    """Drive the callback through epochs of these losses; return which file `last.npz` was after each."""
    callback, written = checkpoint.Checkpoint(folder, clock=clock), []
    callback.set_model(model)
    callback.set_params({"epochs": len(losses)})
    model.stop_training = False
    callback.on_train_begin()
    for epoch, loss in enumerate(losses):
        model.layers[0].bias.assign([float(epoch)])
        model.stop_training = epoch == stop_at
        callback.on_epoch_end(epoch, {"loss": 9.0, "val_loss": loss})
        last = folder / "checkpoints" / "last.npz"
        written.append(last.stat().st_ino)
        if model.stop_training:
            break
    # As early stopping does that restores the best weights: what was written is not touched by it.
    model.layers[0].bias.assign([-1.0])
    callback.on_train_end()
    return written


def restored(model, folder, name):
    epoch = checkpoint.restore(folder / "checkpoints" / name, model)
    return epoch, float(np.array(model.layers[0].bias)[0])


def test_short_epochs_leave_the_last_and_the_best_nevertheless(model, tmp_path):
    written = train(model, tmp_path, [5.0, 4.0, 1.0, 2.0, 3.0, 2.0])
    assert restored(model, tmp_path, "last.npz") == (6, 5.0)
    assert restored(model, tmp_path, "best.npz") == (3, 2.0)
    assert len(set(written[:5])) == 1, "epochs within the same second were each written"


def test_epochs_of_ten_seconds_are_each_written(model, tmp_path):
    seconds = iter(range(0, 1000, 11))
    written = train(model, tmp_path, [5.0, 4.0, 1.0, 2.0], clock=lambda: float(next(seconds)))
    assert all(a != b for a, b in itertools.pairwise(written))


def test_training_that_is_stopped_writes_its_last_epoch(model, tmp_path):
    train(model, tmp_path, [5.0, 4.0, 1.0, 2.0, 0.5], stop_at=3)
    assert restored(model, tmp_path, "last.npz") == (4, 3.0)
    assert restored(model, tmp_path, "best.npz") == (3, 2.0)
