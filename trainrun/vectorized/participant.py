"""A run in a group: it trains as usual in its own thread, except for the passes, which the group makes for all runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainrun.checkpoint.training_state import StateReader
from trainrun.compat import keras_optimizer_private
from trainrun.data.dataset import Split
from trainrun.failure.nan_guard import NanGuard
from trainrun.hardware.replicas import leaves
from trainrun.registry import declaration_reader
from trainrun.step.default import default
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.epoch_loop import Logs, build, loop
from trainrun.trainer.job import Job
from trainrun.trainer.measure import is_compilable, measure
from trainrun.trainer.model_steps import takes_own
from trainrun.trainer.pipeline import order
from trainrun.trainer.steps_per_call import TEST, TRAIN, Pace, call_interval, wants_steps
from trainrun.ui import console
from trainrun.util.interrupt import StopRequest
from trainrun.vectorized.pending import PendingReader, PendingValues
from trainrun.vectorized.rows import Part

JOINING, TRAINING, MEASURING = "join", "train", "measure"


@dataclass
class Request:
    """A request of a run to the group.

    Args:
        name: `JOINING`: to be accepted into the group; `TRAINING` or `MEASURING`: for a pass.
        part: the run's part in the pass.
        batch_size: examples per step.
    """

    name: str
    part: Part
    batch_size: int

    def kind(self) -> tuple:
        """Return a key that is equal for requests that one pass can serve."""
        return self.name, len(self.part.order), self.batch_size


class Refused(Exception):
    """The group cannot serve the request; the message is the reason."""


class Participant:
    """A run's `trainrun.run.joint_training.JointTraining` in a group.

    Args:
        ask: sends a request to the group and returns the answer: metrics, or None.
        runs: returns the number of runs in the group.
        stop: the request to stop the run.

    Attributes:
        pending: values that are not written into the model's variables yet; None: the run is trained separately.
    """

    def __init__(self, ask: Callable[[Request], Any], runs: Callable[[], int], stop: StopRequest):
        self._ask, self._runs, self.stop = ask, runs, stop
        self.pending: PendingValues | None = None

    def runs(self) -> int:
        """Return the number of runs that are trained together now."""
        return self._runs()

    def trainer(self, own: Any) -> Any:
        """Return the trainer that takes the place of the run's own."""
        return _JointTrainer(self, own)

    def reader(self, job: Job) -> StateReader:
        """Return the reader of the model's state, pending values included."""
        return PendingReader(job.model, lambda: self.pending)

    def measure(self, job: Job, split: Split) -> dict[str, float]:
        """Return the loss and metrics of the job's model on a split."""
        if self.pending is not None and self.pending.model is job.model and is_compilable(job, split):
            part = Part(self.pending, split, np.arange(len(split), dtype="int64"))
            try:
                return self._ask(Request(MEASURING, part, job.plan.batch_size))
            except Refused as refused:
                self.leave(refused)
        return measure(job, split)

    def join(self, job: Job) -> None:
        """Ask the group to accept the run.

        Raises:
            Refused: it does not.
        """
        pending = PendingValues(job.model)
        self._ask(Request(JOINING, _part(pending, job, 0), job.plan.batch_size))
        self.pending = pending

    def train(self, job: Job, epoch: int) -> dict[str, float] | None:
        """Train for an epoch in the group; return None if the run has left it."""
        if self.pending is None:
            return None
        try:
            return self._ask(Request(TRAINING, _part(self.pending, job, epoch), job.plan.batch_size))
        except Refused as refused:
            self.leave(refused)
            return None

    def leave(self, why: Refused) -> None:
        """Write pending values; from now on the run makes its own passes."""
        self.pending.write()
        self.pending = None
        console.note(f"trained separately from here: {why}")


def _part(pending: PendingValues, job: Job, epoch: int) -> Part:
    return Part(pending, job.train, order(job.plan, len(job.train), epoch))


