"""The CPU, even if there is a GPU."""

from __future__ import annotations

import tensorflow as tf

from trainrun.hardware import _settings as settings
from trainrun.util.arguments import Count, Precision
from trainrun.util.declarations import declare


@declare(shares_program=True, vectorizes=True)
def cpu(
    precision: Precision = "float32",
    deterministic: bool = False,
    threads: Count | None = None,
) -> tf.distribute.Strategy:
    """Set TensorFlow up on the CPU.

    Args:
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: every run of a config on one machine gives the same bits.
        threads: of the CPU; None: TensorFlow's default, one per core.

    Returns:
        The default strategy: one device.

    Raises:
        UserError: TensorFlow is initialized with other settings in this process.
    """
    settings.set_visible_gpus([])
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32=True)
    settings.announce("CPU", precision, deterministic)
    return tf.distribute.get_strategy()
