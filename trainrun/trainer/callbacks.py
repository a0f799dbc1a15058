"""Callback list of a resumed run: the saved state is restored after the callbacks have reset themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras

from trainrun.callback._validate_average import ValidateAverage
from trainrun.compat import keras_model_private
from trainrun.trainer.job import Job
from trainrun.trainer.measure import measure_sets
from trainrun.util import decimal_digits


class Callbacks(keras.callbacks.CallbackList):
    """Keras' list of callbacks, which also restores the state of a resumed run.

    Callbacks reset themselves when training begins (a patience, a best value), and Keras resets metrics when an epoch begins.
    So the state is restored after `on_train_begin`, and again after `on_epoch_begin` of an epoch that is resumed in its middle.
    `fit` counts the steps of that epoch from 0; the hooks of the steps that were done before are not called.

    Args:
        job: with the point to resume from.
        callbacks: in their order.
    """

    def __init__(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]):
        # Set before `super().__init__`, which hands this list to the model.
        self.job, self.first_epoch, self.first_step = job, *job.position()
        super().__init__(
            list(callbacks),
            add_history=True,
            model=job.model,
            epochs=job.plan.epochs,
            steps=job.plan.steps_per_epoch,
        )
        self._epoch = -1

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        tables = [c for c in self.callbacks if isinstance(c, keras.callbacks.CSVLogger)]
        if self.job.start is not None:
            for table in tables:
                # Otherwise it would truncate the file.
                table.append = True
                _cut(Path(table.filename), table.sep, self.first_epoch)
        super().on_train_begin(logs)
        if self.job.start is not None:
            self._restore()
            # `fit` reads it next; Keras' BackupAndRestore may have set another value.
            keras_model_private.set_initial_epoch(self.model, self.first_epoch)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch
        if self.job.start is not None and epoch == self.first_epoch and self.first_step:
            self._restore()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        # Before all callbacks, which may monitor them; where only some epochs are validated, in these.
        if logs is not None and (self.job.validation is None or "val_loss" in logs):
            averages = (c.averaged() for c in self.callbacks if isinstance(c, ValidateAverage))
            with next(averages, nullcontext()):
                logs |= measure_sets(self.job)
        super().on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if not self.done(batch):
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if not self.done(batch):
            # Keras counts a call of several steps as full at the end of an epoch, too: step 44 of 34 with 11 a call.
            super().on_train_batch_end(min(batch, self.job.plan.steps_per_epoch - 1), logs)

    def done(self, step: int) -> bool:
        """Return whether a step of the current epoch was done before the run was resumed."""
        return self._epoch == self.first_epoch and step < self.first_step

    def _restore(self) -> None:
        headers = {c: c.append_header for c in self.callbacks if isinstance(c, keras.callbacks.CSVLogger)}
        self.job.start.restore(self.job.model, self.callbacks)
        for table, header in headers.items():
            table.append, table.append_header = True, header  # of the existing file, not of the saved state


def _cut(path: Path, separator: str, epoch: int) -> None:
    """Remove the rows of an epoch and of later ones from a CSVLogger's file, because they are written again."""
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines(keepends=True)
    numbers = [decimal_digits.number(line.split(separator)[0].strip()) for line in lines]
    earlier = [line for line, n in zip(lines, numbers, strict=True) if n is None or n < epoch]
    if len(earlier) < len(lines):
        path.write_text("".join(earlier), encoding="utf-8", errors="surrogateescape")
