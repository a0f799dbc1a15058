"""Focal loss against numpy, at its edges, and in a model."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.errors import UserError
from trainrun.loss.focal import Focal, focal

RNG = np.random.default_rng(1)
Y = RNG.integers(0, 2, size=(20, 1)).astype("float32")
P = RNG.uniform(0.01, 0.99, size=(20, 1)).astype("float32")
BITS = RNG.integers(0, 2, size=(20, 3)).astype("float32")
PS = RNG.uniform(0.01, 0.99, size=(20, 3)).astype("float32")
LOGITS = (RNG.normal(size=(20, 4)) * 3).astype("float32")
SOFTMAX = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
ONE_HOT = np.eye(4, dtype="float32")[RNG.integers(0, 4, 20)]


def reference(y, p, gamma=2.0, alpha=0.75):
    """Lin et al. 2017, equation 5, element by element."""
    y, p = y.astype(float), p.astype(float)
    return np.where(y == 1, -alpha * (1 - p) ** gamma * np.log(p), -(1 - alpha) * p**gamma * np.log(1 - p))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("alpha", [0.25, 0.75])
def test_binary_equals_the_paper_formula(gamma, alpha):
    loss = trainrun.build("loss", "focal", gamma=gamma, alpha=alpha)
    assert float(loss(Y, P)) == pytest.approx(reference(Y, P, gamma, alpha).mean(), rel=1e-5)


def test_defaults_are_gamma_two_and_alpha_three_quarters():
    assert float(trainrun.build("loss", "focal")(Y, P)) == pytest.approx(reference(Y, P).mean(), rel=1e-5)
    assert (Focal().gamma, Focal().alpha) == (2.0, 0.75)


def test_function_form_returns_each_examples_loss():
    each = trainrun.build("loss", "focal", form="function")(Y, P)
    np.testing.assert_allclose(each, reference(Y, P)[:, 0], rtol=1e-4)
    np.testing.assert_allclose(focal(Y[:, 0], P[:, 0]), reference(Y, P)[:, 0], rtol=1e-4)
    np.testing.assert_allclose(focal(Y[:, 0], P), reference(Y, P)[:, 0], rtol=1e-4)


def test_modulates_every_element_before_any_mean():
    """The mean of the cross-entropy first, the factor after it, would be another number."""
    value = float(Focal(elementwise=True)(BITS, PS))
    assert value == pytest.approx(reference(BITS, PS).mean(), rel=1e-5)
    cross_entropy = reference(BITS, PS, gamma=0.0).mean(-1)
    assert value != pytest.approx(float(((1 - np.exp(-cross_entropy)) ** 2 * cross_entropy).mean()), rel=1e-2)


@pytest.mark.parametrize("alpha", [0.75, None, [0.1, 0.2, 0.3, 0.4]])
def test_categorical_equals_its_formula(alpha):
    weight = 1.0 if alpha is None else np.array(alpha)
    expected = -(weight * ONE_HOT * (1 - SOFTMAX) ** 2 * np.log(SOFTMAX)).sum(-1)
    np.testing.assert_allclose(Focal(alpha=alpha, reduction="none")(ONE_HOT, SOFTMAX), expected, rtol=1e-4)
    by_logits = Focal(alpha=alpha, reduction="none", from_logits=True)(ONE_HOT, LOGITS)
    np.testing.assert_allclose(by_logits, expected, rtol=1e-4, atol=1e-7)


def test_segmentation_has_a_loss_for_every_pixel():
    y = np.eye(3, dtype="float32")[RNG.integers(0, 3, (2, 4, 5))]
    p = RNG.dirichlet([1, 1, 1], size=(2, 4, 5)).astype("float32")
    expected = -(0.75 * y * (1 - p) ** 2 * np.log(p)).sum(-1)
    np.testing.assert_allclose(Focal(reduction="none")(y, p), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("edge", [False, True], ids=["inside", "with p of 0 and 1"])
def test_is_cross_entropy_without_gamma_and_alpha(edge):
    p, ps = P.copy(), SOFTMAX.copy()
    if edge:
        p[:4, 0] = [0, 0, 1, 1]
        ps[:2] = [[1, 0, 0, 0], [0, 0, 1, 0]]
    plain = Focal(gamma=0.0, alpha=None, reduction="none")
    binary = keras.losses.BinaryCrossentropy(reduction="none")
    categorical = keras.losses.CategoricalCrossentropy(reduction="none")
    np.testing.assert_allclose(plain(Y, p), binary(Y, p), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(plain(ONE_HOT, ps), categorical(ONE_HOT, ps), rtol=1e-4, atol=1e-6)
    logits = Focal(gamma=0.0, alpha=None, from_logits=True)
    value = keras.losses.BinaryCrossentropy(from_logits=True)(Y, LOGITS[:, :1])
    assert float(logits(Y, LOGITS[:, :1])) == pytest.approx(float(value), rel=1e-5)
    value = keras.losses.CategoricalCrossentropy(from_logits=True)(ONE_HOT, LOGITS)
    assert float(logits(ONE_HOT, LOGITS)) == pytest.approx(float(value), rel=1e-5)


def test_keras_own_balanced_focal_agrees():
    theirs = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.75, gamma=2.0)
    assert float(Focal()(Y, P)) == pytest.approx(float(theirs(Y, P)), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("case", ["probability", "logit", "softmax", "categorical logit", "half"])
def test_value_and_gradient_are_finite_at_the_edges(gamma, case):
    edges = {
        "probability": ([[0.0], [0.0], [1.0], [1.0]], [[0.0], [1.0], [0.0], [1.0]]),
        "logit": ([[-1e4], [-1e4], [1e4], [1e4]], [[0.0], [1.0], [0.0], [1.0]]),
        "softmax": ([[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
        "categorical logit": ([[1e4, -1e4], [1e4, -1e4]], [[1.0, 0.0], [0.0, 1.0]]),
        "half": ([[0.0], [1.0], [0.9995]], [[1.0], [0.0], [0.0]]),
    }
    predictions = tf.constant(edges[case][0], dtype="float16" if case == "half" else "float32")
    with tf.GradientTape() as tape:
        tape.watch(predictions)
        value = focal(edges[case][1], predictions, gamma=gamma, from_logits="logit" in case)
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, predictions)).all()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradient_from_logits_equals_a_difference_quotient(gamma):
    z = np.linspace(-6, 6, 20)[:, None]

    def loss(z):
        return reference(Y, 1 / (1 + np.exp(-z)), gamma).sum()

    slopes = [(loss(z + d) - loss(z - d)) / 2e-5 for d in 1e-5 * np.eye(20)[:, :, None]]
    logits = tf.constant(z, dtype="float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(focal(Y, logits, gamma=gamma, from_logits=True))
    np.testing.assert_allclose(tape.gradient(value, logits)[:, 0], slopes, rtol=1e-3, atol=1e-5)


def test_survives_saving_and_the_graph_with_xla():
    loss = Focal(
        gamma=1.5, alpha=[0.2, 0.3, 0.4, 0.1], from_logits=True, label_smoothing=0.1, reduction="sum"
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert again.get_config() == loss.get_config()
    compiled = tf.function(loss, jit_compile=True)(ONE_HOT, LOGITS)
    assert float(compiled) == pytest.approx(float(again(ONE_HOT, LOGITS)), rel=1e-5)


def test_sample_weights_follow_keras():
    weight = RNG.uniform(size=20).astype("float32")
    expected = (reference(BITS, PS).mean(-1) * weight).mean()
    assert float(Focal(elementwise=True)(BITS, PS, sample_weight=weight)) == pytest.approx(expected, rel=1e-5)


def test_refuses_class_ids_where_one_hot_is_meant():
    with pytest.raises(ValueError, match="one-hot"):
        Focal()(np.zeros(20), SOFTMAX)


@pytest.mark.parametrize("wrong", [{"gamma": -1.0}, {"alpha": 1.5}, {"label_smoothing": 2.0}])
def test_refuses_arguments_out_of_range(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        trainrun.build("loss", "focal", **wrong)
