"""When checkpoints are written: after epochs, within long ones, and when a signal asks for it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras

from trainrun.checkpoint import file, training_state
from trainrun.checkpoint.file import BEST, FOLDER, LAST
from trainrun.checkpoint.training_state import StateReader
from trainrun.errors import TrainingError
from trainrun.util.declarations import declare
from trainrun.util.finite import non_finite
from trainrun.util.interrupt import StopRequest
from trainrun.util.interval import Interval

# Writing may take this share of the time: on an idle machine it takes 4 ms for a small model, a twentieth of an epoch
# of digits, and on a busy disk ten times as long.
SHARE = 0.01
# Seconds from one writing to the next at an epoch's end: never shorter, and, however long it takes, never longer
# than this and an epoch.
SOONEST, LATEST = 1.0, 10.0
# Seconds from one writing to the next within an epoch.
WITHIN = 30.0


@declare(reads_weights=False)
class Checkpoint(keras.callbacks.Callback):
    """Write `last.npz`, and `best.npz` where the monitored loss is the lowest so far; from either a run goes on.

    By itself, short epochs are passed over, so that writing takes at most about `SHARE` of the time: a process that
    is killed loses the epoch it was in and the 1 to 10 seconds before it. Epochs of 10 seconds and more are each
    written; within an epoch, one is written every 30 seconds. The first epoch and the last are always written; the
    best is that of all epochs, held in memory until the next writing. The state is taken between two steps; the file
    is written by another thread, meanwhile training goes on.

    When a signal has asked the run to end, the state is written and `Interrupted` raised.

    Args:
        run_dir: the run's directory.
        monitor: the log whose lowest value is best; `loss` stands in where there is no validation.
        every: see `Interval.parse`.
        keep: how many of the newest to keep.
        callbacks: of the whole run, whose state is part of the run's.
        plan: `epochs`, `batch_size` and `steps_per_epoch`, for the run that goes on from here.
        writes: False on a worker that is not the chief: it ends when a signal asks for it, and writes nothing.
        within: False: only at the ends of epochs. Of several processes each counts its own part of the metrics, and one
            writes: in mid-epoch, the others' parts would be lost.
        stop: the request to stop the run.
        reader: of the model's state; None: a new one.
        share: returns the share of the time that writing may take.
        clock: for tests; monotonic seconds.
    """

    coarse = True  # content with being called after several steps at once

    def __init__(
        self,
        run_dir: Path,
        monitor: str = "val_loss",
        every: str = "auto",
        keep: int = 2,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        plan: Mapping[str, int] | None = None,
        writes: bool = True,
        within: bool = True,
        stop: StopRequest | None = None,
        reader: StateReader | None = None,
        share: Callable[[], float] = lambda: SHARE,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.folder, self.monitor, self.keep, self.writes, self.clock = (
            run_dir / FOLDER,
            monitor,
            keep,
            writes,
            clock,
        )
        self.within = within
        self._stop, self._reader, self._share = stop or StopRequest(), reader, share
        self.every = Interval.parse(every)
        self.callbacks = callbacks
        self.plan = dict(plan or {})
        # A trainer returns from compiled code after each so many steps of an epoch: what is due there is not passed.
        self.stride = self.every.stride(self.plan.get("steps_per_epoch", 0))
        self.lowest = math.inf
        self._due = -math.inf  # when to write next at an epoch's end
        self._due_at = math.inf  # and within one
        self._epoch = 0
        self._written_step = 0  # updates done when last written
        self._best: tuple | None = None  # not written yet
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future | None = None

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed run must know: the lowest value so far."""
        return {"lowest": self.lowest}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take what `get_state` returned; by now the model is as it was when it was written."""
        self.lowest = float(state["lowest"])
        self._written_step = training_state.updates(self.model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.writes:
            file.tidy(self.folder)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch
        if self._due == -math.inf:
            self._due_at = self.clock() + (self.every.seconds or WITHIN)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        stop = self._stop.pending
        if stop is None and not self._due_within(batch):
            return
        if self.writes and self.within:
            self._write(self._epoch, batch + 1, done=False)
        if stop is not None:
            self._finish()
            stop.saved = self.folder.parent if self.writes else None
            raise stop

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        stop = self._stop.pending
        if self.writes:
            logs = logs or {}
            value = float(logs.get(self.monitor, logs.get("loss", math.nan)))
            improved = value < self.lowest
            if improved:
                self.lowest = value
            # Not left to `on_train_end`: by then, weights may have been averaged or those of the best epoch restored.
            final = self.model.stop_training or epoch + 1 == self.params.get("epochs")
            due = final or stop is not None or self._due_after(epoch)
            if improved or due:
                taken = self._take(epoch + 1, 0, final)
                if improved and self._is_sound(taken):
                    self._best = taken
                if due:
                    self._submit(taken)
        if stop is not None:
            self._finish()
            stop.saved = self.folder.parent if self.writes else None
            raise stop

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._finish()

    def close(self) -> None:
        """Write what is not written of the best state, and wait for the writing in progress; after an exception."""
        with contextlib.suppress(TrainingError, OSError):  # that exception is what is told
            self._collect()
            self._write_best()
        if self._writer is not None:
            self._writer.shutdown()

    def _due_within(self, batch: int) -> bool:
        """Return whether to write within an epoch."""
        if not self.writes or not self.within or batch + 1 == self.params.get("steps"):
            return False  # the epoch's end comes at once
        if self.every.epochs:
            return self.every.is_due(self._epoch, batch + 1, self.params.get("steps") or 0)
        if self.every.steps:
            return training_state.updates(self.model) - self._written_step >= self.every.steps
        return self.clock() >= self._due_at

    def _due_after(self, epoch: int) -> bool:
        """Return whether to write at an epoch's end."""
        if self.every.epochs:
            return self.every.is_due(epoch + 1, 0, self.params.get("steps") or 0)
        if self.every.steps:
            return training_state.updates(self.model) - self._written_step >= self.every.steps
        if self.every.seconds:
            return self.clock() >= self._due_at
        return self.clock() >= self._due

    def _take(self, epoch: int, step: int, done: bool) -> tuple:
        self._reader = self._reader or training_state.Reader(self.model)
        arrays, about = training_state.capture(self.model, self._reader, [*self.callbacks], epoch, step, done)
        return arrays, {**about, "plan": self.plan}

    def _write(self, epoch: int, step: int, done: bool) -> None:
        self._submit(self._take(epoch, step, done))

    def _is_sound(self, taken: tuple) -> bool:
        """Return whether all weights that are trained are finite numbers."""
        trained = {f"weights/{i:04d}" for i, v in enumerate(self.model.variables) if v.trainable}
        return all(
            non_finite(array) is None for name, array in taken[0].items() if name.partition("#")[0] in trained
        )

    def _submit(self, taken: tuple) -> None:
        """Have the state written, and the best one with it; waits for the writing before this one."""
        self._collect()
        if not self._is_sound(taken):
            return  # what was written before is better to go on from
        begin, best = self.clock(), self._best
        self._best = None
        self._written_step = taken[1]["updates"]
        # Set for the time until the writing's end is known.
        self._due = self._due_at = math.inf

        def work() -> float:
            file.write(self.folder / LAST, *taken, keep=self.keep)
            if best is not None:
                file.write(self.folder / BEST, *best)
            return self.clock()

        self._writing = self._writer.submit(work)
        self._writing.add_done_callback(lambda done: self._schedule(begin, done))

    def _schedule(self, begin: float, done: Future) -> None:
        end = begin if done.exception() else done.result()
        pause = max((end - begin) / self._share(), SOONEST)
        self._due = end + min(pause, LATEST)
        self._due_at = end + (self.every.seconds or max(pause, WITHIN))

    def _collect(self) -> None:
        """Wait for the writing in progress; say plainly what went wrong."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        try:
            writing.result()
        except OSError as error:
            raise self._unwritten(error) from error

    def _finish(self) -> None:
        self._collect()
        self._write_best()
        self._writer.shutdown()

    def _write_best(self) -> None:
        if self._best is not None and self.writes:
            best, self._best = self._best, None
            try:
                file.write(self.folder / BEST, *best)
            except OSError as error:
                raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> TrainingError:
        return TrainingError(
            f"the checkpoint could not be written to {self.folder}: {error.strerror or error}. "
            f"What was written before is whole. Make room, then: trainrun resume {self.folder.parent}"
        )
