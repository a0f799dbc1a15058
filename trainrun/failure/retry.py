"""Training with retries: another attempt after a failure for which the settings `failure` have an answer."""

from __future__ import annotations

import contextlib
import gc
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.checkpoint.resume_point import Resume
from trainrun.checkpoint.writer import Checkpoint
from trainrun.errors import TrainingError, readable
from trainrun.failure import adjustments, classification, nan_search, user_traceback
from trainrun.failure.adjustments import Adjustments
from trainrun.failure.classification import NonFinite
from trainrun.failure.interfaces import Builder, Record
from trainrun.failure.settings import FailureSettings
from trainrun.hardware import replicas
from trainrun.registry import declaration_reader
from trainrun.step._accumulate import refusal
from trainrun.step.default import default
from trainrun.trainer.model_steps import takes_own
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.util.interrupt import StopRequest

# Kind of failure -> the setting with the maximum number of answers; None: no limit.
LIMIT = {
    classification.OUT_OF_MEMORY: None,
    classification.NON_FINITE: "rollbacks",
    classification.LOST: "retries",
}


@dataclass(frozen=True)
class _Answer:
    """The answer to a failure: another attempt with `adjustments`, or the end with `error`."""

    text: str
    adjustments: Adjustments
    error: BaseException | None = None


