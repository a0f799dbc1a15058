"""Mean prediction, batch by batch."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun
from trainrun.metric.mean_pred import MeanPred, mean_pred

P = np.arange(10, dtype="float32")[:, None]


def test_function_form_is_the_batchs_mean():
    assert float(mean_pred(None, P)) == 4.5
    assert float(mean_pred(None, P, np.arange(10))) == pytest.approx(
        np.average(P[:, 0], weights=np.arange(10))
    )
    assert float(mean_pred(None, P, np.zeros(10))) == 0.0
    assert trainrun.build("metric", "mean_pred", form="function") is mean_pred


def test_every_batch_counts_alike_unlike_the_epochs_mean():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear")])
    model.compile(loss="mse", metrics=[MeanPred(name="mine"), mean_pred])
    logs = model.evaluate(P, P, batch_size=8, verbose=0, return_dict=True)
    assert logs["mine"] == logs["mean_pred"] == np.mean([P[:8].mean(), P[8:].mean()])
    assert logs["mine"] != P.mean()


def test_half_precision_is_averaged_in_single():
    many = np.full((60_000, 1), 0.5, "float16")
    assert float(mean_pred(None, many)) == 0.5
