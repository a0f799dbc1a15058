"""LazyAdam: only the rows that are there."""

from __future__ import annotations

import keras
import numpy as np
import numpy_optimizers as rules
import pytest
import tensorflow as tf

from trainrun.optimizer.lazy_adam import LazyAdam

RANDOM = np.random.RandomState(2)
START = RANDOM.randn(6, 3)
# Each step: rows, some twice; their gradients.
STEPS = [(rows, RANDOM.randn(len(rows), 3)) for rows in ([1, 4, 1], [4], [0, 1, 0, 0], [5, 1], [4, 4])]


def summed(rows, values):
    return {row: values[[i for i, r in enumerate(rows) if r == row]].sum(axis=0) for row in set(rows)}


def slices(rows, values):
    return tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows, tf.int64), tf.constant([6, 3]))


def expected(scale=lambda gradient: gradient):
    steps = rules.lazy_adam(START.copy(), 0.01)
    next(steps)
    return [steps.send(scale(summed(rows, values))) for rows, values in STEPS]


def trained(**arguments):
    variable = keras.Variable(START.astype("float32"))
    optimizer = LazyAdam(0.01, **arguments)
    seen = []
    for rows, values in STEPS:
        optimizer.apply([slices(rows, values)], [variable])
        seen.append(variable.numpy())
    return seen, optimizer


def test_moves_the_rows_of_a_sparse_gradient_and_sums_those_of_one_index():
    weights, _ = trained()
    np.testing.assert_allclose(weights, expected(), rtol=2e-5, atol=2e-6)


def test_leaves_weights_and_moments_of_absent_rows_bit_for_bit():
    variable = keras.Variable(START.astype("float32"))
    optimizer = LazyAdam(0.01)
    optimizer.apply([slices([0, 1, 2, 3, 4, 5], RANDOM.randn(6, 3))], [variable])
    before = [v.numpy() for v in (variable, *optimizer.variables[2:])]
    optimizer.apply([slices([1, 4, 1], RANDOM.randn(3, 3))], [variable])
    after = [v.numpy() for v in (variable, *optimizer.variables[2:])]
    absent, present = [0, 2, 3, 5], [1, 4]
    for b, a in zip(before, after, strict=True):
        np.testing.assert_array_equal(b[absent], a[absent])
        assert (b[present] != a[present]).all()


def test_is_adam_for_dense_gradients():
    variable = keras.Variable(START.astype("float32"))
    optimizer = LazyAdam(0.01)
    gradients = RANDOM.randn(5, 6, 3)
    for gradient, weights in zip(gradients, rules.run(rules.adam, START, gradients, 0.01), strict=True):
        optimizer.apply([tf.constant(gradient, tf.float32)], [variable])
        np.testing.assert_allclose(variable.numpy(), weights, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("argument", ["clipnorm", "global_clipnorm"])
def test_clips_by_the_norm_of_the_summed_rows(argument):
    def scale(gradient):
        norm = np.sqrt(sum((g**2).sum() for g in gradient.values()))
        return {row: g * min(1.0, 0.7 / norm) for row, g in gradient.items()}

    weights, _ = trained(**{argument: 0.7})
    np.testing.assert_allclose(weights, expected(scale), rtol=3e-5, atol=3e-6)


def test_clips_the_summed_rows_by_value():
    weights, _ = trained(clipvalue=0.2)
    clipped = expected(lambda gradient: {row: g.clip(-0.2, 0.2) for row, g in gradient.items()})
    np.testing.assert_allclose(weights, clipped, rtol=2e-5, atol=2e-6)


def test_stays_lazy_where_only_the_dense_sum_arrives():
    # The factor on the loss is taken off again, so this is the case without it.
    variable = keras.Variable(START.astype("float32"))
    optimizer = LazyAdam(0.01, loss_scale_factor=4.0)
    for rows, values in STEPS:
        optimizer.apply([slices(rows, 4.0 * values)], [variable])
    np.testing.assert_allclose(variable.numpy(), expected()[-1], rtol=2e-5, atol=2e-6)


def test_accumulates_sparse_gradients_lazily():
    variable = keras.Variable(START.astype("float32"))
    optimizer = LazyAdam(0.01, gradient_accumulation_steps=2)
    for rows, values in STEPS[:4]:
        optimizer.apply([slices(rows, values)], [variable])
    steps = rules.lazy_adam(START.copy(), 0.01)
    next(steps)
    for (rows, values), (more, others) in [STEPS[0:2], STEPS[2:4]]:
        weights = steps.send(summed(rows + more, np.concatenate([values, others]) / 2))
    np.testing.assert_allclose(variable.numpy(), weights, rtol=2e-5, atol=2e-6)


def test_trains_the_embedding_of_a_model_lazily(seeded):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Embedding(50, 4), keras.layers.Flatten()])
    model.compile(LazyAdam(0.1), "mse")
    before = model.get_weights()[0]
    model.fit(np.array([[3, 7], [3, 3]]), np.ones((2, 8)), batch_size=2, epochs=3, verbose=0)
    changed = np.flatnonzero((model.get_weights()[0] != before).any(axis=1))
    assert changed.tolist() == [3, 7]
