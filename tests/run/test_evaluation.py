"""Predictions of the trained model for the plots, compared with those of Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun
from trainrun.data.dataset import Split
from trainrun.data.lazy_array import View
from trainrun.run import evaluation

X = np.random.default_rng(0).normal(size=(21, 5, 3)).astype("float32")


@pytest.fixture(scope="module")
def model():
    """Two inputs, one of them a series; two outputs."""
    series, number = keras.Input((5, 3), name="series"), keras.Input((1,), name="number")
    hidden = keras.layers.Concatenate()([keras.layers.LSTM(4)(series), number])
    outputs = {"kind": keras.layers.Dense(3, "softmax")(hidden), "price": keras.layers.Dense(1)(hidden)}
    return keras.Model({"series": series, "number": number}, outputs)


@pytest.mark.parametrize("rows", [1, 7, 8, 16, 21])
@pytest.mark.parametrize("lazy", [False, True])
def test_predictions_of_all_batches_at_once_are_those_of_keras(model, rows, lazy):
    x = {"series": X[:rows], "number": X[:rows, 0, :1]}
    if lazy:
        x = {name: View.of(array) for name, array in x.items()}
    predicted = evaluation.predictor(model, Split(x, np.zeros(rows)), 8)(Split(x, np.zeros(rows)))
    expected = model.predict({"series": X[:rows], "number": X[:rows, 0, :1]}, batch_size=8, verbose=0)
    assert predicted.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_allclose(predicted[name], array, rtol=1e-6, atol=1e-7)


def test_predictions_block_by_block_are_those_of_the_saved_model(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made, predictions = [], evaluation.predictions
    monkeypatch.setattr(evaluation, "BLOCK", 64 * 40)  # of 64 numbers: 32 images at once
    monkeypatch.setattr(evaluation, "predictions", lambda *args: made.append(predictions(*args)) or made[-1])
    run = trainrun.run(["trainer.epochs=1", "artifacts.plots=true", "tracking=none"])
    x = run.data().test.x
    np.testing.assert_allclose(made[0], run.model.predict(np.asarray(x), verbose=0), atol=1e-6)
