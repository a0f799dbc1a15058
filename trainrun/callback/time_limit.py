"""An end by the clock."""

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
    """Stop training after so much time, at the end of the step in which it runs out.

    A run that goes on has what is left of the time.

    The run then ends as if its epochs were over: validation of the last epoch, evaluation and saving still
    come.

    Args:
        limit: 30s, 10m, 1h30m, 2d, or a number of seconds; counted from the beginning of training.

    Raises:
        ValueError: `limit` is no duration.
    """

    coarse = True  # content with being called after several steps at once

    def __init__(self, limit: Duration):
        super().__init__()
        self.limit = limit
        self.seconds = seconds(limit)
        self._until = float("inf")

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._until = time.monotonic() + self.seconds

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if time.monotonic() >= self._until:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.on_train_batch_end(epoch)

    def get_state(self) -> dict[str, Any]:
        """Return how much of the time is left; the clock of another process says nothing here."""
        return {"left": self._until - time.monotonic(), "limit": self.seconds}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take what `get_state` returned; a longer limit is longer by what was added."""
        self._until = time.monotonic() + state["left"] + self.seconds - state["limit"]

    def get_config(self) -> dict[str, Any]:
        return {"limit": self.limit}
