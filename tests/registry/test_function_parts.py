"""Plug-ins' initializers, regularizers, constraints, schedules and augmentations may be functions of what Keras gives them."""

from __future__ import annotations

import importlib
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainrun

FUNCTIONS = """
import numpy as np, tensorflow as tf, trainrun
from keras import ops

@trainrun.register("initializer", "ramp")
def ramp(shape, dtype=None, high: float = 0.1):
    return ops.reshape(ops.linspace(-high, high, int(np.prod(shape))), shape)

@trainrun.register("regularizer", "tanh_sum")
def tanh_sum(weights, strength: float = 0.01):
    return strength * ops.sum(ops.tanh(weights**2))

@trainrun.register("constraint", "box")
def box(weights, limit: float = 1.0):
    return ops.clip(weights, -limit, limit)

@trainrun.register("schedule", "standing")
def standing(step, rate: float = 0.5):
    return rate * ops.cast(step < 0, "float32")

@trainrun.register("augment", "shifted", inputs="numeric")
def shifted(x, seed, by: float = 0.1):
    return x + by * tf.random.stateless_normal(tf.shape(x), seed)
"""
CONFIG = [
    "tracking=none", "artifacts.plots=false", "artifacts.report=false", "plugins=[./functions.py]", "data=iris", "trainer.epochs=1",
    "model.units=[4]", "schedule=standing", "augment=shifted", "model.constraint={name: box, limit: 0.2}",
    "model.initializer={name: ramp, high: 0.5}", "model.regularizer={name: tanh_sum, strength: 0.1}",
]  # fmt: skip


def test_functions_are_used_with_their_arguments_and_saved(inside, monkeypatch):
    (inside / "functions.py").write_text(FUNCTIONS)
    result = trainrun.run(CONFIG)
    # The rate is 0, so that the kernel is what the initializer gave and the constraint left of it.
    expected = np.clip(np.linspace(-0.5, 0.5, 16).reshape(4, 4), -0.2, 0.2)
    kernels = [w.numpy() for w in result.model.weights if w.path.endswith("kernel")]
    np.testing.assert_allclose(kernels[0], expected, rtol=1e-6)
    penalty = sum(0.1 * np.tanh(k.astype(float) ** 2).sum() for k in kernels)
    assert result.history["val_penalty"][0] == pytest.approx(penalty, rel=1e-5)
    # Elsewhere, the import of the file is enough for Keras to load the model.
    for name in ("ramp", "tanh_sum", "box", "standing"):
        keras.saving.get_custom_objects().pop(name, None)
    monkeypatch.syspath_prepend(str(inside))
    importlib.import_module("functions")
    loaded = keras.saving.load_model(result.run_dir / "model.keras")
    del sys.modules["functions"]
    layer = next(layer for layer in loaded._flatten_layers() if isinstance(layer, keras.layers.Dense))
    assert layer.kernel_regularizer.get_config() == {"strength": 0.1}
    assert tf.reduce_max(layer.kernel_constraint(tf.ones(3))) == np.float32(0.2)
