"""AdamThenSGD: which optimizer moves the weights when."""

from __future__ import annotations

import keras
import numpy as np
import numpy_optimizers as rules
import pytest
import tensorflow as tf

import trainrun
from trainrun.optimizer.adam_then_sgd import AdamThenSGD

RANDOM = np.random.RandomState(8)
START, GRADIENTS = RANDOM.randn(4, 3), RANDOM.randn(8, 4, 3)


def weights_after_each(optimizer, gradients=GRADIENTS, before_step=lambda step: None, graph=False):
    variable = keras.Variable(START.astype("float32"))
    optimizer.build([variable])

    def apply(gradient):
        optimizer.apply([gradient], [variable])

    apply = tf.function(apply) if graph else apply
    seen = []
    for step, gradient in enumerate(gradients):
        before_step(step)
        apply(tf.constant(gradient, tf.float32))
        seen.append(variable.numpy())
    return seen


def expected(switch, first=rules.adam, second=rules.sgd, rates=(0.001, 0.01), of_first=None, of_second=None):
    before = rules.run(first, START, GRADIENTS[:switch], rates[0], **(of_first or {}))
    of_second = {"momentum": 0.9} if of_second is None else of_second
    after = rules.run(second, before[-1] if before else START, GRADIENTS[switch:], rates[1], **of_second)
    return [*before, *after]


@pytest.mark.parametrize("switch", [0, 3, 8])
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_is_adam_up_to_the_switch_and_fresh_sgd_after_it(switch, graph):
    optimizer = AdamThenSGD(switch_at=switch)
    seen = weights_after_each(optimizer, graph=graph)
    np.testing.assert_allclose(seen, expected(switch), rtol=2e-5, atol=2e-6)


def test_the_second_begins_with_its_own_bias_correction():
    optimizer = trainrun.build("optimizer", "adam_then_sgd", first="sgd", second="nadam", switch_at=5)
    reference = expected(5, rules.sgd, rules.nadam, (0.01, 0.001), {}, {})
    np.testing.assert_allclose(weights_after_each(optimizer), reference, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_switch_hands_over_from_the_next_update_on(graph):
    optimizer = AdamThenSGD()
    seen = weights_after_each(optimizer, before_step=lambda s: s == 4 and optimizer.switch(), graph=graph)
    np.testing.assert_allclose(seen, expected(4), rtol=2e-5, atol=2e-6)


def test_without_switch_it_is_the_first_alone():
    np.testing.assert_allclose(weights_after_each(AdamThenSGD()), expected(8), rtol=2e-5, atol=2e-6)


def test_the_weight_decay_and_clipping_of_each_act_in_its_own_phase():
    optimizer = AdamThenSGD(
        keras.optimizers.AdamW(0.01, weight_decay=0.1), keras.optimizers.SGD(0.1, clipvalue=0.05), switch_at=4
    )
    before = rules.run(rules.adam, START, GRADIENTS[:4], 0.01, decay=0.1)
    after = rules.run(rules.sgd, before[-1], GRADIENTS[4:].clip(-0.05, 0.05), 0.1)
    np.testing.assert_allclose(weights_after_each(optimizer), [*before, *after], rtol=2e-5, atol=2e-6)


def test_learning_rate_is_that_of_the_optimizer_in_charge():
    optimizer = AdamThenSGD(keras.optimizers.Adam(0.1), keras.optimizers.SGD(0.2))
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    optimizer.learning_rate = 0.05
    assert float(optimizer.first.learning_rate) == pytest.approx(0.05)
    optimizer.switch()
    assert float(optimizer.learning_rate) == pytest.approx(0.2)
    optimizer.learning_rate = 0.02
    assert float(optimizer.second.learning_rate) == pytest.approx(0.02)
    assert float(optimizer.first.learning_rate) == pytest.approx(0.05)


def test_a_schedule_runs_on_over_the_switch():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1, 3, 5], [0.4, 0.3, 0.2, 0.1])
    optimizer = AdamThenSGD("sgd", "sgd", switch_at=4, learning_rate=schedule)
    rates = []
    weights_after_each(optimizer, before_step=lambda step: rates.append(float(optimizer.learning_rate)))
    np.testing.assert_allclose(rates, [float(schedule(step)) for step in range(8)])
    seen = weights_after_each(AdamThenSGD("sgd", "sgd", switch_at=4, learning_rate=schedule))
    moved = -np.diff([START, *seen], axis=0)
    np.testing.assert_allclose(moved, np.array(rates)[:, None, None] * GRADIENTS, rtol=1e-4, atol=1e-5)


def test_the_schedule_survives_the_config():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1, 3, 5], [0.4, 0.3, 0.2, 0.1])
    optimizer = AdamThenSGD("sgd", "sgdm", switch_at=4, learning_rate=schedule)
    again = AdamThenSGD.from_config(optimizer.get_config())
    np.testing.assert_array_equal(weights_after_each(again), weights_after_each(optimizer))


@pytest.mark.parametrize("switch_at", [-1, 2.5, "0.5run", True])
def test_refuses_a_switch_that_is_no_number_of_batches(switch_at):
    with pytest.raises(ValueError, match="switch_at"):
        AdamThenSGD(switch_at=switch_at)
