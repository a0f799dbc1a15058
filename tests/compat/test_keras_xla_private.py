"""Layers in their form for XLA: only inside of the context."""

import keras
import tensorflow as tf

from trainrun.compat.keras_xla_private import for_xla


def test_nothing_changes_outside():
    with for_xla():
        pass
    traced = tf.function(lambda x: keras.ops.max_pool(x, 2)).get_concrete_function(
        tf.TensorSpec([1, 4, 4, 1])
    )
    assert "MaxPool" in {o.type for o in traced.graph.get_operations()}


def test_a_layer_is_changed_once():
    with for_xla():
        changed = keras.layers.LSTM.inner_loop
    with for_xla():
        assert keras.layers.LSTM.inner_loop is changed
    assert keras.layers.RNN.inner_loop is not keras.layers.SimpleRNN.inner_loop
