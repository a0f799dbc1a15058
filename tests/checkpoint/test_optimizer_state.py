"""Optimizer state out and in again, to the bit."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun
from trainrun.checkpoint import optimizer_state
from trainrun.errors import UserError
from trainrun.registry import option_files

RANDOM = np.random.RandomState(4)
START = [RANDOM.randn(4, 3), RANDOM.randn(5)]
GRADIENTS = [[RANDOM.randn(*w.shape) for w in START] for _ in range(10)]
NAMES = [name for name, option in option_files.options("optimizer").items() if not option.alias_of]
CHANGED = {
    "multi": {"map": {".*": {"name": "adam"}}},
    "adam_then_sgd": {"switch_at": 3},
    "lookahead": {"sync_period": 3},
    "ranger": {"sync_period": 4},
}


def started(name, weights=START, **arguments):
    variables = [keras.Variable(w.astype("float32")) for w in weights]
    optimizer = trainrun.build("optimizer", name, **{**CHANGED.get(name, {}), **arguments})
    optimizer.build(variables)
    return optimizer, variables


def apply(optimizer, variables, gradients):
    for pair in gradients:
        optimizer.apply([tf.constant(g, tf.float32) for g in pair], variables)


def check_goes_on_to_the_bit(name, **arguments):
    optimizer, variables = started(name, **arguments)
    apply(optimizer, variables, GRADIENTS[:5])
    state, weights = optimizer_state.get(optimizer), [v.numpy() for v in variables]
    apply(optimizer, variables, GRADIENTS[5:])

    other, others = started(name, weights, **arguments)
    optimizer_state.set(other, state)
    apply(other, others, GRADIENTS[5:])
    for left, right in zip(others, variables, strict=True):
        np.testing.assert_array_equal(left.numpy(), right.numpy())
    final, expected = optimizer_state.get(other), optimizer_state.get(optimizer)
    assert final.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(final[key], value)


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_optimizer_goes_on_to_the_bit(name):
    check_goes_on_to_the_bit(name)


@pytest.mark.parametrize("name", ["adam", "lookahead", "adam_then_sgd"])
def test_averages_and_accumulators_are_part_of_it(name):
    # Five batches: the state is taken in the middle of an accumulation.
    check_goes_on_to_the_bit(name, use_ema=True, gradient_accumulation_steps=2)


def test_the_loss_scale_is_part_of_it():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(), initial_scale=32.0)
    optimizer.build([keras.Variable(START[0])])
    state = optimizer_state.get(optimizer)
    (key,) = [k for k in state if k.endswith("dynamic_scale")]
    assert state[key] == 32.0
    optimizer_state.set(optimizer, {**state, key: np.float32(4.0)})
    assert float(optimizer.dynamic_scale) == 4.0


def test_names_what_each_entry_is_and_not_the_layer():
    optimizer, variables = started("adam")
    apply(optimizer, variables, GRADIENTS[:2])
    state = optimizer_state.get(optimizer)
    assert [k.split(".")[1] for k in state] == [
        *("iteration", "learning_rate"),
        *("momentum", "velocity", "momentum", "velocity"),
    ]
    assert state["0000.iteration"] == 2
    assert state["0001.learning_rate"] == np.float32(0.001)
    assert state["0002.momentum"].shape == (4, 3)


def test_what_it_gives_does_not_change_with_the_optimizer():
    optimizer, variables = started("adam")
    state = optimizer_state.get(optimizer)
    apply(optimizer, variables, GRADIENTS[:1])
    assert state["0000.iteration"] == 0
    assert not state["0002.momentum"].any()


def test_takes_a_list_of_arrays_in_the_order_of_the_variables():
    (one, variables), (other, _) = started("adam"), started("adam")
    apply(one, variables, GRADIENTS[:1])
    arrays = [v.numpy() for v in one.variables]
    optimizer_state.set(other, arrays)
    assert all(np.array_equal(v.numpy(), a) for v, a in zip(other.variables, arrays, strict=True))
    with pytest.raises(UserError, match=f"Adam has {len(arrays)} variables; got {len(arrays) - 1} arrays"):
        optimizer_state.set(other, arrays[1:])


def test_says_all_that_does_not_fit_and_changes_nothing():
    optimizer, variables = started("adam")
    apply(optimizer, variables, GRADIENTS[:1])
    before = optimizer_state.get(optimizer)
    state = {k: v for k, v in before.items() if k != "0003.velocity"}
    state |= {"0000.iteration": np.int64(7), "0002.momentum": np.zeros((3, 4), "float32")}
    state |= {"0004.momentum": np.zeros(5, "float64"), "0009.norm": np.zeros(2)}
    with pytest.raises(UserError) as error:
        optimizer_state.set(optimizer, state)
    message = str(error.value)
    assert "0003.velocity: this entry is missing" in message
    assert "0009.norm: Adam has no such entry" in message
    assert "needs float32[4, 3]; got float32[3, 4]" in message
    assert "needs float32[5]; got float64[5]" in message
    for key, value in optimizer_state.get(optimizer).items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize("act", [optimizer_state.get, lambda o: optimizer_state.set(o, {})])
def test_an_optimizer_that_is_not_built_is_refused(act):
    with pytest.raises(UserError, match="not built"):
        act(keras.optimizers.Adam())
