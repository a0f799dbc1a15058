"""Metrics from Keras' training loop into the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from trainrun.checkpoint.training_state import updates
from trainrun.tracking.journal import Journal
from trainrun.util.declarations import declare


@declare(reads_weights=False)
class JournalCallback(keras.callbacks.Callback):
    """Write a record after each epoch and, with `every_steps`, within epochs.

    Args:
        journal: of the run.
        every_steps: steps between two ``batch`` records; None: none.
    """

    def __init__(self, journal: Journal, every_steps: int | None = None):
        super().__init__()
        self.journal = journal
        self.every_steps = every_steps
        self._epoch = 0
        self._base: int | None = None  # updates done before this epoch; None: not known yet
        self._written = 0
        # Trainers that take many steps in one call return at each multiple of so many.
        self.stride = every_steps
        if every_steps:
            # Only with `every_steps`: a call after each batch costs time.
            self.on_train_batch_end = self._on_train_batch_end

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._written = self._steps()

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch, self._base = epoch, None

    def _on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._base is None:  # after the first step: an epoch may be resumed in its middle
            self._base = self._steps() - (batch + 1)
        step = self._base + batch + 1
        if step - self._written >= self.every_steps:
            self._written = step
            self.journal.write("batch", epoch=self._epoch + 1, step=step, metrics=plain(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.journal.write("epoch", epoch=epoch + 1, step=self._steps(), metrics=plain(logs))

    def get_state(self) -> dict[str, Any]:
        """Return the state for a resumed run: where the last ``batch`` record is."""
        return {"every_steps": self.every_steps, "_written": self._written}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `get_state`; the interval is that of this time, and the model is restored already."""
        self._written = state["_written"] if state["every_steps"] == self.every_steps else self._steps()

    def _steps(self) -> int:
        return 0 if getattr(self.model, "optimizer", None) is None else updates(self.model)


def plain(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return Keras' logs as plain numbers; other values are left out."""
    values = {}
    for name, value in (logs or {}).items():
        try:
            values[name] = float(value)
        except (TypeError, ValueError):
            continue
    return values
