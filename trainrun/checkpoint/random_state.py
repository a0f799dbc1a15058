"""The random generators that belong to the process, not to the model: Python, numpy, TensorFlow."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context


def get() -> dict[str, Any]:
    """Return the state of every generator of the process."""
    return {
        "python": _twister(random.getstate()),
        "numpy": np.random.get_state(),
        # From it TensorFlow draws the seeds of operations that are given none.
        "tensorflow": _twister(context.context()._rng.getstate())
        if hasattr(context.context(), "_rng")
        else None,
        "generator": _global_generator().numpy() if _global_generator() is not None else None,
    }


def set(state: Mapping[str, Any]) -> None:
    """Put back what `get` returned."""
    random.setstate(_untwisted(state["python"]))
    np.random.set_state(state["numpy"])
    if state["tensorflow"] is not None and hasattr(context.context(), "_rng"):
        context.context()._rng.setstate(_untwisted(state["tensorflow"]))
    if state["generator"] is not None:
        tf.random.get_global_generator().state.assign(state["generator"])


def _twister(found: tuple) -> tuple:
    """Return the state of one of Python's generators with its 625 words as an array: as JSON they take 1 ms."""
    version, words, gauss = found
    return version, np.array(words, dtype="uint32"), gauss


def _untwisted(kept: tuple) -> tuple:
    version, words, gauss = kept
    return version, tuple(int(w) for w in words), gauss


def _global_generator() -> Any:
    """Return the state of TensorFlow's global generator if anybody has used it; asking by its name would make it."""
    from tensorflow.python.ops import stateful_random_ops

    generator = stateful_random_ops.global_generator
    return None if generator is None else generator.state
