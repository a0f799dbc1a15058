"""Weights that are not trained, held to plain Keras."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.errors import UserError
from trainrun.model import freezing


def model():
    inputs = keras.Input((4,))
    x = keras.layers.BatchNormalization(name="backbone_norm")(keras.layers.Dense(3, name="backbone")(inputs))
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


def trained(model):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).normal(3, 2, (16, 4)).astype("float32")
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(x, np.ones((16, 2)), batch_size=8, verbose=0)
    return model.get_weights()


@pytest.mark.parametrize(("freeze", "trainable"), [(["backbone.*"], []), ([], ["head/.*"])])
def test_a_frozen_backbone_is_that_of_keras_guide(seeded, freeze, trainable):
    ours, plain = model(), model()
    plain.set_weights(ours.get_weights())
    freezing.apply(ours, freeze, trainable)
    for name in ("backbone", "backbone_norm"):
        plain.get_layer(name).trainable = False  # batch normalization in inference mode
    for got, expected in zip(trained(ours), trained(plain), strict=True):
        np.testing.assert_array_equal(got, expected)
    rows = freezing.rows(ours)
    states = {row.path: row.state for row in rows}
    assert {k for k, state in states.items() if state == "trained"} == {"head/kernel", "head/bias"}
    assert freezing.line(rows) == "8 of 35 parameters are trained"


def test_without_its_statistics_batch_normalization_goes_on_to_measure(seeded):
    ours = model()
    before = {w.path: w.numpy() for w in ours.weights}
    freezing.apply(ours, ["backbone_norm/(gamma|beta)"], [])
    trained(ours)
    moved = {w.path for w in ours.weights if not np.array_equal(before[w.path], w.numpy())}
    assert {"backbone_norm/moving_mean", "backbone/kernel"} <= moved
    assert not {"backbone_norm/gamma", "backbone_norm/beta"} & moved


@pytest.mark.parametrize(
    ("freeze", "trainable", "message"),
    [
        (["bakbone/.*"], [], "model.freeze: .*Near ones: backbone"),
        (["head"], [], "Write head/.*"),
        ([], ["tail/.*"], "model.trainable: 'tail/.*' matches the path of no weight"),
        ([".*"], [], "no weight is left to train"),
    ],
)
def test_what_names_no_weight_or_leaves_none_is_refused(freeze, trainable, message):
    with pytest.raises(UserError, match=message):
        freezing.apply(model(), freeze, trainable)
