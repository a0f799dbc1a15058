"""RAdam against the paper's algorithm."""

from __future__ import annotations

import keras
import numpy as np
import numpy_optimizers as rules
import pytest
import tensorflow as tf

from trainrun.optimizer.radam import RAdam, rectification, update

RANDOM = np.random.RandomState(5)
START, GRADIENTS = RANDOM.randn(4, 3), RANDOM.randn(12, 4, 3)


@pytest.mark.parametrize("arguments", [{}, {"beta_2": 0.9}, {"beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3}])
@pytest.mark.parametrize("threshold", [4.0, 5.0])
def test_matches_the_paper_formula_through_the_warm_up_and_after(arguments, threshold):
    variable = keras.Variable(START.astype("float32"))
    optimizer = RAdam(0.01, rho_threshold=threshold, **arguments)
    expected = rules.run(rules.radam, START, GRADIENTS, 0.01, threshold=threshold, **arguments)
    for gradient, weights in zip(GRADIENTS, expected, strict=True):
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
        np.testing.assert_allclose(variable.numpy(), weights, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("threshold, first", [(4.0, 5), (5.0, 6)])
def test_adaptive_steps_begin_where_the_paper_and_its_code_begin_them(threshold, first):
    tractable = [bool(rectification(t, 0.999, threshold)[0]) for t in range(1, 10)]
    assert tractable.index(True) + 1 == first
    assert all(tractable[first - 1 :])


def test_the_factor_goes_to_one():
    factors = [float(rectification(t, 0.999, 4.0)[1]) for t in (5, 10, 100, 1000, 100_000)]
    assert factors == sorted(factors)
    assert factors[0] < 0.1
    assert factors[-1] == pytest.approx(1.0, abs=1e-9)


def test_sums_the_rows_of_a_sparse_gradient():
    rows, values = [1, 3, 1, 1], RANDOM.randn(4, 3)
    dense = np.zeros((4, 3))
    np.add.at(dense, rows, values)
    sparse = tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows), tf.constant([4, 3]))
    variable = keras.Variable(START.astype("float32"))
    optimizer = RAdam(0.01)
    for _ in range(7):
        optimizer.apply([sparse], [variable])
    expected = rules.run(rules.radam, START, [dense] * 7, 0.01)[-1]
    np.testing.assert_allclose(variable.numpy(), expected, rtol=2e-5, atol=2e-6)


def test_the_pure_update_is_the_optimizers_step():
    hyper = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "rho_threshold": 4.0}
    param = tf.constant(START, tf.float32)
    slots = (tf.zeros_like(param), tf.zeros_like(param))
    for step, gradient in enumerate(GRADIENTS[:7], start=1):
        param, slots = update(param, tf.constant(gradient, tf.float32), slots, step=step, **hyper)
    np.testing.assert_allclose(
        param, rules.run(rules.radam, START, GRADIENTS[:7], 0.01)[-1], rtol=2e-5, atol=2e-6
    )


@pytest.mark.parametrize("arguments", [{"rho_threshold": 3.0}, {"beta_2": 0.5}, {"beta_2": 1.0}])
def test_refuses_what_has_no_rectification(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        RAdam(**arguments)
