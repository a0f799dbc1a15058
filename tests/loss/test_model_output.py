"""The model's output as the loss."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import trainrun


def test_is_the_mean_of_the_output_whatever_the_labels():
    output = np.array([[1.0, 2.0], [3.0, 6.0]], dtype="float32")
    loss = trainrun.build("loss", "model_output")
    assert float(loss(np.zeros((2, 1)), output)) == float(loss(np.ones((2, 1)), output)) == 3.0
    each = trainrun.build("loss", "model_output", form="function")(np.zeros(2), output)
    np.testing.assert_allclose(each, [1.5, 4.5])


def test_minimizes_a_parabola():
    """x^2 - 2x + 1 has its minimum at 1."""

    @keras.saving.register_keras_serializable("tests")
    class Parabola(keras.layers.Layer):
        def build(self, shape):
            self.x = self.add_weight(shape=(), initializer="zeros")

        def call(self, inputs):
            return (self.x**2 - 2 * self.x + 1) * keras.ops.ones_like(inputs)

    model = keras.Sequential([keras.Input((1,)), Parabola()])
    model.compile(optimizer=keras.optimizers.SGD(0.3), loss=trainrun.build("loss", "model_output"))
    for _ in range(25):
        model.train_on_batch(np.zeros((4, 1)), np.zeros((4, 1)))
    assert float(model.layers[0].x) == pytest.approx(1.0, abs=1e-4)


def test_serializes():
    loss = trainrun.build("loss", "model_output", reduction="sum")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert float(again([[0.0]], [[1.0], [2.0]])) == 3.0
