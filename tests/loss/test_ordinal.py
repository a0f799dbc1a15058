"""The ordinal loss and Cohen's kappa against scikit-learn."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, log_loss

from trainrun.loss.ordinal import Ordinal
from trainrun.metric.cohen_kappa import CohenKappa

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(60, 4)).astype("float32")
Y = RNG.integers(0, 4, 60)
P = np.exp(LOGITS.astype("float64")) / np.exp(LOGITS.astype("float64")).sum(1, keepdims=True)


@pytest.mark.parametrize("from_logits", [True, False])
def test_loss_is_the_sum_of_the_log_losses_of_all_thresholds(from_logits):
    above = [log_loss(k < Y, P[:, k + 1 :].sum(1)) for k in range(3)]
    y_pred = LOGITS if from_logits else P.astype("float32")
    loss = Ordinal(from_logits=from_logits)(np.eye(4)[Y], y_pred)
    np.testing.assert_allclose(float(loss), sum(above), rtol=1e-5)


def test_gradient_is_finite_where_a_class_is_certain():
    import tensorflow as tf

    logits = tf.Variable([[90.0, 0.0, 0.0], [0.0, 0.0, 90.0]])
    with tf.GradientTape() as tape:
        loss = Ordinal(from_logits=True)([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]], logits)
    gradient = tape.gradient(loss, logits).numpy()
    assert np.isfinite(gradient).all() and gradient[0, 0] > 0.5


@pytest.mark.parametrize("weights", [None, "linear", "quadratic"])
def test_kappa_equals_scikit_learn(weights):
    guess, weight = RNG.integers(0, 4, 60), RNG.uniform(0, 2, 60)
    metric = CohenKappa(4, weights=weights)
    for part in np.array_split(np.arange(60), 4):
        metric.update_state(Y[part], guess[part], weight[part])
    expected = cohen_kappa_score(Y, guess, weights=weights, sample_weight=weight)
    np.testing.assert_allclose(float(metric.result()), expected, rtol=1e-5)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert again.weights == weights
    metric.reset_state()
    metric.update_state([1, 1], [1, 1])
    assert np.isnan(metric.result())
