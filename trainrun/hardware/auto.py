"""The first GPU, else the CPU."""

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
    """Set TensorFlow up on the first GPU, or on the CPU if there is none; a line names it.

    Args:
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: every run of a config on one machine gives the same bits.
        threads: of the CPU; None: TensorFlow's default, one per core.
        tf32: multiply float32 matrices with 10 bits of mantissa, if the GPU supports it.

    Returns:
        The default strategy: one device.

    Raises:
        UserError: TensorFlow is initialized with other settings in this process.
    """
    gpus = settings.physical_gpus()
    if not gpus:
        return cpu(precision, deterministic, threads)
    strategy = gpu(precision=precision, deterministic=deterministic, threads=threads, tf32=tf32)
    if len(gpus) > 1:
        # Not all GPUs by default: others may use them, and batch normalization differs with the replicas.
        console.note(f"{len(gpus)} GPUs found: hardware=mirrored trains on all of them")
    return strategy
