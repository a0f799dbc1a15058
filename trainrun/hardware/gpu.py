"""One GPU, by its number."""

from __future__ import annotations

import tensorflow as tf

from trainrun.errors import Problem, UserError
from trainrun.hardware import _settings as settings
from trainrun.util.arguments import Count, Index, Precision
from trainrun.util.declarations import declare


@declare(vectorizes=True)
def gpu(
    index: Index = 0,
    memory_growth: bool = True,
    memory_limit: Count | None = None,
    precision: Precision = "float32",
    deterministic: bool = False,
    threads: Count | None = None,
    tf32: bool = True,
) -> tf.distribute.Strategy:
    """Set TensorFlow up on one GPU; the others stay free for other processes.

    Args:
        index: which GPU, from 0, among those that TensorFlow sees.
        memory_growth: take memory as it is needed; False takes all of it at once.
        memory_limit: MB to take at most; None: no limit. It is taken at once.
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: the same bits on every run of the same config on the same machine.
        threads: of the CPU; None leaves TensorFlow's choice, one per core.
        tf32: multiply float32 matrices with 10 bits of mantissa, where the GPU can.

    Returns:
        The default strategy: one device.

    Raises:
        UserError: there is no such GPU, or TensorFlow has begun to run on other settings in this process.
    """
    gpus = settings.physical_gpus()
    if index >= len(gpus):
        raise UserError(
            Problem(
                "hardware.index" if gpus else "hardware",
                f"there is no GPU {index}; TensorFlow found {settings.found()}. "
                + (
                    f"Try hardware.index={len(gpus) - 1}."
                    if gpus
                    else "`trainrun doctor` tells why; hardware=auto takes what there is."
                ),
            )
        )
    chosen = [gpus[index]]
    settings.see(chosen)
    settings.memory(chosen, memory_growth, memory_limit)
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32)
    settings.announce(settings.described(chosen[0]), precision, deterministic)
    return tf.distribute.get_strategy()
