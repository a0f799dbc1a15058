"""The best device there is: the first GPU, else the CPU."""

from __future__ import annotations

import tensorflow as tf

from trainrun.hardware import _settings as settings
from trainrun.hardware.cpu import cpu
from trainrun.hardware.gpu import gpu
from trainrun.ui import console
from trainrun.util.arguments import Count, Precision
from trainrun.util.declarations import declare


@declare(shares_program=True, vectorizes=True)
def auto(
    precision: Precision = "float32",
    deterministic: bool = False,
    threads: Count | None = None,
    tf32: bool = True,
) -> tf.distribute.Strategy:
    """Set TensorFlow up on the first GPU, or on the CPU where there is none; a line says which.

    Args:
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: the same bits on every run of the same config on the same machine.
        threads: of the CPU; None leaves TensorFlow's choice, one per core.
        tf32: multiply float32 matrices with 10 bits of mantissa, where the GPU can.

    Returns:
        The default strategy: one device.

    Raises:
        UserError: TensorFlow has begun to run on other settings in this process.
    """
    gpus = settings.physical_gpus()
    if not gpus:
        return cpu(precision, deterministic, threads)
    strategy = gpu(precision=precision, deterministic=deterministic, threads=threads, tf32=tf32)
    if len(gpus) > 1:
        # Several GPUs are not taken unasked: they may be somebody else's, and batch norm differs by replica.
        console.note(f"{len(gpus)} GPUs found: hardware=mirrored trains on all of them")
    return strategy
