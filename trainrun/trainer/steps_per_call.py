"""How many steps to take before Python is heard again."""

from __future__ import annotations

import math
from collections.abc import Iterable

import keras

from trainrun.compat import keras_callback_private

# Seconds between two returns to Python: the bar moves, Ctrl-C and time limits are heard. A return costs about
# half a millisecond, a quarter of a percent of this.
BREATH = 0.2
# The hooks of training steps, and those of validation.
TRAIN = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
TEST = ("on_test_batch_begin", "on_test_batch_end")


class Pace:
    """The number of steps in one compiled call: what takes about `BREATH` seconds, by the steps so far.

    Args:
        fixed: this many, whatever they take; None: by measurement.
        stride: no call goes past a multiple of so many steps, counted from the epoch's beginning.
    """

    def __init__(self, fixed: int | None = None, stride: int | None = None):
        self.fixed, self.stride = fixed, stride
        self.seconds: float | None = None  # a step, when last measured
        self._calls = 0

    def steps(self, left: int, at: int = 0) -> int:
        """Return how many of the `left` steps to take now, `at` steps after the epoch's beginning."""
        if self.stride:
            left = min(left, self.stride - at % self.stride)
        if self.fixed is not None:
            return min(self.fixed, left)
        if self.seconds is None:
            # The first call compiles, and tells nothing of the pace; the second is a short trial.
            self._calls += 1
            return min(1 if self._calls == 1 else 4, left)
        return min(max(1, int(BREATH / self.seconds)), left)

    def took(self, seconds: float) -> None:
        """Note what a step took in the last call."""
        self.seconds = max(seconds, 1e-9)


def wants_steps(callbacks: Iterable[keras.callbacks.Callback], hooks: tuple[str, ...] = TRAIN) -> bool:
    """Return whether a callback must be called after each single step.

    One that overrides a hook of the steps must, unless it says `coarse = True` (it is content with being called
    after several), or is one of Keras' that overrides the hook only for the case that it is set to save or
    trace within an epoch.
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
    """Return whether a callback takes a trace of the kernels."""
    return any(getattr(c, "traces", False) for c in callbacks)


def stride(callbacks: Iterable[keras.callbacks.Callback]) -> int | None:
    """Return the steps after which a callback wants to be called, counted from an epoch's beginning; None: any."""
    wanted = [s for c in callbacks if (s := getattr(c, "stride", None))]
    return math.gcd(*wanted) if wanted else None
