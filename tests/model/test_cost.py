"""The line before training, against formulas by hand, TensorFlow's own profiler, and what an optimizer holds."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf

from trainrun.model.cost import Cost, scaled, slots


def compiled(*layers, optimizer="adam"):
    model = keras.Sequential(list(layers))
    model.compile(optimizer=optimizer, loss="mse")
    return model


def by_tensorflow(model):
    """Return the operations of one example as TensorFlow's profiler counts them in the traced graph."""
    shape = [1, *model.input_shape[1:]]
    traced = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec(shape))
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2_as_graph

    _, frozen = convert_variables_to_constants_v2_as_graph(traced)
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    with tf.Graph().as_default() as graph:
        tf.graph_util.import_graph_def(frozen, name="")
        options = builder(builder.float_operation()).with_empty_output().build()
        return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def test_dense_by_hand():
    model = compiled(keras.Input((20,)), keras.layers.Dense(30, "relu"), keras.layers.Dense(5))
    cost = Cost.of(model, 8)
    assert cost.parameters == 20 * 30 + 30 + 30 * 5 + 5
    assert cost.flops == 2 * (20 * 30 + 30 * 5) + 30 + 5
    assert cost.flops == by_tensorflow(model)
    assert cost.weights == cost.gradients == 4 * cost.parameters
    assert cost.optimizer == 2 * 4 * cost.parameters
    # The first layer before and after its relu, the second as it is.
    assert cost.activations == 8 * 4 * (30 + 30 + 5)


def test_convolution_by_hand():
    model = compiled(
        keras.Input((16, 12, 3)),
        keras.layers.Conv2D(8, (3, 5), strides=2, padding="same"),
        keras.layers.Conv2D(6, 3, padding="valid", use_bias=False),
    )
    first = 2 * (3 * 5 * 3) * 8 * (8 * 6) + 8 * (8 * 6)
    second = 2 * (3 * 3 * 8) * 6 * (6 * 4)
    assert Cost.of(model, 1).flops == first + second == by_tensorflow(model)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(8, 3, groups=2, use_bias=False),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False),
        keras.layers.Conv2DTranspose(5, 3, strides=2, padding="same", use_bias=False),
        keras.layers.Dense(7),
    ],
    ids=lambda layer: layer.name,
)
def test_other_layers_as_tensorflow_counts_them(layer):
    model = compiled(keras.Input((8, 8, 4)), layer)
    counted = by_tensorflow(model)
    if layer.name.startswith("conv2d"):
        # TensorFlow's profiler does not know groups; the grouped kernel has 1 / groups of the products.
        counted = {1: counted, 2: 2 * 3 * 3 * 2 * 8 * 36}[getattr(layer, "groups", 1)]
    if "transpose" in layer.name:
        counted = 2 * 3 * 3 * 4 * 5 * 8 * 8
    assert Cost.of(model, 1).flops == counted


def test_recurrent_and_attention_by_hand():
    lstm = compiled(keras.Input((10, 6)), keras.layers.LSTM(4))
    assert Cost.of(lstm, 1).flops == 10 * (2 * (6 * 16 + 4 * 16) + 16)
    # Four gates of 4 and a state of 4 at each of ten steps, and the output before and after its tanh.
    assert Cost.of(lstm, 3).activations == 3 * 4 * (10 * (16 + 4) + 2 * 4)
    x = keras.Input((12, 8))
    attended = keras.layers.MultiHeadAttention(2, 4, use_bias=False)(x, x)
    model = keras.Model(x, attended)
    model.compile("sgd", "mse")
    projections = 4 * 2 * 8 * 8 * 12  # query, key, value, output
    products = 2 * (2 * 12 * 12 * 2 * 4)
    assert Cost.of(model, 1).flops == projections + products
    assert Cost.of(model, 1).activations == 4 * (12 * 8 + 2 * 2 * 12 * 12 + 3 * 12 * 8)


def test_a_model_inside_a_model_counts_as_its_layers():
    inner = [keras.layers.Dense(5, "relu"), keras.layers.Dense(4)]
    nested = compiled(keras.Input((3,)), keras.Sequential([keras.Input((3,)), *inner]), keras.layers.Dense(2))
    assert Cost.of(nested, 1).flops == 2 * (15 + 20 + 8) + 5 + 4 + 2


@pytest.mark.parametrize(
    ("name", "held"), [("sgd", 0), ("adam", 2), ("rmsprop", 1), ("adagrad", 1), ("adadelta", 2), ("lion", 1)]
)
def test_what_an_optimizer_holds_for_each_weight(name, held):
    optimizer = keras.optimizers.get(name)
    assert slots(optimizer) == held
    assert not optimizer.built, "the optimizer itself is left alone"


def test_numbers_are_written_short():
    assert [scaled(n) for n in (0, 950, 12_345, 1.2e6, 3e9)] == ["0 ", "950 ", "12.3 k", "1.2 M", "3 G"]
    line = Cost.of(compiled(keras.Input((20,)), keras.layers.Dense(5)), 8).line()
    assert line.startswith("105 parameters; 205 FLOPs an example forward, about 4.92 kFLOPs a step of 8")
