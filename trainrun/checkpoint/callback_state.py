"""The state of a callback: the result of its `get_state`, or its attributes that are plain data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_callback_private

# Attributes that Keras sets in each callback.
KERAS_ATTRIBUTES = ("params", "model", "_model", "validation_data")


def is_kept(callback: Any) -> bool:
    """Return whether a callback has a state to save in checkpoints."""
    # The history is saved separately.
    return not getattr(callback, "transient", False) and not isinstance(callback, keras.callbacks.History)


def get(callback: Any) -> Any:
    """Return a callback's state: the result of its `get_state`, else its attributes that are plain data."""
    if not is_kept(callback):
        return None
    if hasattr(callback, "get_state"):
        return callback.get_state()
    state = {k: v for k, v in vars(callback).items() if k not in KERAS_ATTRIBUTES and is_plain(v)}
    # Keras decides late whether less or more is better, and changes the sign of `min_delta` when it does.
    if getattr(callback, "monitor_op", None) is not None:
        state["monitor_op"] = "set"
    return state


def set(callback: Any, state: Any, lengths: Mapping[str, tuple[int, int]] | None = None) -> None:
    """Restore a state that `get` has returned.

    Args:
        callback: constructed for this run.
        state: of the callback of the run that is resumed.
        lengths: run-time values by name (``epochs``), that run's and this one's; an attribute that each was constructed with is kept.
    """
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    state = dict(state)
    if state.pop("monitor_op", None) == "set" and callback.monitor_op is None:
        keras_callback_private.decide_direction(callback)
    for name, value in state.items():
        if isinstance(now := getattr(callback, name, None), tf.Variable | keras.Variable):
            now.assign(value)
        elif isinstance(now, str) and os.path.isabs(now):
            continue  # a file or folder that it was constructed with: that of this run, not of one that this is a copy of
        elif lengths and lengths.get(name) == (value, now):
            continue  # this run is longer
        else:
            setattr(callback, name, value)


def is_plain(value: Any) -> bool:
    """Return whether a value consists of plain data, arrays and variables."""
    if value is None or isinstance(
        value, bool | int | float | str | np.generic | tf.Variable | keras.Variable
    ):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype != object
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return type(value) is dict and all(is_plain(k) and is_plain(v) for k, v in value.items())
