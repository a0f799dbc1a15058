"""The state of a callback: what it returns itself, or its attributes that are plain data."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainrun.compat import keras_callback_private

# What Keras sets in each callback, and sets again.
FOREIGN = ("params", "model", "_model", "validation_data")


def is_kept(callback: Any) -> bool:
    """Return whether a callback has a state that belongs into a checkpoint."""
    # The history has a place of its own.
    return not getattr(callback, "transient", False) and not isinstance(callback, keras.callbacks.History)


def get(callback: Any) -> Any:
    """Return a callback's state: what its `get_state` says, else its attributes that are plain data."""
    if not is_kept(callback):
        return None
    if hasattr(callback, "get_state"):
        return callback.get_state()
    state = {k: v for k, v in vars(callback).items() if k not in FOREIGN and is_plain(v)}
    # Keras decides late in which direction its monitors look, and turns `min_delta` round when it does.
    if getattr(callback, "monitor_op", None) is not None:
        state["monitor_op"] = "set"
    return state


def set(callback: Any, state: Any) -> None:
    """Put back what `get` returned."""
    if hasattr(callback, "set_state"):
        callback.set_state(state)
        return
    state = dict(state)
    if state.pop("monitor_op", None) == "set" and callback.monitor_op is None:
        keras_callback_private.decide_direction(callback)
    for name, value in state.items():
        if isinstance(now := getattr(callback, name, None), tf.Variable | keras.Variable):
            now.assign(value)
        else:
            setattr(callback, name, value)


def is_plain(value: Any) -> bool:
    """Return whether a value is plain data, an array or a variable, through all its levels."""
    if value is None or isinstance(
        value, bool | int | float | str | np.generic | tf.Variable | keras.Variable
    ):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype != object
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return type(value) is dict and all(is_plain(k) and is_plain(v) for k, v in value.items())
