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
    """Set TensorFlow up on one GPU; other processes can use the others.

    Args:
        index: of the GPU, from 0.
        memory_growth: allocate memory as needed; False: all of it at once.
        memory_limit: MB to allocate, at once; None: no limit.
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: every run of a config on one machine gives the same bits.
        threads: of the CPU; None: TensorFlow's default, one per core.
        tf32: multiply float32 matrices with 10 bits of mantissa, if the GPU supports it.

    Returns:
        The default strategy: one device.

    Raises:
        UserError: there is no such GPU, or TensorFlow is initialized with other settings in this process.
    """
    gpus = settings.physical_gpus()
    if index >= len(gpus):
        raise UserError(
            Problem(
                "hardware.index" if gpus else "hardware",
                f"there is no GPU {index}; TensorFlow finds {settings.all_devices()}. "
                + (
                    f"Try hardware.index={len(gpus) - 1}."
                    if gpus
                    else "`trainrun doctor` shows why; hardware=auto takes the CPU then."
                ),
            )
        )
    chosen = [gpus[index]]
    settings.set_visible_gpus(chosen)
    settings.memory(chosen, memory_growth, memory_limit)
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32)
    settings.announce(settings.described(chosen[0]), precision, deterministic)
    return tf.distribute.get_strategy()
