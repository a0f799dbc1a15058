"""The CPU, even where there is a GPU."""

from __future__ import annotations

import tensorflow as tf

from trainrun.hardware.auto import auto


def cpu(
    precision: str = "float32", deterministic: bool = False, threads: int | None = None
) -> tf.distribute.Strategy:
    """Set TensorFlow up on the CPU; see `auto` for the arguments."""
    return auto(precision, deterministic, threads, device="cpu")
