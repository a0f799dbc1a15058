"""The random generators that belong to the process, not to the model: Python, numpy, TensorFlow."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainrun.compat import tensorflow_private


def get() -> dict[str, Any]:
    """Return the state of every generator of the process."""
    seeds, generator = tensorflow_private.operation_seeds(), tensorflow_private.global_generator()
    return {
        "python": _twister(random.getstate()),
        "numpy": np.random.get_state(),
        "tensorflow": None if seeds is None else _twister(seeds.getstate()),
        "generator": None if generator is None else generator.state.numpy(),
    }


def set(state: Mapping[str, Any]) -> None:
    """Put back what `get` returned."""
    random.setstate(_untwisted(state["python"]))
    np.random.set_state(state["numpy"])
    seeds = tensorflow_private.operation_seeds()
    if state["tensorflow"] is not None and seeds is not None:
        seeds.setstate(_untwisted(state["tensorflow"]))
    if state["generator"] is not None:
        tf.random.get_global_generator().state.assign(state["generator"])


def _twister(state: tuple) -> tuple:
    """Return the state of one of Python's generators with its 625 words as an array: as JSON they take 1 ms."""
    version, words, gauss = state
    return version, np.array(words, dtype="uint32"), gauss


def _untwisted(kept: tuple) -> tuple:
    version, words, gauss = kept
    return version, tuple(int(w) for w in words), gauss
