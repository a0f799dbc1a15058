"""Keras' process-wide state is where `trainrun.compat.keras_private` looks for it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.saving import saving_lib

from trainrun.compat import keras_private


def test_name_counters_are_those_that_number_layers():
    keras.utils.clear_session()
    counters = keras_private.name_counters()
    assert keras.layers.Dense(1).name == "dense"
    assert counters["dense"] == 1
    counters["dense"] = 7
    assert keras.layers.Dense(1).name == "dense_7"
    keras.utils.clear_session()


def test_global_seed_generator_is_the_one_that_draws():
    keras.utils.set_random_seed(3)
    generator = keras_private.global_seed_generator()
    before = generator.state.numpy().copy()
    keras.random.uniform((2,))
    assert not np.array_equal(generator.state.numpy(), before)


def test_a_replaced_global_seed_generator_draws():
    keras.utils.set_random_seed(3)
    own = keras.random.SeedGenerator(11)
    keras_private.set_global_seed_generator(own)
    assert keras_private.global_seed_generator() is own
    before = own.state.numpy().copy()
    keras.random.uniform((2,))
    assert not np.array_equal(own.state.numpy(), before)
    keras.utils.set_random_seed(3)
    assert keras_private.global_seed_generator() is not own, "set_random_seed replaces the generator"


def test_stateless_scope_is_seen_inside_and_not_outside():
    assert not keras_private.in_stateless_scope()
    assert keras_private.stateless_scope() is None
    with keras.StatelessScope() as scope:
        assert keras_private.in_stateless_scope()
        assert keras_private.stateless_scope() is scope


def test_a_stateless_scope_keeps_values_by_variable_in_a_mapping():
    variable = keras.Variable(1.0)
    with keras.StatelessScope() as scope:
        variable.assign(2.0)
    assert list(scope.state_mapping) == [id(variable)]
    assert float(variable.numpy()) == 1.0


def test_backing_variable_of_keras_and_of_tensorflow():
    variable = keras.Variable([1.0, 2.0])
    backing = keras_private.backing_variable(variable)
    assert isinstance(backing, tf.Variable)
    backing.assign([3.0, 4.0])
    np.testing.assert_array_equal(variable.numpy(), [3.0, 4.0])
    assert keras_private.backing_variable(backing) is backing


def test_backing_variable_has_the_value_of_each_replica():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        variable = keras.Variable([1.0])
    assert isinstance(keras_private.backing_variable(variable), tf.distribute.DistributedValues)


@pytest.mark.parametrize("kind", keras_private.KINDS)
def test_saving_takes_the_names_to_skip_from_the_cache(kind):
    keras_private.cache_attributes_that_saving_skips()
    cached = global_state.get_global_attribute(f"{keras_private.SKIP_LIST}{kind}")
    assert cached, "Keras looks its table up under another name, or builds it in another way"
    assert saving_lib.get_attr_skipset(kind) is cached


def test_saving_still_needs_the_cache():
    """Fails when Keras caches its table itself, so that the workaround can go."""
    global_state.set_global_attribute(f"{keras_private.SKIP_LIST}Loss", None)
    assert saving_lib.get_attr_skipset("Loss") is not saving_lib.get_attr_skipset("Loss")


def test_inputs_are_flattened_once_and_the_graph_is_the_same(monkeypatch):
    from keras.src.ops import function

    columns = [keras.Input((1,), name=f"c{i}") for i in range(6)]
    joined = keras.layers.Concatenate(name="joined")(columns)
    inner = keras.layers.Dense(2, name="inner")(joined)
    output = keras.layers.Dense(1, name="last")(inner)
    original = getattr(function._build_map, "__wrapped__", function._build_map)
    monkeypatch.setattr(function, "_build_map", original)
    plain = keras.Model({c.name: c for c in columns}, output)
    keras_private.flatten_inputs_once()
    once = function._build_map
    keras_private.flatten_inputs_once()
    assert function._build_map is once, "it is wrapped once"
    flattened = []
    flatten = function.tree.flatten
    monkeypatch.setattr(
        function.tree, "flatten", lambda tree: flattened.append(flatten(tree)) or flattened[-1]
    )
    model = keras.Model({c.name: c for c in columns}, output)
    assert [layer.name for layer in model.layers] == [layer.name for layer in plain.layers]
    assert sum(len(leaves) == len(columns) for leaves in flattened) < 6, "not once for each node"
    of_joined = keras.Model(joined, output)  # inputs that other layers have made end the search
    assert [layer.name for layer in of_joined.layers][1:] == ["inner", "last"]
