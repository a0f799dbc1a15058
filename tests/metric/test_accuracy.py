"""Accuracy that knows the labels' form, against scikit-learn and Keras' own string."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import sklearn.metrics as sk

import trainrun
from trainrun.errors import UserError

RNG = np.random.default_rng(5)
IDS = RNG.integers(0, 3, 60)
SOFTMAX = RNG.dirichlet([1, 1, 1], 60).astype("float32")
BITS = RNG.integers(0, 2, 60)
P = RNG.uniform(size=(60, 1)).astype("float32")
FORMS = {
    "binary": (BITS[:, None], P, sk.accuracy_score(BITS, P[:, 0] > 0.5)),
    "ids": (IDS, SOFTMAX, sk.accuracy_score(IDS, SOFTMAX.argmax(-1))),
    "one_hot": (np.eye(3)[IDS], SOFTMAX, sk.accuracy_score(IDS, SOFTMAX.argmax(-1))),
}


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "from the shapes"])
@pytest.mark.parametrize("form", FORMS)
def test_equals_scikit_learn_for_each_form(form, declared):
    y, p, expected = FORMS[form]
    metric = trainrun.build("metric", "accuracy", labels=form if declared else None)
    metric.update_state(y[:40], p[:40])
    metric.update_state(y[40:], p[40:])
    assert float(metric.result()) == pytest.approx(expected)
    assert metric.name == "accuracy"


@pytest.mark.parametrize("form", FORMS)
def test_does_in_fit_what_keras_does_for_its_string(form):
    y, p, expected = FORMS[form]
    model = keras.Sequential([keras.Input(p.shape[1:]), keras.layers.Activation("linear")])
    loss = {"binary": "bce", "ids": "scce", "one_hot": "cce"}[form]
    logs = []
    for metric in ("accuracy", trainrun.build("metric", "accuracy")):
        model.compile(loss=trainrun.build("loss", loss), metrics=[metric])
        logs.append(model.evaluate(p, y, verbose=0, return_dict=True)["accuracy"])
    assert logs == pytest.approx([expected, expected])


def test_weights_count():
    weight = RNG.uniform(size=60)
    metric = trainrun.build("metric", "acc", labels="ids")
    metric.update_state(IDS, SOFTMAX, sample_weight=weight)
    expected = sk.accuracy_score(IDS, SOFTMAX.argmax(-1), sample_weight=weight)
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def test_labels_of_rank_one_go_with_one_output():
    metric = trainrun.build("metric", "accuracy", labels="binary")
    metric.update_state(BITS, P)
    assert float(metric.result()) == pytest.approx(FORMS["binary"][2])


def test_several_labels_at_once_are_each_right_or_wrong():
    y, p = RNG.integers(0, 2, (60, 4)), RNG.uniform(size=(60, 4))
    metric = trainrun.build("metric", "accuracy", labels="binary")
    assert float(metric(y, p)) == pytest.approx((y == (p > 0.5)).mean())


def test_function_form_returns_1_or_0_for_each_label():
    right = trainrun.build("metric", "accuracy", form="function", labels="ids")(IDS, SOFTMAX)
    np.testing.assert_array_equal(right, SOFTMAX.argmax(-1) == IDS)


@pytest.mark.parametrize("name", ["accuracy", "top_k_accuracy"])
def test_refuses_an_unknown_form(name):
    with pytest.raises(UserError, match="one_hot"):
        trainrun.build("metric", name, labels="dense")


@pytest.mark.parametrize("form", ["ids", "one_hot", None])
def test_top_k_equals_scikit_learn(form):
    y = np.eye(3)[IDS] if form == "one_hot" else IDS
    metric = trainrun.build("metric", "top_k_accuracy", k=2, labels=form)
    expected = sk.top_k_accuracy_score(IDS, SOFTMAX, k=2)
    assert float(metric(y, SOFTMAX)) == pytest.approx(expected)


def test_top_k_of_fewer_classes_than_guesses_is_always_right():
    assert float(trainrun.build("metric", "top_k", labels="ids")(IDS, SOFTMAX)) == 1.0
    with pytest.raises(UserError, match="k=0"):
        trainrun.build("metric", "top_k", k=0)
