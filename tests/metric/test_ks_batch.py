"""KS of each batch: exact within it, and not the epoch's value."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import sklearn.metrics as sk
import tensorflow as tf

import trainrun
from trainrun.metric.ks_batch import KSBatch, ks_batch

RNG = np.random.default_rng(9)
Y = RNG.integers(0, 2, 256)
P = np.round(RNG.uniform(size=256), 2).astype("float32")
WEIGHT = RNG.uniform(size=256)


def exact(y, p, weight=None):
    fpr, tpr, _ = sk.roc_curve(y, p, sample_weight=weight)
    return max(tpr - fpr)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_equals_scikit_learn_on_one_batch_with_ties(weight):
    assert float(ks_batch(Y[:, None], P[:, None], weight)) == pytest.approx(exact(Y, P, weight), abs=1e-5)


def test_function_form_is_the_function():
    assert trainrun.build("metric", "ks_batch", form="function") is ks_batch


def test_equal_scores_cannot_be_parted():
    assert float(ks_batch([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])) == 0.0
    assert float(ks_batch([0, 1], [0.0, 1.0])) == 1.0


@pytest.mark.parametrize("y", [[0, 0], [1, 1]])
def test_is_zero_while_a_class_is_absent(y):
    assert float(ks_batch(y, [0.2, 0.8])) == 0.0


def test_in_evaluate_is_the_mean_over_batches_as_class_and_as_function():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Activation("linear")])
    model.compile(loss="mse", metrics=[KSBatch(name="mine"), ks_batch])
    logs = model.evaluate(P[:, None], Y[:, None], batch_size=64, verbose=0, return_dict=True)
    expected = np.mean([exact(Y[i : i + 64], P[i : i + 64]) for i in range(0, 256, 64)])
    assert logs["mine"] == pytest.approx(expected, abs=1e-5)
    assert logs["ks_batch"] == pytest.approx(expected, abs=1e-5)


def test_differs_from_the_epochs_value_as_the_docs_say():
    """For scores that say nothing: about 0.63 * sqrt(1/positives + 1/negatives) above the truth, 0."""
    y, p = np.tile([0, 1], 20_000), RNG.uniform(size=40_000)
    batches, epoch = trainrun.build("metric", "ks_batch"), trainrun.build("metric", "ks")
    for i in range(0, 40_000, 200):
        batches.update_state(y[i : i + 200], p[i : i + 200])
    epoch.update_state(y, p)
    assert float(batches.result()) == pytest.approx(0.63 * (2 / 100) ** 0.5, rel=0.1)
    assert float(epoch.result()) < 0.02


def test_in_the_graph_with_xla():
    compiled = tf.function(ks_batch, jit_compile=True)
    assert float(compiled(Y, P)) == pytest.approx(exact(Y, P), abs=1e-5)


def test_survives_saving():
    metric = trainrun.build("metric", "ks_batch")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert float(again(Y, P)) == pytest.approx(exact(Y, P), abs=1e-5)
