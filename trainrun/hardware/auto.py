"""Devices, precision, determinism: set up once, before the first tensor is made."""

from __future__ import annotations

import os

import keras
import tensorflow as tf


def auto(
    precision: str = "float32",
    deterministic: bool = False,
    threads: int | None = None,
    device: str | None = None,
) -> tf.distribute.Strategy:
    """Set TensorFlow up for this run and return the strategy to build under.

    Args:
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: the same bits on every run of the same config on the same machine.
        threads: of the CPU; None leaves TensorFlow's choice, one per core.
        device: ``cpu`` hides the GPUs; None takes the first GPU if there is one.

    Returns:
        The default strategy: one device.
    """
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
    for gpu in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(min(2, threads))
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    elif os.environ.get("TF_DETERMINISTIC_OPS") != "1":
        tf.config.experimental.disable_op_determinism() if hasattr(
            tf.config.experimental, "disable_op_determinism"
        ) else None
    if precision == "float64":
        keras.config.set_floatx("float64")
    keras.config.set_dtype_policy(precision)
    return tf.distribute.get_strategy()
