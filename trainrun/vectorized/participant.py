"""A run's place in a group: in its own thread it trains as ever, but for the passes, which it asks the group for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainrun.data.dataset import Split
from trainrun.run import joint_training
from trainrun.step.default import default
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.epoch_loop import Logs, build, loop
from trainrun.trainer.job import Job
from trainrun.trainer.pipeline import order
from trainrun.trainer.steps_per_call import TEST, TRAIN, Pace, stride, wants_steps
from trainrun.ui import console
from trainrun.util import interrupt
from trainrun.vectorized.rows import Part

# Callbacks that read no variables but counters and rates, or see to it themselves that those are there.
BLIND = {
    "LearningRateLogger",
    "History",
    "JournalCallback",
    "Finite",
    "Report",
    "Checkpoint",
    "Progress",
    "ReduceLROnPlateau",
    "TimeLimit",
    "StopAt",
    "CSVLogger",
    "TerminateOnNaN",
}
# Of these, the ones that read the optimizer's counters or rates, or set them.
WATCHING = {"ReduceLROnPlateau"}
JOINING, TRAINING, MEASURING = "join", "train", "measure"


@dataclass
class Request:
    """What a run waits for.

    Args:
        name: `JOINING`: to be looked at, whether it can be trained with others; `TRAINING` and `MEASURING`: a pass.
        part: the run's part in it.
        batch_size: examples a step.
    """

    name: str
    part: Part
    batch_size: int

    def kind(self) -> tuple:
        """Return what requests have in common that can be served together."""
        return self.name, len(self.part.order), self.batch_size


class Refused(Exception):
    """The group cannot do it; the text says why."""


class Member:
    """See `trainrun.run.joint_training.Place`.

    Args:
        ask: gives a request to the group and waits for the answer: metrics, or nothing.
        runs: tells how many runs the group has now.

    Attributes:
        joined: whether the group takes the run's passes.
    """

    def __init__(self, ask: Callable[[Request], Any], runs: Callable[[], int]):
        self._ask, self.runs, self.joined = ask, runs, False

    def trainer(self, own: Any) -> Any:
        """Return what trains the run in the place of its own trainer."""
        return _Together(self, own)

    def measure(self, model: keras.Model, split: Split, batch_size: int) -> dict[str, float] | None:
        """Return the loss and metrics of the model on a split; None: it has to be done alone."""
        if not self.joined:
            return None
        part = Part(model, split, np.arange(len(split), dtype="int64"))
        try:
            return self._ask(Request(MEASURING, part, batch_size))
        except Refused as refused:
            self.leave(refused)
            return None

    def join(self, job: Job) -> None:
        """Ask whether the group takes the run's passes.

        Raises:
            Refused: it does not.
        """
        self._ask(Request(JOINING, self._part(job, 0), job.plan.batch_size))
        self.joined = True

    def train(self, job: Job, epoch: int) -> dict[str, float] | None:
        """Train for an epoch; None: it has to be done alone."""
        try:
            return (
                self._ask(Request(TRAINING, self._part(job, epoch), job.plan.batch_size))
                if self.joined
                else None
            )
        except Refused as refused:
            self.leave(refused)
            return None

    def leave(self, why: Refused) -> None:
        """Do the passes alone from now on."""
        self.joined = False
        console.note(f"trained alone from here: {why}")

    def _part(self, job: Job, epoch: int) -> Part:
        return Part(job.model, job.train, order(job.plan, len(job.train), epoch))


class _Together:
    """A trainer whose passes are the group's.

    Args:
        member: the run's place.
        own: the run's own trainer.
    """

    def __init__(self, member: Member, own: Any):
        self.member, self.own = member, own

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model`; see `trainrun.trainer.custom`."""
        build(job)
        try:
            if (reason := _unfit(self.own, job, callbacks)) is not None:
                raise Refused(reason)
            self.member.join(job)
        except Refused as refused:
            console.note(f"trained alone: {refused}")
            return self.own.train(job, callbacks)
        model, plan = job.model, job.plan
        last = plan.steps_per_epoch - 1
        kinds = {type(c).__name__ for c in callbacks}
        looked_at, watched = not kinds <= BLIND, bool(kinds & WATCHING)

        def train(epoch: int, first: int, every: keras.callbacks.CallbackList) -> Logs:
            # The rest of an epoch that was interrupted is nobody else's.
            if not first:
                every.on_train_batch_begin(0)
                logs = self.member.train(job, epoch)
                if logs is not None:
                    if looked_at or interrupt.asked() is not None:
                        joint_training.catch_up(model)
                    elif watched:
                        joint_training.catch_up_numbers(model)
                    every.on_train_batch_end(last, logs)
                    return logs
                joint_training.catch_up(model)
                model.reset_metrics()
            logs: Logs = {}  # all steps may have been done before
            alone = Pass(model, default, job.train, plan.batch_size)
            for _, _, run in alone.calls(order(plan, len(job.train), epoch), Pace(), first):
                logs = run()
            every.on_train_batch_end(last, logs)
            return logs

        def validate(every: keras.callbacks.CallbackList) -> Logs:
            from trainrun.trainer.pass_cache import measure

            if looked_at:  # of the others, none listens to batches of the validation
                every.on_test_batch_begin(0)
            logs = measure(model, job.validation, plan.batch_size)
            if looked_at:
                every.on_test_batch_end(-(-len(job.validation) // plan.batch_size) - 1, logs)
            return logs

        def reset() -> None:
            if not self.member.joined:  # else the group's passes do it themselves
                model.reset_metrics()

        class Caught(keras.callbacks.Callback):
            """Has the model's variables written when training ends: what comes then reads them."""

            coarse = True
            transient = True

            def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
                if self.model.stop_training or epoch + 1 == plan.epochs:
                    joint_training.catch_up(self.model)

        checked = None if job.validation is None else validate
        try:
            return loop(job, [*callbacks, Caught()], train, checked, self.own.validation_freq, reset)
        finally:
            joint_training.catch_up(model)


def _unfit(own: Any, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> str | None:
    """Return why a run cannot be trained with others, or None; what needs no look at the graph."""
    model = job.model
    if getattr(own, "step", default) is not default:
        return "it has a step of its own, or accumulates"
    if (
        type(model).train_step is not keras.Model.train_step
        or type(model).test_step is not keras.Model.test_step
    ):
        return "its model has a train_step of its own"
    if model.run_eagerly or model.jit_compile:
        return "it runs eagerly, or by XLA"
    if model.distribute_strategy.num_replicas_in_sync > 1:
        return "it is trained on several devices"
    if not (Pass.fits(model, job.train) and (job.validation is None or Pass.fits(model, job.validation))):
        return "its data is too large to be held"
    if wants_steps(callbacks, TRAIN + TEST) or stride(callbacks) is not None:
        return "a callback or a checkpoint wants each step"
    return None
