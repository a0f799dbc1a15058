"""A limit on the training time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras

from trainrun.util.arguments import Duration
from trainrun.util.declarations import declare
from trainrun.util.durations import seconds


@declare(reads_weights=False, changes_only_variables=True, reads_clock=True)
@keras.saving.register_keras_serializable("trainrun")
class TimeLimit(keras.callbacks.Callback):
    """Stop training once a time limit is reached, at the end of a step.

    The run then finishes normally: validation of the epoch, evaluation and saving follow. A resumed run has the remaining
    time.

    Args:
        limit: a duration from the start of training: ``30s``, ``10m``, ``1h30m``, ``2d``, or a number of seconds.

    Raises:
        ValueError: `limit` is not a duration.
    """

    coarse = True  # one call after several steps is sufficient

    def __init__(self, limit: Duration):
        super().__init__()
        self.limit = limit
        self.seconds = seconds(limit)
        self._deadline = float("inf")

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._deadline = time.monotonic() + self.seconds

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if time.monotonic() >= self._deadline:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.on_train_batch_end(epoch)

    def get_state(self) -> dict[str, Any]:
        """Return the remaining time in seconds, as the monotonic clock of another process has another origin."""
        return {"left": self._deadline - time.monotonic(), "limit": self.seconds}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the remaining time; if the limit was changed in between, by the difference more or less."""
        self._deadline = time.monotonic() + state["left"] + self.seconds - state["limit"]

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit}
