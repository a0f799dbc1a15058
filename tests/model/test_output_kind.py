"""What a model ends in, by its graph: however people write a sigmoid or a softmax."""

from __future__ import annotations

import keras
import pytest
from keras import layers, ops

from trainrun.model.output_kind import is_probabilities

PROBABILITIES = {
    "activation of a layer": lambda x: layers.Dense(3, activation="softmax")(x),
    "Activation layer": lambda x: layers.Activation("sigmoid")(x),
    "function of keras.activations": lambda x: keras.activations.softmax(x),
    "operation": lambda x: ops.sigmoid(x),
    "Softmax layer": lambda x: layers.Softmax()(x),
    "reshaped": lambda x: layers.Reshape((3, 1))(ops.softmax(x)),
    "cast": lambda x: ops.cast(ops.sigmoid(x), "float64"),
    "float32 after mixed precision": lambda x: layers.Activation("linear", dtype="float32")(ops.softmax(x)),
    "dropout": lambda x: layers.Dropout(0.1)(ops.softmax(x)),
    "nested model": lambda x: keras.Sequential([keras.Input((3,)), layers.Dense(2, activation="softmax")])(x),
    "nested model of a nested model": lambda x: keras.Sequential(
        [keras.Input((3,)), keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Softmax()])]
    )(x),
    "mean of two": lambda x: layers.Average()([ops.softmax(x), layers.Dense(3, activation="softmax")(x)]),
    "for each step": lambda x: layers.TimeDistributed(layers.Dense(2, activation="softmax"))(
        layers.Reshape((3, 1))(x)
    ),
}
NUMBERS = {
    "layer without activation": lambda x: layers.Dense(3)(x),
    "relu": lambda x: layers.Dense(3, activation="relu")(x),
    "reshaped layer": lambda x: layers.Reshape((3, 1))(layers.Dense(3)(x)),
    "nested model": lambda x: keras.Sequential([keras.Input((3,)), layers.Dense(2)])(x),
}
UNKNOWN = {
    "own arithmetic": lambda x: 1 / (1 + ops.exp(-x)),
    "mean of probabilities and numbers": lambda x: ops.softmax(x) + x,
}


@pytest.mark.parametrize("end", PROBABILITIES.values(), ids=PROBABILITIES)
def test_probabilities_are_recognised(end):
    assert is_probabilities(end(keras.Input((3,)))) is True


@pytest.mark.parametrize("end", NUMBERS.values(), ids=NUMBERS)
def test_numbers_before_an_activation_are_recognised(end):
    assert is_probabilities(end(keras.Input((3,)))) is False


@pytest.mark.parametrize("end", UNKNOWN.values(), ids=UNKNOWN)
def test_what_the_graph_does_not_tell_is_left_open(end):
    assert is_probabilities(end(keras.Input((3,)))) is None


def test_the_graph_is_not_changed_by_later_calls_of_the_same_layer():
    x, softmax = keras.Input((3,)), layers.Softmax()
    first = layers.Dense(3)(x)
    probabilities = softmax(first)
    softmax(layers.Dense(3)(probabilities))
    assert is_probabilities(probabilities) is True and is_probabilities(first) is False
