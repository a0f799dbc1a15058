"""Training, and training again after a failure that the config's `failure` has an answer to."""

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
from trainrun.failure.adjustments import Concessions
from trainrun.failure.classification import NonFinite
from trainrun.failure.nan_guard import Finite
from trainrun.hardware import replicas
from trainrun.run import builders, callback_builders, joint_training
from trainrun.step._accumulate import refusal
from trainrun.step.default import default
from trainrun.trainer import program_cache
from trainrun.ui import console
from trainrun.util import redaction

if TYPE_CHECKING:
    from trainrun.data.dataset import Dataset
    from trainrun.run.outcome import Outcome

LIMIT = {
    classification.OUT_OF_MEMORY: None,
    classification.NON_FINITE: "rollbacks",
    classification.LOST: "retries",
}


@dataclass(frozen=True)
class _Answer:
    """What is done about a failure: trained on with `conceded`, or ended with `error`."""

    text: str
    conceded: Concessions
    error: BaseException | None = None


class Attempts:
    """What a run trains with, built anew for each attempt; nothing else keeps it, so that memory is free between.

    Args:
        config: resolved and checked.
        data: as loaded.
        strategy: the `tf.distribute.Strategy`.
        run_dir: the run's directory.
        resume: what the run goes on from, if it does.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        data: Dataset,
        strategy: Any,
        run_dir: Path,
        resume: Resume | None,
    ):
        self.config, self.data, self.strategy, self.run_dir = config, data, strategy, run_dir
        self.policy = config["failure"]
        self.failures = [] if resume is None else adjustments.earlier(resume.run_dir)
        self.conceded = adjustments.settled(self.failures)
        self._untold = None
        if resume is not None and resume.because:
            # What ended the processes before this one is told by who started them.
            number = len(self.failures) + 1
            self._untold = {"number": number, **resume.because, **self.conceded.record()}
        self._counts = dict.fromkeys(LIMIT, 0)  # answers given by this process
        self._build(resume)

    def _build(self, resume: Resume | None) -> None:
        job = builders.job(self.config, self.data, self.strategy, self.conceded)
        job = job if resume is None else resume.onto(job)
        if job.start is not None:
            was = job.start.checkpoint.about["plan"].get("rate", 1.0)
            job = replace(job, start=replace(job.start, rate=self.conceded.rate / was))
        if self.conceded == callback_builders.NOTHING:
            job = program_cache.job(job)
        self.job, self.trainer = (
            job,
            joint_training.trainer(builders.trainer(self.config, self.conceded.parts)),
        )
        self.callbacks = callback_builders.user_callbacks(self.config, self.run_dir, job)

    def train(self, outcome: Outcome) -> dict[str, list[float]]:
        """Train until it is done, or until a failure has no answer.

        Args:
            outcome: hears of each failure, and gets the job of each attempt.

        Returns:
            The history: name -> one value an epoch.
        """
        outcome.failures = self.failures
        if self._untold:
            self._write(self._untold, outcome)
        while True:
            every = callback_builders.with_run_callbacks(
                self.callbacks,
                outcome.recorder.callback(),
                self.run_dir,
                self.job,
                self.config["checkpoint"],
                self.conceded,
            )
            try:
                with replicas.all_there(self.strategy):
                    return self.trainer.train(self.job, every)
            except Exception as error:
                _settle(every)
                answer = self._answer(error, every, outcome)
                self._record(error, answer, outcome)
                if answer.error is error:
                    raise
                if answer.error is not None:
                    raise answer.error from error
                # The frames that were left hold the model, and all that was computed in them.
                traceback.clear_frames(error.__traceback__)
            del every
            self._again(outcome, answer.conceded)

    def _again(self, outcome: Outcome, conceded: Concessions) -> None:
        self.conceded = conceded
        self.job = self.trainer = self.callbacks = outcome.job = None
        gc.collect()
        resume = Resume(self.run_dir)
        self._build(resume)
        outcome.again(self.job, resume.record(self.job))

    def _answer(self, error: Exception, every: list[Any], outcome: Outcome) -> _Answer:
        kind = classification.kind(error)
        if kind == classification.OUT_OF_MEMORY:
            return self._out_of_memory(error)
        if kind == classification.NON_FINITE:
            failure = next(e for e in classification.chain(error) if isinstance(e, NonFinite))
            return self._non_finite(failure, every, outcome)
        if kind == classification.LOST and self._may(kind, "lost", "retry"):
            console.warn(
                f"{readable(user_traceback.said(error)).splitlines()[0]}: once more from the last checkpoint "
                f"(retry {self._counts[kind]} of {self.policy['retries']})"
            )
            return _Answer("from the last checkpoint", self.conceded)
        return _Answer("stopped", self.conceded, error)

    def _may(self, kind: str, key: str, choice: str) -> bool:
        """Tell whether the config wants one more answer of a kind, and count it."""
        if self.policy[key] != choice or replicas.is_several_processes(self.strategy):
            return False
        self._counts[kind] += 1
        most = LIMIT[kind]
        return most is None or self._counts[kind] <= self.policy[most]

    def _out_of_memory(self, error: Exception) -> _Answer:
        plan = self.job.plan
        each = max(plan.batch_size // self.strategy.num_replicas_in_sync, 1)
        parts = max(self.conceded.parts, self.config["trainer"].get("accumulate") or 1)
        reason = self._indivisible()
        if reason is None and parts >= each:
            reason = "each batch is taken one example at a time already"
        if reason is None and self._may(classification.OUT_OF_MEMORY, "out_of_memory", "accumulate"):
            more = min(2 * parts, each)
            console.warn(
                f"out of memory at {-(-each // parts)} examples at once: each batch of {plan.batch_size} is now taken in "
                f"{more} parts, for the same update. (Dropout draws, and batch normalization averages, in each part.)"
            )
            return _Answer(f"each batch in {more} parts", replace(self.conceded, parts=more))
        smaller = f"trainer.batch_size={max(each // 2, 1)}"
        if replicas.is_several_processes(self.strategy):
            reason = reason or "several processes, which train together, cannot go another way alone"
        reason = reason or "failure.out_of_memory is stop"
        return _Answer(
            "stopped",
            self.conceded,
            TrainingError(
                f"out of memory at {-(-each // parts)} examples at once, and {reason}. Try {smaller}, a smaller model, or "
                f"hardware.precision=mixed_float16. ({readable(user_traceback.said(error))[:200]})"
            ),
        )

    def _indivisible(self) -> str | None:
        """Return why batches cannot be taken in parts, or None if they can."""
        name, step = self.config["trainer"]["name"], getattr(self.trainer, "step", None)
        if self.job.model.jit_compile:
            return "XLA wants parts of one size (trainer.jit_compile=false allows any)"
        if name == "custom":
            own = step is not default and not hasattr(step, "parts")
            if own:
                return "a step of your own takes the whole batch (it may call trainrun.step._accumulate.Accumulate)"
        elif name not in builders.BY_TRAIN_STEP:
            return f"trainer={name} takes no batches that could be divided"
        elif self.strategy.num_replicas_in_sync > 1:
            return f"trainer={name} cannot divide the batches of several devices (trainer=custom can)"
        elif _own_train_step(self.job.model):
            return "the model has a train_step of its own"
        return refusal(self.job.model)

    def _non_finite(self, failure: NonFinite, every: list[Any], outcome: Outcome) -> _Answer:
        if self._may(classification.NON_FINITE, "non_finite", "rollback"):
            rate = self.conceded.rate * self.policy["rate"]
            console.warn(
                f"{failure}: back to the last checkpoint, the learning rate × {rate:g} "
                f"(rollback {self._counts[classification.NON_FINITE]} of {self.policy['rollbacks']})"
            )
            return _Answer(f"rolled back, learning rate × {rate:g}", replace(self.conceded, rate=rate))
        finite = next(c for c in every if isinstance(c, Finite))
        found = nan_search.perform(
            failure,
            self.config,
            self.data,
            self.job.plan,
            self.conceded,
            self.run_dir,
            finite.rates,
            together=replicas.is_several_processes(self.strategy),
            writes=replicas.is_chief(self.strategy),
        )
        with contextlib.suppress(OSError):
            outcome.recorder.event(classification.NON_FINITE, **found)
        return _Answer("stopped", self.conceded, TrainingError(found["message"]))

    def _record(self, error: Exception, answer: _Answer, outcome: Outcome) -> None:
        """Write the failure down, and keep it for the summary."""
        from trainrun.checkpoint import file

        found = file.newest(self.run_dir)[0] if answer.error is None else None
        entry: dict[str, Any] = {
            "number": len(self.failures) + 1,
            "failure": classification.kind(error),
            "error": readable(user_traceback.said(error))[:500],
            "answer": answer.text,
            **answer.conceded.record(),
            "checkpoint": None if found is None else found.path.name,
            "epoch": 0 if found is None else found.epoch,
            "step": 0 if found is None else found.step,
        }
        if entry["failure"] == classification.DISK_FULL:
            outcome.mend()
        if answer.error is not error:  # that one is logged where it ends
            console.log(redaction.text("".join(traceback.format_exception(error))))
        self._write(entry, outcome)

    def _write(self, entry: dict[str, Any], outcome: Outcome) -> None:
        self.failures.append(entry)
        # Where the disk is full, the failure is told on the terminal at least.
        with contextlib.suppress(OSError):
            outcome.recorder.event(adjustments.EVENT, **entry)


def _settle(every: list[Any]) -> None:
    """Have the last good state written whole before anybody goes back to it."""
    for callback in every:
        if isinstance(callback, Checkpoint):
            callback.close()


def _own_train_step(model: Any) -> bool:
    import keras

    return type(model).train_step is not keras.Model.train_step
