"""Convolutions as products and pooling as maxima: the values and gradients of Keras' own kernels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainrun.compat.keras_xla_private import for_xla


def both(layer, x):
    """Return output and gradients of a layer by its kernels and by products, and the operations of the second graph."""
    layer.build(x.shape)
    sources, results = [tf.constant(x), *(w.value for w in layer.trainable_weights)], []

    def step():
        with tf.GradientTape() as tape:
            tape.watch(sources)
            y = layer(sources[0])
            loss = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(loss, sources)]

    results.append(step())

    def products():
        with for_xla():
            return step()

    traced = tf.function(products, autograph=False)
    results.append(traced())
    return *results, {o.type for o in traced.get_concrete_function().graph.get_operations()}


def data(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (keras.layers.Conv2D(5, 3, padding="same", activation="relu"), (2, 8, 7, 3)),
        (keras.layers.Conv2D(5, (3, 2), strides=(2, 1)), (2, 8, 7, 3)),
        (keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False), (2, 8, 7, 3)),
        (keras.layers.Conv2D(4, 3, dilation_rate=(1, 2), padding="same"), (2, 8, 7, 3)),
        (keras.layers.Conv2D(4, 1, strides=2), (2, 5, 5, 3)),
        (keras.layers.Conv1D(4, 3, padding="causal", dilation_rate=2), (2, 9, 3)),
        (keras.layers.Conv3D(2, 2, padding="same"), (2, 3, 4, 5, 2)),
        (keras.layers.MaxPooling2D(2), (2, 5, 7, 3)),
        (keras.layers.MaxPooling2D(3, strides=2, padding="same"), (2, 8, 7, 3)),
        (keras.layers.MaxPooling1D(2), (2, 9, 3)),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_agrees_with_the_kernels(layer, shape):
    kernels, products, types = both(layer, data(*shape))
    assert not any("Conv" in t or "Pool" in t for t in types)
    for got, expected in zip(products, kernels, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_equal_values_of_a_window_pass_the_gradient_to_the_first():
    kernels, products, _ = both(keras.layers.MaxPooling2D(2), np.ones((1, 4, 4, 1), "float32"))
    np.testing.assert_array_equal(products[1], kernels[1])


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Conv2D(4, 3, groups=2),
        keras.layers.DepthwiseConv2D(3),
        keras.layers.Conv2DTranspose(3, 2),
    ],
)
def test_other_convolutions_stay_as_they_are(layer):
    kernels, products, types = both(layer, data(1, 5, 5, 4))
    # Keras calls a grouped convolution in a function of its own.
    assert any("Conv" in t or t == "StatefulPartitionedCall" for t in types)
    for got, expected in zip(products, kernels, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
