"""Train with each optimizer of ours on one device and on two mirrored ones; print how far the weights differ.

A script of its own, because a process can be given logical devices only before TensorFlow starts.
"""

from __future__ import annotations

import contextlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

import trainrun

DEVICES = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(DEVICES[0], [tf.config.LogicalDeviceConfiguration()] * 2)
X = np.random.RandomState(0).randint(0, 7, (16, 3))
Y = np.random.RandomState(1).randn(16, 1)
CASES = {
    "radam": {"clipvalue": 100.0},
    "lookahead": {"inner": "nadam", "sync_period": 3, "weight_decay": 0.1},
    "ranger": {"sync_period": 3},
    "lazy_adam": {},
    "adam_then_sgd": {"switch_at": 5, "second": "sgdm"},
    "schedule_free_adamw": {"weight_decay": 0.1},
    "multi": {"map": {".*embedding.*": {"name": "adam", "global_clipnorm": 100.0}, ".*": "sgdm"}},
}


def weights(name: str, arguments: dict, strategy: tf.distribute.Strategy | None, half: bool) -> np.ndarray:
    """Return the weights after four epochs of four batches.

    Args:
        name, arguments: the optimizer's.
        strategy: None for one device.
        half: mixed precision, with a loss scale that fits from the start.
    """
    keras.utils.set_random_seed(1)
    with strategy.scope() if strategy else contextlib.nullcontext():
        policy = "mixed_float16" if half else "float32"
        model = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Embedding(7, 4, dtype=policy),
                keras.layers.Flatten(dtype=policy),
                keras.layers.Dense(1, dtype=policy),
            ]
        )
        optimizer = trainrun.build("optimizer", name, learning_rate=0.01, **arguments)
        if half:
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=64.0)
        # On one device tracing would take longer than the sixteen steps.
        model.compile(optimizer, "mse", jit_compile=False, run_eagerly=strategy is None)
    model.fit(X, Y, batch_size=4, epochs=4, shuffle=False, verbose=0)
    return np.concatenate([w.ravel() for w in model.get_weights()])


if __name__ == "__main__":
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert mirrored.num_replicas_in_sync == 2
    result = {}
    for name, arguments in CASES.items():
        one = weights(name, arguments, None, half=False)
        two = weights(name, arguments, mirrored, half=False)
        half = weights(name, arguments, mirrored, half=True)
        result[name] = {"two": float(abs(two - one).max()), "half": float(abs(half - one).max())}
    sys.stdout.write(json.dumps(result))
