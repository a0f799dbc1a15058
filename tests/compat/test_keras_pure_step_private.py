"""The patches that make a training step pure change what they name, only inside, and only where it is needed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow import core
from keras.src.backend.tensorflow import numpy as operations
from keras.src.backend.tensorflow.optimizer import TFOptimizer
from keras.src.optimizers.base_optimizer import BaseOptimizer

from trainrun.compat import keras_pure_step_private as private


def patched() -> dict:
    methods = {name: vars(TFOptimizer)[name] for name in (*private.OVERRIDDEN, "_var_key")}
    return {**methods, "tf.cond": tf.cond, "core.cond": core.cond, "divide": operations.divide}


def test_the_overridden_methods_are_all_that_tensorflows_optimizer_changes():
    """Fails when Keras overrides another method for tf.distribute, which a pure step would then still take."""
    own = {
        name for name, value in vars(TFOptimizer).items() if callable(value) and hasattr(BaseOptimizer, name)
    }
    kept = {"__init__", "add_variable_from_reference", "stateless_apply", "_var_key"}
    kept.add("_clip_by_norm")  # computes, writes nothing
    dunder = {name for name in own if name.startswith("__")}
    assert own - kept - dunder == set(private.OVERRIDDEN)


def test_everything_is_as_it_was_afterwards():
    before = patched()
    with pytest.raises(RuntimeError), private.pure():
        assert all(patched()[name] is not value for name, value in before.items())
        raise RuntimeError
    assert patched() == before


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.01),
        lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_overwrite_frequency=2),
        lambda: keras.optimizers.RMSprop(0.1, gradient_accumulation_steps=2, clipnorm=1.0),
    ],
    ids=["sgd", "adam", "rmsprop"],
)
def test_a_pure_step_computes_what_an_ordinary_one_writes(optimizer):
    gradient = [tf.constant([0.5, -2.0])]

    def prepared():
        variable, built = keras.Variable([1.0, 2.0]), optimizer()
        built.build([variable])
        return variable, built

    ordinary, written = prepared()
    pure, kept = prepared()
    variables = [pure, *kept.variables]
    values = [v.value for v in variables]
    for _ in range(3):
        written.apply(gradient)
        with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope, private.pure():
            kept.apply(gradient, [pure])
        values = [scope.get_current_value(v) for v in variables]
    np.testing.assert_allclose(values[0], ordinary.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(pure.numpy(), [1.0, 2.0])
    for value, variable in zip(values[1:], written.variables, strict=True):
        np.testing.assert_allclose(value, variable.numpy(), rtol=1e-6)


def test_tensorflows_optimizers_still_refuse_a_stateless_step():
    """Fails when Keras gives TensorFlow `stateless_apply`, so that these patches may go."""
    optimizer, variable = keras.optimizers.SGD(0.1), keras.Variable([1.0])
    optimizer.build([variable])
    with pytest.raises(ValueError, match="stateless_apply"):
        optimizer.stateless_apply(
            [v.value for v in optimizer.variables], [tf.constant([1.0])], [variable.value]
        )


@pytest.mark.parametrize("chosen", [True, False])
def test_both_branches_are_computed_and_each_trial_takes_its_own(chosen):
    variable = keras.Variable(1.0)
    with keras.StatelessScope([(variable, tf.constant(1.0))]) as scope, private.pure():
        result = tf.cond(
            tf.constant(chosen),
            lambda: variable.assign(5.0) + 1.0,
            lambda: tf.identity(variable.value) * 10.0,
        )
    assert float(scope.get_current_value(variable)) == (5.0 if chosen else 1.0)
    assert float(result) == (6.0 if chosen else 10.0)


def test_rows_are_divided_as_the_whole_gradient_is():
    rows = tf.IndexedSlices(tf.constant([[2.0], [4.0]]), tf.constant([2, 0]), tf.constant([3, 1]))
    divisor = tf.constant([[2.0], [5.0], [4.0]])
    with keras.StatelessScope(), private.pure():
        quotient = operations.divide(rows, divisor)
    np.testing.assert_allclose(tf.convert_to_tensor(quotient), tf.convert_to_tensor(rows) / divisor)