class _JointTrainer:
    """A trainer whose passes are made by the group.

    It makes sure that variables hold the values that may be read: after each pass counters and learning rates; all variables if
    a callback may read weights, if training ends or stops, and if the validation loss is not finite.

    Args:
        participant: the run's hook.
        own: the run's own trainer.
    """

    def __init__(self, participant: Participant, own: Any):
        self.participant, self.own = participant, own

    def train(self, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, list[float]]:
        """Train `job.model`; see `trainrun.trainer.custom`."""
        build(job)
        self.participant.pending = None
        try:
            if (reason := _unfit(self.own, job, callbacks)) is not None:
                raise Refused(reason)
            self.participant.join(job)
        except Refused as refused:
            console.note(f"trained separately: {refused}")
            return self.own.train(job, callbacks)
        model, plan, pending = job.model, job.plan, self.participant.pending
        last = plan.steps_per_epoch - 1
        declared = [declaration_reader.of_object("callback", c) for c in callbacks]
        rates_are_set = any(d.sets_learning_rate for d in declared)
        weights_are_read = any(d.reads_weights for d in declared) or _computes_rate(model.optimizer)

        def train(epoch: int, first: int, callback_list: keras.callbacks.CallbackList) -> Logs:
            # The rest of a resumed epoch has another length than the epochs of other runs.
            if not first:
                callback_list.on_train_batch_begin(0)
                logs = self.participant.train(job, epoch)
                if logs is not None:
                    stops = epoch + 1 == plan.epochs or self.participant.stop.pending is not None
                    pending.write() if weights_are_read or stops else pending.write_scalars(rates_are_set)
                    callback_list.on_train_batch_end(last, logs)
                    return logs
                model.reset_metrics()
            logs: Logs = {}  # all steps may have been done before
            own_pass = Pass(job, default, job.train)
            for _, _, run in own_pass.calls(order(plan, len(job.train), epoch), Pace(), first):
                logs = run()
            callback_list.on_train_batch_end(last, logs)
            return logs

        def validate(callback_list: keras.callbacks.CallbackList) -> Logs:
            if weights_are_read:  # other callbacks do not use batches of the validation
                callback_list.on_test_batch_begin(0)
            logs = self.participant.measure(job, job.validation)
            if weights_are_read:
                callback_list.on_test_batch_end(-(-len(job.validation) // plan.batch_size) - 1, logs)
            return logs

        def reset() -> None:
            if self.participant.pending is None:  # else the group's passes reset the metrics
                model.reset_metrics()

        # After the callbacks that may stop the training, before the one that then checks the weights.
        at = next((i for i, c in enumerate(callbacks) if isinstance(c, NanGuard)), len(callbacks))
        every = [*callbacks[:at], _WriteWhereTrainingStops(pending), *callbacks[at:]]
        checked = None if job.validation is None else validate
        try:
            return loop(job, every, train, checked, self.own.validation_freq, reset)
        finally:
            pending.write()


class _WriteWhereTrainingStops(keras.callbacks.Callback):
    """Write pending values when training stops or the validation loss is not finite.

    Args:
        pending: of the model.
    """

    coarse = True
    transient = True

    def __init__(self, pending: PendingValues):
        super().__init__()
        self._pending = pending

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.model.stop_training or not math.isfinite((logs or {}).get("val_loss", 0.0)):
            self._pending.write()


def _computes_rate(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether an optimizer's learning rate is a callable, which may read any variable."""
    known = keras.Variable | keras.optimizers.schedules.LearningRateSchedule
    rates = (keras_optimizer_private.rate(leaf) for leaf in leaves(optimizer) if not hasattr(leaf, "inners"))
    return not all(rate is None or isinstance(rate, known) for rate in rates)


def _unfit(own: Any, job: Job, callbacks: Sequence[keras.callbacks.Callback]) -> str | None:
    """Return the reason why a run cannot be trained with others, as far as it shows without the graph, or None."""
    model = job.model
    if getattr(own, "step", default) is not default:
        return "it has a custom step, or accumulates"
    if takes_own(model, "train_step") or takes_own(model, "test_step"):
        return "its model overrides train_step, test_step or compute_metrics"
    if job.augment is not None:
        return "it augments its training data"
    if model.run_eagerly or model.jit_compile:
        return "it runs eagerly, or by XLA"
    if model.distribute_strategy.num_replicas_in_sync > 1:
        return "it is trained on several devices"
    if not (Pass.fits(model, job.train) and (job.validation is None or Pass.fits(model, job.validation))):
        return "its data is too large for the memory"
    if wants_steps(callbacks, TRAIN + TEST) or call_interval(callbacks) is not None:
        return "a callback or a checkpoint needs each step"
    return None
