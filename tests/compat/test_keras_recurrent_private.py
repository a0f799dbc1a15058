"""Recurrent layers with fewer products in their loop: the values and gradients of Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainrun.compat.keras_recurrent_private import inner_loop
from trainrun.compat.keras_xla_private import for_xla

LSTM, GRU, SIMPLE = keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN
X = np.random.default_rng(0).normal(size=(3, 6, 4)).astype("float32")


def both(layer, training):
    """Return outputs, states and gradients of a layer by Keras' loop and by the other one, and the graphs."""
    layer.build(X.shape)
    for i, weight in enumerate(layer.trainable_weights):
        weight.assign(np.random.default_rng(i).normal(size=weight.shape, scale=0.5))
    sources, results, graphs = [tf.constant(X), *(w.value for w in layer.trainable_weights)], [], []

    def step():
        with tf.GradientTape() as tape:
            tape.watch(sources)
            y = tf.nest.flatten(layer(sources[0], training=training))
            loss = sum(tf.reduce_sum(tf.sin((i + 1) * v)) for i, v in enumerate(y))
        return [*y, *tape.gradient(loss, sources)]

    def other():
        with for_xla():
            return step()

    for take in (step, other):
        traced = tf.function(take, autograph=False)
        layer.cell.seed_generator.state.assign([0, 7])  # of the dropout
        results.append(traced())
        graphs.append(traced.get_concrete_function().graph)
    return results, graphs


def products_in_loops(graph):
    """Return the number of products of a time step, forward and backward."""
    return sum(node.op == "MatMul" for f in graph.as_graph_def().library.function for node in f.node_def)


@pytest.mark.parametrize("kind", [LSTM, GRU, SIMPLE])
@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.4},
        {"return_sequences": True, "return_state": True, "go_backwards": True, "use_bias": False},
    ],
    ids=["last output", "all outputs and states"],
)
def test_agrees_with_the_loop_of_keras(kind, settings):
    (keras_own, other), graphs = both(kind(5, **settings), training="dropout" in settings)
    assert products_in_loops(graphs[1]) == 2 < products_in_loops(graphs[0])
    for got, expected in zip(other, keras_own, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "mask"),
    [
        (LSTM(5), tf.ones([3, 6], tf.bool)),
        (LSTM(5, activation="relu"), None),
        (LSTM(5, recurrent_dropout=0.2), None),
        (LSTM(5, unroll=True), None),
        (GRU(5, reset_after=False), None),
        (SIMPLE(5, activation="relu"), None),
    ],
    ids=["mask", "activation", "recurrent dropout", "unrolled", "reset before", "activation of a SimpleRNN"],
)
def test_other_layers_are_left_to_keras(layer, mask):
    layer.build(X.shape)
    assert inner_loop(layer, tf.constant(X), layer.get_initial_state(3), mask) is None
