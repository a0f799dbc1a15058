"""The CPU, even where there is a GPU."""

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
        deterministic: the same bits on every run of the same config on the same machine.
        threads: of the CPU; None leaves TensorFlow's choice, one per core.

    Returns:
        The default strategy: one device.

    Raises:
        UserError: TensorFlow has begun to run on other settings in this process.
    """
    settings.see([])
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32=True)
    settings.announce("CPU", precision, deterministic)
    return tf.distribute.get_strategy()
