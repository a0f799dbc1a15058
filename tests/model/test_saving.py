"""A model's file holds what Keras itself would write, and is never half there."""

from __future__ import annotations

import io
import threading
import zipfile

import h5py
import keras
import numpy as np
import pytest

from trainrun.model import saving


@pytest.fixture
def model():
    from trainrun.optimizer.lookahead import Lookahead

    one = keras.Input((4,))
    hidden = keras.layers.Dropout(0.1)(keras.layers.BatchNormalization()(keras.layers.Dense(3, "relu")(one)))
    made = keras.Model(one, keras.Sequential([keras.layers.Dense(2)])(hidden))
    made.compile(Lookahead(keras.optimizers.Adam(0.01)), "mse", metrics=["mae", keras.metrics.AUC()])
    made.fit(np.ones((6, 4), "float32"), np.tile([[0.0, 1.0]], (6, 1)), verbose=0)
    return made


def content(path):
    """Return what a file holds: the config's text, and the arrays by their names."""
    with zipfile.ZipFile(path) as file, h5py.File(io.BytesIO(file.read("model.weights.h5"))) as weights:
        arrays = {}
        weights.visititems(
            lambda name, item: arrays.update({name: item[()].tobytes()}) if hasattr(item, "dtype") else None
        )
        return file.read("config.json"), arrays


def test_it_is_what_keras_writes(model, tmp_path):
    model.save(tmp_path / "keras.keras")
    # In a thread of its own, where Keras has looked for nothing yet.
    thread = threading.Thread(target=saving.save, args=(model, tmp_path / "ours.keras"))
    thread.start(), thread.join()
    ours, theirs = content(tmp_path / "ours.keras"), content(tmp_path / "keras.keras")
    assert ours == theirs
    assert len(ours[1]) > 20, "weights, and the optimizer's"


def test_one_that_cannot_be_written_leaves_what_was_there(model, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    saving.save(model, path)
    before = path.read_bytes()

    def full(to):
        to.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", full)
    with pytest.raises(OSError, match="No space"):
        saving.save(model, path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["model.keras"]
