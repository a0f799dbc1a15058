"""Minimizing a Python function of variables, held to scipy and to the algebra of a quadratic."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import optimize

import trainrun
from trainrun.errors import UserError


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_a_quadratic_ends_where_its_gradient_vanishes():
    matrix, vector = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([1.0, -1.0])

    def quadratic(x):
        return 0.5 * tf.linalg.matvec(tf.constant(matrix), x)[None] @ x[:, None] - tf.tensordot(vector, x, 1)

    result = trainrun.minimize(
        lambda x: tf.squeeze(quadratic(x)), [np.zeros(2)], "sgd", 200, learning_rate=0.3
    )
    np.testing.assert_allclose(result.values[0], np.linalg.solve(matrix, vector), rtol=1e-9)
    first = 0.3 * vector
    expected = [0.0, 0.5 * first @ matrix @ first - vector @ first]
    np.testing.assert_allclose(result.history[:2], expected, rtol=1e-6)  # the rate is float32
    assert len(result.history) == 201 and result.value == result.history[-1]


@pytest.mark.parametrize("make", [keras.Variable, tf.Variable])
def test_rosenbrock_ends_where_scipy_ends(make):
    x = make(np.array([-1.2, 1.0]), dtype="float64")
    adam = keras.optimizers.Adam(0.02)
    result = trainrun.minimize(lambda: rosenbrock(x), [x], adam, steps=6000)
    reference = optimize.minimize(rosenbrock, [-1.2, 1.0])
    np.testing.assert_allclose(result.values[0], reference.x, atol=1e-3)
    np.testing.assert_allclose(x.numpy(), result.values[0])
    assert result.history[0] == pytest.approx(rosenbrock([-1.2, 1.0]))


@pytest.mark.parametrize(
    ("function", "variables", "text"),
    [
        (lambda: 1.0, [1.0], "takes no arguments"),
        (lambda x, y: x, [1.0], "takes 2 arguments"),
        (lambda x: np.float64(3), [1.0], "returned float64"),
        (lambda x: x * tf.ones(2), [1.0], r"returned a tensor \[2\]"),
        (lambda x, y: x**2, [1.0, 2.0], "does not depend on variable 1"),
    ],
)
def test_a_function_that_does_not_fit_is_refused(function, variables, text):
    with pytest.raises(UserError, match=text):
        trainrun.minimize(function, variables)
