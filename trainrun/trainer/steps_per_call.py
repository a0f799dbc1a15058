"""The number of steps per compiled call."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import keras

from trainrun.compat import keras_callback_private

# Target duration of a compiled call, in seconds. The progress bar, Ctrl-C and time limits take effect between calls. The overhead
# of a call is about half a millisecond, 0.25% of this.
CALL_S = 0.2
# The hooks of training steps, and those of validation.
TRAIN = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
TEST = ("on_test_batch_begin", "on_test_batch_end")


class Pace:
    """The number of steps per compiled call: those of about `CALL_S` seconds, by the duration of earlier steps.

    Args:
        fixed: a fixed number; None: by measurement.
        stride: a call ends at each multiple of so many steps, counted from the beginning of the epoch.
    """

    def __init__(self, fixed: int | None = None, stride: int | None = None):
        self.fixed, self.stride = fixed, stride
        self.seconds: float | None = None  # of a step, by the latest measurement
        self._calls = 0

    @classmethod
    def of(
        cls,
        setting: int | Literal["auto"],
        callbacks: Sequence[keras.callbacks.Callback],
        hooks: tuple[str, ...],
    ) -> Pace:
        """Return the pace for a trainer's `steps_per_execution` and callbacks with some of `hooks`, `TRAIN` or `TEST`."""
        if wants_steps(callbacks, hooks):
            return cls(1)
        return cls(
            None if setting == "auto" else int(setting), call_interval(callbacks) if hooks is TRAIN else None
        )

    def steps(self, left: int, at: int = 0) -> int:
        """Return the number of steps of the next call.

        Args:
            left: steps left in the epoch.
            at: steps done in the epoch.
        """
        if self.stride:
            left = min(left, self.stride - at % self.stride)
        if self.fixed is not None:
            return min(self.fixed, left)
        if self.seconds is None:
            # The first call compiles, so its duration means nothing; the second one measures.
            self._calls += 1
            return min(1 if self._calls == 1 else 4, left)
        return min(max(1, int(CALL_S / self.seconds)), left)

    def took(self, seconds: float) -> None:
        """Record the duration of a step in the last call."""
        self.seconds = max(seconds, 1e-9)


def wants_steps(callbacks: Iterable[keras.callbacks.Callback], hooks: tuple[str, ...] = TRAIN) -> bool:
    """Return whether a callback must be called after each single step.

    This is the case if it overrides a hook of the steps, unless it sets `coarse = True` (one call after several steps is
    sufficient) or is a callback of Keras that uses the hook only to save or trace within an epoch.
    """
    return any(_wants(callback, hooks) for callback in callbacks)


def _wants(callback: keras.callbacks.Callback, hooks: tuple[str, ...]) -> bool:
    if getattr(callback, "coarse", False):
        return False
    if isinstance(callback, keras.callbacks.ModelCheckpoint | keras.callbacks.BackupAndRestore):
        return callback.save_freq != "epoch"
    if isinstance(callback, keras.callbacks.TensorBoard):
        return (
            callback.update_freq != "epoch"
            or keras_callback_private.traces_steps(callback)
            or callback.write_steps_per_second
        )
    return any(keras_callback_private.overrides(callback, hook) for hook in hooks)


def traced(callbacks: Iterable[keras.callbacks.Callback]) -> bool:
    """Return whether a callback traces the kernels."""
    return any(getattr(c, "traces", False) for c in callbacks)


def call_interval(callbacks: Iterable[keras.callbacks.Callback]) -> int | None:
    """Return the interval of steps, from the beginning of an epoch, at which callbacks must be called; None: any."""
    strides = [s for c in callbacks if (s := getattr(c, "stride", None))]
    return math.gcd(*strides) if strides else None