class Attempts:
    """The attempts of a run: job, trainer and callbacks are built anew for each of them.

    No other object keeps these, so that their memory is free before the next attempt.

    Args:
        builder: of the run.
        settings: the answers to failures.
        run_dir: the run's directory.
        resume: the run and checkpoint to continue from, or None.
        failures: of the run so far, as `adjustments.earlier` returns them.
        stop: the request to stop the run.
    """

    def __init__(
        self,
        builder: Builder,
        settings: FailureSettings,
        run_dir: Path,
        resume: Resume | None,
        failures: list[dict[str, Any]],
        stop: StopRequest,
    ):
        self.builder, self.settings, self.run_dir, self.stop = builder, settings, run_dir, stop
        self.strategy = builder.strategy
        self.failures = failures
        self.adjustments = adjustments.latest(failures)
        self._unwritten = None
        if resume is not None and resume.because:
            # The failure that ended earlier processes, which could not record it.
            number = len(self.failures) + 1
            self._unwritten = {"number": number, **resume.because, **self.adjustments.record()}
        self._counts = dict.fromkeys(LIMIT, 0)  # answers in this process
        self._build(resume)

    def _build(self, resume: Resume | None) -> None:
        job = self.builder.job(self.adjustments)
        job = job if resume is None else resume.onto(job)
        if job.start is not None:
            was = job.start.checkpoint.about["plan"].get("rate", 1.0)
            job = replace(job, start=replace(job.start, rate=self.adjustments.rate / was))
        self.job = self.builder.with_shared_program(job, self.adjustments)
        self.trainer = self.builder.trainer(self.job, self.adjustments.parts)
        self.callbacks = self.builder.callbacks(self.job)

    def train(self, record: Record) -> dict[str, list[float]]:
        """Train until the training ends, or until a failure has no answer.

        Args:
            record: gets each failure, the job of each attempt, and which weights are the model.

        Returns:
            The history: name -> one value an epoch.
        """
        record.failures = self.failures
        if self._unwritten:
            self._write(self._unwritten, record)
        while True:
            callbacks = self.builder.with_run_callbacks(
                self.callbacks, record.callback(), self.job, self.adjustments
            )
            try:
                with replicas.lost_worker_explained(self.strategy), self.job.state.events(record.event):
                    history = self.trainer.train(self.job, callbacks)
                if not isinstance(history, Mapping):
                    text = f"trainer: train returned {type(history).__name__}; expected the history, name -> one value an epoch."
                    raise TrainingError(text)
                record.weights = self.builder.settle_weights(self.job, callbacks)
                return history
            except Exception as error:
                _finish_checkpoints(callbacks)
                answer = self._answer(error, callbacks, record)
                self._record(error, answer, record)
                if answer.error is error:
                    raise
                if answer.error is not None:
                    raise answer.error from error
                # The frames of the traceback hold the model and intermediate results.
                traceback.clear_frames(error.__traceback__)
            del callbacks
            self._again(record, answer.adjustments)

    @property
    def ended_early(self) -> bool:
        """Whether a callback has ended the training before its last epoch, in this process or an earlier one."""
        start = self.job.start
        return self.job.model.stop_training or (start is not None and start.over)

    def begin_phase(self, builder: Builder, record: Record) -> None:
        """Build the job of the next phase, which begins where the last one has ended.

        Args:
            builder: of the phase.
            record: gets the job.
        """
        self.builder = builder
        self._rebuild(record, Resume(self.run_dir, next_phase=True))
        record.job = self.job

    def _again(self, record: Record, changed: Adjustments) -> None:
        self.adjustments = changed
        resume = Resume(self.run_dir)
        self._rebuild(record, resume)
        record.begin_attempt(self.job, resume.record(self.job))

    def _rebuild(self, record: Record, resume: Resume) -> None:
        """Release the job, and build the next one, which begins at the last checkpoint."""
        self.job = self.trainer = self.callbacks = record.job = None
        gc.collect()
        self._build(resume)

    def _answer(self, error: Exception, callbacks: list[Any], record: Record) -> _Answer:
        kind = classification.kind(error)
        if kind == classification.OUT_OF_MEMORY:
            return self._out_of_memory(error)
        if kind == classification.NON_FINITE:
            failure = next(e for e in classification.chain(error) if isinstance(e, NonFinite))
            return self._non_finite(failure, callbacks, record)
        if kind == classification.LOST and self._is_allowed(kind, "lost", "retry"):
            console.warn(
                f"{readable(user_traceback.short_message(error)).splitlines()[0]}: restarting from the last checkpoint "
                f"(retry {self._counts[kind]} of {self.settings.retries})"
            )
            return _Answer("from the last checkpoint", self.adjustments)
        return _Answer("stopped", self.adjustments, error)

    def _is_allowed(self, kind: str, key: str, choice: str) -> bool:
        """Return whether the settings allow another answer to this kind of failure, and count it."""
        if getattr(self.settings, key) != choice or replicas.is_several_processes(self.strategy):
            return False
        self._counts[kind] += 1
        setting = LIMIT[kind]
        return setting is None or self._counts[kind] <= getattr(self.settings, setting)

    def _out_of_memory(self, error: Exception) -> _Answer:
        plan = self.job.plan
        share = max(plan.batch_size // self.strategy.num_replicas_in_sync, 1)
        parts = max(self.adjustments.parts, self.builder.accumulate)
        reason = self._indivisible()
        if reason is None and parts >= share:
            reason = "each part of a batch is a single example already"
        if reason is None and self._is_allowed(classification.OUT_OF_MEMORY, "out_of_memory", "accumulate"):
            more = min(2 * parts, share)
            console.warn(
                f"out of memory at {-(-share // parts)} examples at once: each batch of {plan.batch_size} is now divided into "
                f"{more} parts, for the same update. (Dropout and batch normalization act on each part.)"
            )
            return _Answer(f"each batch in {more} parts", replace(self.adjustments, parts=more))
        smaller = f"trainer.batch_size={max(share // 2, 1)}"
        if replicas.is_several_processes(self.strategy):
            reason = reason or "a process that trains together with others cannot change its batches"
        reason = reason or "failure.out_of_memory is stop"
        return _Answer(
            "stopped",
            self.adjustments,
            TrainingError(
                f"out of memory at {-(-share // parts)} examples at once, and {reason}. Try {smaller}, a smaller model, or "
                f"hardware.precision=mixed_float16. ({readable(user_traceback.short_message(error))[:200]})"
            ),
        )

    def _indivisible(self) -> str | None:
        """Return the reason why batches cannot be divided into parts, or None."""
        name, step = self.builder.trainer_name, getattr(self.trainer, "step", None)
        trainer = declaration_reader.of("trainer", name)
        if self.job.model.jit_compile:
            return "XLA needs parts of one size (trainer.jit_compile=false allows any)"
        if trainer.accumulates:
            if step is not default and not hasattr(step, "parts"):
                return (
                    "a custom step takes the whole batch (it may call trainrun.step._accumulate.Accumulate)"
                )
        elif not trainer.calls_train_step:
            return f"trainer={name} does not use batches"
        elif self.strategy.num_replicas_in_sync > 1:
            return f"trainer={name} cannot divide the batches of several devices (trainer=custom can)"
        elif takes_own(self.job.model, "train_step"):
            return "the model overrides train_step or compute_metrics"
        return refusal(self.job.model)

    def _non_finite(self, failure: NonFinite, callbacks: list[Any], record: Record) -> _Answer:
        if self._is_allowed(classification.NON_FINITE, "non_finite", "rollback"):
            rate = self.adjustments.rate * self.settings.rate
            console.warn(
                f"{failure}: back to the last checkpoint with learning rate × {rate:g} "
                f"(rollback {self._counts[classification.NON_FINITE]} of {self.settings.rollbacks})"
            )
            return _Answer(f"rolled back, learning rate × {rate:g}", replace(self.adjustments, rate=rate))
        report = nan_search.search(
            failure,
            self.builder,
            self.job.plan,
            self.adjustments,
            self.run_dir,
            callbacks,
            self.stop,
            self.settings.minutes,
            together=replicas.is_several_processes(self.strategy),
            writes=replicas.is_chief(self.strategy),
        )
        with contextlib.suppress(OSError):
            record.event(classification.NON_FINITE, **report)
        return _Answer("stopped", self.adjustments, TrainingError(report["message"]))

    def _record(self, error: Exception, answer: _Answer, record: Record) -> None:
        """Write the failure to the record and keep it for the summary."""
        from trainrun.checkpoint import file

        checkpoint = file.newest(self.run_dir)[0] if answer.error is None else None
        entry: dict[str, Any] = {
            "number": len(self.failures) + 1,
            "failure": classification.kind(error),
            "error": readable(user_traceback.short_message(error))[:500],
            "answer": answer.text,
            **answer.adjustments.record(),
            "checkpoint": None if checkpoint is None else checkpoint.path.name,
            "epoch": 0 if checkpoint is None else checkpoint.epoch,
            "step": 0 if checkpoint is None else checkpoint.step,
        }
        if entry["failure"] == classification.DISK_FULL:
            record.repair_journal()
        if answer.error is not error:  # else the record logs it
            console.log("".join(traceback.format_exception(error)))
        self._write(entry, record)

    def _write(self, entry: dict[str, Any], record: Record) -> None:
        self.failures.append(entry)
        # With a full disk the failure appears on the terminal only.
        with contextlib.suppress(OSError):
            record.event(adjustments.EVENT, **entry)


def _finish_checkpoints(callbacks: list[Any]) -> None:
    """Wait until the last good state is written, before the run goes back to it."""
    for callback in callbacks:
        if isinstance(callback, Checkpoint):
            callback.close()
