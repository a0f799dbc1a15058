"""The callback that writes checkpoints: after epochs, within long ones, and at a signal."""

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
from trainrun.checkpoint.best_weights import BestWeights
from trainrun.checkpoint.file import BEST, FOLDER, LAST
from trainrun.checkpoint.training_state import StateReader
from trainrun.errors import TrainingError
from trainrun.util.declarations import declare
from trainrun.util.finite import non_finite
from trainrun.util.interrupt import StopRequest
from trainrun.util.interval import Interval

# Share of the time that writing may take. A small model takes 4 ms on an idle machine, a twentieth of an epoch of digits, and
# ten times as long on a busy disk.
SHARE = 0.01
# Least and greatest pause between two checkpoints at the ends of epochs; after the latter, the next epoch is written.
MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 10.0
# Pause between two checkpoints within an epoch.
WITHIN_EPOCH_S = 30.0


@declare(reads_weights=False)
class Checkpoint(keras.callbacks.Callback):
    """Write `last.npz`, and `best.npz` for the best epoch so far; a run can resume from either.

    By default, short epochs are skipped so that writing takes at most about `SHARE` of the time: a killed process loses its
    current epoch and the 1 to 10 seconds before it. Every epoch of 10 seconds or more is written, and within an epoch every
    30 seconds. The first and the last epoch are always written; the best state is held in memory until the next checkpoint. The
    state is captured between two steps, and another thread writes the file while training continues.

    After a signal, the state is written and `Interrupted` raised.

    Args:
        run_dir: the run's directory.
        best: the best epoch so far.
        every: see `Interval.parse`.
        keep: number of newest checkpoints to keep.
        callbacks: of the run, whose state is saved.
        plan: `epochs`, `batch_size` and `steps_per_epoch`, for a resumed run.
        preprocessing: the record of what was fitted on the data, as JSON, for a checkpoint that is read without its run's directory.
        writes: False on a worker that is not the chief: it stops at a signal, but writes nothing.
        within: False: only at the ends of epochs. Each of several processes has its own part of the metrics, and only one
            writes, so that the other parts would be lost within an epoch.
        stop: the request to stop the run.
        reader: of the model's state; None: a new one.
        share: returns the share of the time that writing may take.
        clock: for tests; monotonic seconds.
    """

    coarse = True  # a call after several steps will do

    def __init__(
        self,
        run_dir: Path,
        best: BestWeights | None = None,
        every: str = "auto",
        keep: int = 2,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        plan: Mapping[str, int] | None = None,
        preprocessing: str | None = None,
        writes: bool = True,
        within: bool = True,
        stop: StopRequest | None = None,
        reader: StateReader | None = None,
        share: Callable[[], float] = lambda: SHARE,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.folder, self.best = run_dir / FOLDER, best or BestWeights()
        self.keep, self.writes, self.within, self.clock = keep, writes, within, clock
        self._stop, self._reader, self._share = stop or StopRequest(), reader, share
        self.every = Interval.parse(every)
        self.callbacks = callbacks
        self.plan, self.preprocessing = dict(plan or {}), preprocessing
        # Trainers return from compiled code at each multiple of so many steps, where a checkpoint may be due.
        self.stride = self.every.stride(self.plan.get("steps_per_epoch", 0))
        self._due = -math.inf  # when to write next at an epoch's end
        self._due_at = math.inf  # and within one
        self._epoch = 0
        self._written_step = 0  # updates done when last written
        self._pending_best: tuple | None = None  # the state of the best epoch
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future | None = None

    def get_state(self) -> dict[str, Any]:
        """Return the state for a resumed run: the best epoch so far."""
        return self.best.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore the result of `get_state`; the model is restored already."""
        if "epoch" in state:  # older checkpoints have the lowest value only
            self.best.set_state(state, self._readable().arrays())
        self._written_step = training_state.updates(self.model)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.writes:
            file.tidy(self.folder)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._epoch = epoch
        if self._due == -math.inf:
            self._due_at = self.clock() + (self.every.seconds or WITHIN_EPOCH_S)

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
            improved = self.best.improves(logs or {})
            # Not in `on_train_end`: by then, weights may have been averaged or those of the best epoch restored.
            final = self.model.stop_training or epoch + 1 == self.params.get("epochs")
            due = final or stop is not None or self._due_after(epoch)
            if improved or due:
                before = self.best.get_state()
                if improved:
                    self.best.begin(epoch + 1, logs)
                taken = self._take(epoch + 1, 0, final)
                if improved and self._is_finite(taken):
                    self.best.take(taken[0])
                    self._pending_best = taken
                elif improved:
                    self.best.set_state(before, {})
                if due:
                    self._submit(taken)
        if stop is not None:
            self._finish()
            stop.saved = self.folder.parent if self.writes else None
            raise stop

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._finish()

    def close(self) -> None:
        """Write the pending best state and wait for the writer, after an exception."""
        with contextlib.suppress(TrainingError, OSError):  # the exception before it is reported
            self._collect()
            self._write_best()
        if self._writer is not None:
            self._writer.shutdown()

    def _due_within(self, batch: int) -> bool:
        """Return whether to write within an epoch."""
        if not self.writes or not self.within or batch + 1 == self.params.get("steps"):
            return False  # the end of the epoch follows at once
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
        arrays, about = training_state.capture(
            self.model, self._readable(), [*self.callbacks], epoch, step, done
        )
        return arrays, {**about, "plan": self.plan, "preprocessing": self.preprocessing}

    def _readable(self) -> StateReader:
        self._reader = self._reader or training_state.Reader(self.model)
        return self._reader

    def _write(self, epoch: int, step: int, done: bool) -> None:
        self._submit(self._take(epoch, step, done))

    def _is_finite(self, taken: tuple) -> bool:
        """Return whether all weights that are trained are finite numbers."""
        trained = {f"weights/{i:04d}" for i, v in enumerate(self.model.variables) if v.trainable}
        return all(
            non_finite(array) is None for name, array in taken[0].items() if name.partition("#")[0] in trained
        )

    def _submit(self, taken: tuple) -> None:
        """Start writing a state, and the pending best one with it; wait for the checkpoint before."""
        self._collect()
        if not self._is_finite(taken):
            return  # the checkpoint before is better to resume from
        begin, best = self.clock(), self._pending_best
        self._pending_best = None
        self._written_step = taken[1]["updates"]
        # Not due until the duration of this one is known.
        self._due = self._due_at = math.inf

        def work() -> float:
            if best is not None:
                file.write(self.folder / BEST, *best)
            file.write(self.folder / LAST, *taken, keep=self.keep)
            return self.clock()

        self._writing = self._writer.submit(work)
        self._writing.add_done_callback(lambda done: self._schedule(begin, done))

    def _schedule(self, begin: float, done: Future) -> None:
        end = begin if done.exception() else done.result()
        pause = max((end - begin) / self._share(), MIN_PAUSE_S)
        self._due = end + min(pause, MAX_PAUSE_S)
        self._due_at = end + (self.every.seconds or max(pause, WITHIN_EPOCH_S))

    def _collect(self) -> None:
        """Wait for the checkpoint that is being written; raise a TrainingError if it fails."""
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
        if self._pending_best is not None and self.writes:
            best, self._pending_best = self._pending_best, None
            try:
                file.write(self.folder / BEST, *best)
            except OSError as error:
                raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> TrainingError:
        return TrainingError(
            f"the checkpoint could not be written to {self.folder}: {error.strerror or error}. "
            f"Earlier checkpoints are whole. Free some space, then: trainrun resume {self.folder.parent}"
        )
