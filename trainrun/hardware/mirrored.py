"""Several devices of one machine: each has the whole model and a share of every batch."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from trainrun.compat import tensorflow_private
from trainrun.errors import Problem, UserError
from trainrun.hardware import _settings as settings
from trainrun.util.arguments import Count, Index, Precision
from trainrun.util.declarations import declare


@declare(several_devices=True, compiles_steps=False)
def mirrored(
    devices: Index | Sequence[Index] | None = None,
    virtual_devices: Count | None = None,
    memory_growth: bool = True,
    memory_limit: Count | None = None,
    precision: Precision = "float32",
    deterministic: bool = False,
    threads: Count | None = None,
    tf32: bool = True,
) -> tf.distribute.Strategy:
    """Set TensorFlow up on several GPUs, or on several parts of the CPU.

    Args:
        devices: the GPUs' numbers, from 0; None: all.
        virtual_devices: split the CPU into so many logical devices instead, to try it without GPUs.
        memory_growth: allocate memory as needed; False: all of it at once.
        memory_limit: MB to allocate on each GPU, at once; None: no limit.
        precision: Keras' dtype policy (``float32``, ``mixed_float16``, …).
        deterministic: every run of a config on one machine gives the same bits.
        threads: of the CPU; None: TensorFlow's default, one per core.
        tf32: multiply float32 matrices with 10 bits of mantissa, if the GPU supports it.

    Returns:
        A `MirroredStrategy`.

    Raises:
        UserError: there are no such GPUs, or TensorFlow is initialized with other settings in this process.
    """
    if virtual_devices is not None:
        settings.set_visible_gpus([])
        names = settings.virtual(virtual_devices)
        what = f"{virtual_devices} parts of the CPU"
    else:
        gpus = settings.physical_gpus()
        if not gpus:
            raise UserError(
                Problem(
                    "hardware",
                    f"mirrored needs GPUs; TensorFlow finds {settings.all_devices()}. "
                    "To try it on the CPU: hardware.virtual_devices=2.",
                )
            )
        numbers = list(range(len(gpus))) if devices is None else list(devices)
        if missing := [i for i in numbers if i >= len(gpus)]:
            raise UserError(
                Problem(
                    "hardware.devices",
                    f"there is no GPU {missing[0]}; TensorFlow finds {settings.all_devices()}.",
                )
            )
        chosen = [gpus[i] for i in numbers]
        settings.set_visible_gpus(chosen)
        settings.memory(chosen, memory_growth, memory_limit)
        # TensorFlow numbers the visible ones from 0.
        names = [f"GPU:{i}" for i in range(len(chosen))]
        what = ", ".join(settings.described(g) for g in chosen)
    settings.threads(threads)
    settings.numbers(precision, deterministic, tf32)
    settings.announce(
        f"{what} ({len(names)} {'replica' if len(names) == 1 else 'replicas'})", precision, deterministic
    )
    return tensorflow_private.mirrored_strategy(names)
