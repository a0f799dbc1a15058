"""A model whose output is f(x) = a x² + b x + c."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from trainrun.registry.construct import construct


def build(examples=3, **arguments):
    data = construct("data", {"name": "none", "examples": examples})
    return construct(
        "model", {"name": "quadratic", **arguments}, inputs=data.inputs, target=data.target, head=None
    ), data.train.x


@pytest.mark.parametrize(
    ("a", "b", "c", "start"), [(1, -2, 1, 0.0), (0.5, 3, -1, -4.0), (2.0, 0.0, 0.0, 1.5)]
)
def test_output_is_f_of_its_weight(a, b, c, start):
    model, x = build(a=a, b=b, c=c, start=start)
    assert np.allclose(model(x), a * start**2 + b * start + c) and model(x).shape == (3, 1)
    assert model.count_params() == 1 and float(model.trainable_weights[0].numpy()) == start


def test_training_finds_the_minimum():
    model, x = build(examples=80, start=5.0)
    model.compile(keras.optimizers.SGD(0.1), lambda y_true, y_pred: y_pred)
    model.fit(x, np.zeros((80, 1)), batch_size=1, verbose=0)
    # By hand: x - 1 shrinks by 1 - 2 · 0.1 each step.
    assert float(model.trainable_weights[0].numpy()) == pytest.approx(1 + 4 * 0.8**80, abs=1e-5)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    model, x = build(a=3.0, start=2.0)
    model.save(tmp_path / "f.keras")
    assert np.array_equal(keras.saving.load_model(tmp_path / "f.keras")(x), model(x))
