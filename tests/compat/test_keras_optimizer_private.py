"""The private parts of Keras' optimizers that we use or override are there and act as `compat` says."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

from trainrun.compat import keras_optimizer_private as private


def test_rate_is_the_schedule_itself_or_a_variable():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert private.rate(keras.optimizers.SGD(schedule)) is schedule
    assert isinstance(private.rate(keras.optimizers.SGD(0.1)), keras.Variable)
    assert private.rate(object()) is None


def test_step_counter_counts_batches_where_the_public_one_counts_updates():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    variable = keras.Variable([1.0])
    optimizer.build([variable])
    for _ in range(3):
        optimizer.apply([tf.constant([1.0])])
    assert int(private.step_counter(optimizer).numpy()) == 3
    assert int(optimizer.iterations) == 1
    private.step_counter(optimizer).assign_add(1)
    assert int(optimizer.iterations) == 2


def test_trained_variables_are_the_models():
    variable = keras.Variable([1.0])
    optimizer = keras.optimizers.Adam()
    optimizer.build([variable])
    assert list(private.trained_variables(optimizer)) == [variable]


def test_clip_scales_to_the_norm():
    (clipped,) = private.clip(keras.optimizers.SGD(clipnorm=1.0), [tf.constant([3.0, 4.0])])
    np.testing.assert_allclose(clipped, [0.6, 0.8], rtol=1e-6)


def test_decay_and_update_neither_clips_nor_counts():
    variable = keras.Variable([2.0, 2.0])
    optimizer = keras.optimizers.SGD(0.5, weight_decay=0.1, clipnorm=1.0)
    optimizer.build([variable])
    private.decay_and_update(optimizer, [tf.constant([3.0, 4.0])], [variable])
    np.testing.assert_allclose(
        variable.numpy(), 2.0 * (1 - 0.5 * 0.1) - 0.5 * np.array([3.0, 4.0]), rtol=1e-6
    )
    assert int(private.step_counter(optimizer).numpy()) == 0


def test_apply_clips_by_what_stands_in_the_place_of_clipping():
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    private.replace_clipping(optimizer, lambda clip: lambda grads: [2 * g for g in clip(grads)])
    variable = keras.Variable([0.0, 0.0])
    optimizer.build([variable])
    optimizer.apply([tf.constant([3.0, 4.0])])
    np.testing.assert_allclose(variable.numpy(), [-1.2, -1.6], rtol=1e-6)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("_clip_gradients", ["self", "grads"]),
        ("_backend_update_step", ["self", "grads", "trainable_variables", "learning_rate"]),
        ("_apply_weight_decay", ["self", "variables"]),
        ("_get_variable_index", ["self", "variable"]),
        ("_var_key", ["self", "variable"]),
        ("update_step", ["self", "gradient", "variable", "learning_rate"]),
    ],
)
def test_methods_that_our_optimizers_override_or_call_have_these_parameters(method, parameters):
    owner = TFOptimizer if hasattr(TFOptimizer, method) else BaseOptimizer
    assert list(inspect.signature(getattr(owner, method)).parameters) == parameters


@pytest.mark.parametrize("method", ["_clip_gradients", "_backend_update_step", "_apply_weight_decay"])
def test_apply_calls_the_methods_that_our_optimizers_override(method):
    called = []

    class Probe(keras.optimizers.SGD):
        pass

    setattr(
        Probe,
        method,
        lambda self, *a: (called.append(method), getattr(super(Probe, self), method)(*a))[1],
    )
    optimizer = Probe(0.1, clipnorm=1.0, weight_decay=0.1)
    optimizer.build([variable := keras.Variable([1.0])])
    optimizer.apply([tf.constant([1.0])], [variable])
    assert called == [method]


def test_replaced_parts_get_the_methods_of_the_class_and_know_the_variable():
    optimizer, variable = keras.optimizers.SGD(1.0, weight_decay=0.5), keras.Variable([2.0])
    seen = []

    def decay(own, listed):
        seen.append([private.variable_key(optimizer, v) for v in listed])
        own(listed)

    def update(own, gradient, one, rate):
        seen.append(private.variable_key(optimizer, one))
        own(gradient, one, 0.5 * rate)

    private.replace_parts(optimizer, decay, update)
    optimizer.apply([keras.ops.ones(1)], [variable])
    key = private.variable_key(optimizer, variable)
    assert seen == [[key], key] and variable.numpy() == [0.5]
