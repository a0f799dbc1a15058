"""The random generators of the process: Python, numpy and TensorFlow (those of the model are variables)."""

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
        "python": _packed(random.getstate()),
        "numpy": np.random.get_state(),
        "tensorflow": None if seeds is None else _packed(seeds.getstate()),
        "generator": None if generator is None else generator.state.numpy(),
    }


def set(state: Mapping[str, Any]) -> None:
    """Restore a state that `get` has returned."""
    random.setstate(_unpacked(state["python"]))
    np.random.set_state(state["numpy"])
    seeds = tensorflow_private.operation_seeds()
    if state["tensorflow"] is not None and seeds is not None:
        seeds.setstate(_unpacked(state["tensorflow"]))
    if state["generator"] is not None:
        tf.random.get_global_generator().state.assign(state["generator"])


def _packed(state: tuple) -> tuple:
    """Return the state of a Python generator with its 625 words as an array, because as JSON they take 1 ms."""
    version, words, gauss = state
    return version, np.array(words, dtype="uint32"), gauss


def _unpacked(kept: tuple) -> tuple:
    version, words, gauss = kept
    return version, tuple(int(w) for w in words), gauss
