"""Lookahead against the paper's algorithm, and its learning rate, which is the inner optimizer's."""

from __future__ import annotations

import keras
import numpy as np
import numpy_optimizers as rules
import pytest
import tensorflow as tf

import trainrun
from trainrun.optimizer.lookahead import Lookahead
from trainrun.optimizer.ranger import Ranger

RANDOM = np.random.RandomState(11)
START, GRADIENTS = RANDOM.randn(4, 3), RANDOM.randn(9, 4, 3)


def weights_after_each(optimizer, gradients=GRADIENTS):
    variable = keras.Variable(START.astype("float32"))
    seen = []
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
        seen.append(variable.numpy())
    return seen


@pytest.mark.parametrize("period, share", [(1, 0.5), (2, 0.5), (6, 0.5), (3, 0.8), (4, 1.0)])
@pytest.mark.parametrize(
    "inner, rule, arguments",
    [
        ("sgd", rules.sgd, {}),
        ({"name": "sgd", "momentum": 0.9}, rules.sgd, {"momentum": 0.9}),
        ("adam", rules.adam, {}),
        ("nadam", rules.nadam, {}),
        ("radam", rules.radam, {}),
    ],
    ids=["sgd", "sgd-momentum", "adam", "nadam", "radam"],
)
def test_matches_the_paper_algorithm(inner, rule, arguments, period, share):
    optimizer = trainrun.build(
        "optimizer", "lookahead", inner=inner, sync_period=period, slow_step_size=share, learning_rate=0.02
    )
    expected = rules.run(rules.lookahead, START, GRADIENTS, rule, period, share, 0.02, **arguments)
    np.testing.assert_allclose(weights_after_each(optimizer), expected, rtol=3e-5, atol=3e-6)


def test_ranger_is_lookahead_over_radam():
    optimizer = trainrun.build("optimizer", "ranger", learning_rate=0.02, sync_period=3, beta_2=0.9)
    expected = rules.run(rules.lookahead, START, GRADIENTS, rules.radam, 3, 0.5, 0.02, beta_2=0.9)
    np.testing.assert_allclose(weights_after_each(optimizer), expected, rtol=3e-5, atol=3e-6)


def test_slow_weights_begin_as_the_weights_before_the_first_step_not_those_at_build():
    variable = keras.Variable(np.zeros((4, 3), "float32"))
    optimizer = Lookahead("sgd", sync_period=1, learning_rate=0.02)
    optimizer.build([variable])
    variable.assign(START.astype("float32"))
    optimizer.apply([tf.constant(GRADIENTS[0], tf.float32)], [variable])
    np.testing.assert_allclose(variable.numpy(), START - 0.5 * 0.02 * GRADIENTS[0], rtol=1e-5, atol=1e-6)


def test_keeps_the_inner_learning_rate_unless_given_one():
    assert float(Lookahead(keras.optimizers.SGD(0.3)).learning_rate) == pytest.approx(0.3)
    assert float(
        Lookahead(keras.optimizers.SGD(0.3), learning_rate=0.1).inner.learning_rate
    ) == pytest.approx(0.1)
    assert float(Lookahead("sgdm").inner.momentum) == 0.9


def test_learning_rate_set_outside_reaches_the_inner_optimizer():
    optimizer = Lookahead("sgd", sync_period=100, learning_rate=0.1)
    optimizer.learning_rate = 0.5
    moved = START - weights_after_each(optimizer, GRADIENTS[:1])[0]
    np.testing.assert_allclose(moved, 0.5 * GRADIENTS[0], rtol=1e-5, atol=1e-6)


def test_reduce_lr_on_plateau_reduces_it():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(Ranger(0.4), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, factor=0.5)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_end(epoch, {"loss": 1.0})
    assert float(model.optimizer.inner.learning_rate) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "arguments, word",
    [
        ({"sync_period": 0}, "sync_period"),
        ({"sync_period": 1.5}, "sync_period"),
        ({"slow_step_size": 0.0}, "slow_step_size"),
        ({"slow_step_size": 1.5}, "slow_step_size"),
        ({"inner": keras.optimizers.SGD(use_ema=True)}, "use_ema"),
        ({"inner": keras.optimizers.SGD(gradient_accumulation_steps=2)}, "gradient_accumulation_steps"),
    ],
)
def test_refuses_what_it_cannot_do(arguments, word):
    with pytest.raises(ValueError, match=word):
        Lookahead(**arguments)
