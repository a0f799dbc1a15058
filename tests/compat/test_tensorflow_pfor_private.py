"""`tf.vectorized_map` with our converters gives each trial what it computes alone; TensorFlow's table is as we assume it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops.parallel_for import pfor

from trainrun.compat import tensorflow_pfor_private as private


def mapped(function, *arguments):
    with private.more_converters():
        run = tf.function(
            lambda *a: tf.vectorized_map(lambda each: function(*each), a, fallback_to_while_loop=False),
            autograph=False,
        )
        return run(*map(tf.constant, arguments)).numpy()


def test_the_table_is_as_it_was_outside():
    before = dict(pfor._pfor_converter_registry)
    with private.more_converters():
        assert set(private.SEPARATE) <= set(pfor._pfor_converter_registry)
    assert pfor._pfor_converter_registry == before


def test_random_draws_are_those_of_each_trials_own_seed():
    seeds = np.array([[1, 2], [3, 4], [1, 2]], "int32")
    drawn = mapped(lambda seed: tf.random.stateless_normal([5], seed), seeds)
    alone = [tf.random.stateless_normal([5], seed).numpy() for seed in seeds]
    np.testing.assert_array_equal(drawn, alone)
    np.testing.assert_array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])


def test_tensorflow_itself_does_not_draw_by_each_trials_seed():
    """Fails when TensorFlow converts stateless draws itself, so that ours may go."""
    seeds = tf.constant([[1, 2], [3, 4]])
    function = tf.function(
        lambda s: tf.vectorized_map(
            lambda seed: tf.random.stateless_normal([5], seed), s, fallback_to_while_loop=False
        ),
        autograph=False,
    )
    with pytest.raises(ValueError, match="No pfor vectorization defined for Stateless"):
        function(seeds)


@pytest.mark.parametrize("rows", [1, 4])
def test_convolutions_with_different_filters_are_those_of_each_trial(rows):
    random = np.random.default_rng(0)
    x = random.normal(size=(3, rows, 6, 6, 2)).astype("float32")
    filters = random.normal(size=(3, 3, 3, 2, 4)).astype("float32")
    together = mapped(lambda a, f: tf.nn.conv2d(a, f, 1, "SAME"), x, filters)
    alone = [tf.nn.conv2d(a, f, 1, "SAME").numpy() for a, f in zip(x, filters, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


def test_bitcast_is_converted_element_by_element():
    values = np.arange(6, dtype="float32").reshape(3, 2)
    np.testing.assert_array_equal(mapped(lambda v: tf.bitcast(v, tf.int32), values), values.view("int32"))


def test_no_converter_for_bitcast_stands_in_tensorflows_table():
    """Fails when TensorFlow has one of its own, so that ours may go."""
    assert not set(private.ELEMENTWISE) & set(pfor._pfor_converter_registry)
