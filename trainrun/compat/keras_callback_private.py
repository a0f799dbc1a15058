"""Private attributes of Keras' callbacks: overridden hooks, tracing, the direction of a comparison.

Checked with Keras 3.15.1. Each function says what happens if the name is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras


def overrides(callback: keras.callbacks.Callback, hook: str) -> bool:
    """Return whether a callback has a hook of its own, so that it must be called.

    For: taking many steps in one compiled call where no callback listens to single steps.
    Public API: none; comparing with the base class' function fails for callbacks that delegate.
    Checked: Keras 3.15.1. Missing: every hook counts as overridden; training is slower, with the same results.

    Args:
        callback: any.
        hook: the method's name, for example ``on_train_batch_end``.
    """
    return not getattr(getattr(callback, hook), "_is_default", False)


def traces_steps(callback: keras.callbacks.TensorBoard) -> bool:
    """Return whether a TensorBoard callback is going to trace single steps (`profile_batch`).

    For: see `overrides`. Public API: `profile_batch` is parsed and not kept.
    Checked: Keras 3.15.1. Missing: AttributeError when training with `callback=tensorboard` begins.
    """
    return bool(callback._should_trace)


def decide_direction(callback: Any) -> None:
    """Make a callback that monitors a metric decide now whether less or more is better.

    For: a resumed run, before the saved `best` and `min_delta` are put back; deciding turns the sign of `min_delta`.
    Public API: Keras decides at the first epoch's end. Checked: Keras 3.15.1. Missing: AttributeError on resuming.

    Args:
        callback: with a `monitor`, attached to a compiled model.
    """
    callback._set_monitor_op()
