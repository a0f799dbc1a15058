"""Search for the first tensor that is not finite: the steps since the last checkpoint are repeated.

A compiled call takes many steps, so that at first only an epoch and a range of steps are known. The state of the newest
checkpoint (or of the run's beginning) is restored into a new model and the steps are repeated, in compiled calls as before. The
first call that leaves a loss or a weight that is not finite is repeated step by step, and the failing step is examined tensor by
tensor (`nan_step.examine`).
"""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from trainrun.checkpoint import file, training_state
from trainrun.checkpoint.file import Stored
from trainrun.errors import readable
from trainrun.failure import nan_report, nan_step, user_traceback
from trainrun.failure.adjustments import Adjustments
from trainrun.failure.classification import NonFinite
from trainrun.failure.interfaces import Builder
from trainrun.failure.nan_guard import NanGuard, non_finite_value
from trainrun.hardware import replicas
from trainrun.model.variables import by_purpose
from trainrun.step.default import default
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.epoch_loop import build
from trainrun.trainer.job import Job, Plan
from trainrun.trainer.model_steps import as_tensors, takes_own
from trainrun.trainer.pipeline import order
from trainrun.trainer.step_by_model import StepByModel
from trainrun.trainer.steps_per_call import Pace
from trainrun.ui import console
from trainrun.util import paths
from trainrun.util.interrupt import StopRequest

FILE = "autopsy.json"
MAX_EXAMPLES = 10  # that are named


class Unknown(Exception):
    """The search has failed; the message is the reason."""


class Place(NamedTuple):
    """The failing step, and the state before it.

    Args:
        epoch, step: from 0.
        value: ``nan`` or ``inf``.
        by_loss: whether the loss of the step is not finite; else only weights after it.
        before: name -> array, as returned by `training_state.Reader`.
        updated: the variables that are not finite after the step.
    """

    epoch: int
    step: int
    value: str
    by_loss: bool
    before: Mapping[str, np.ndarray]
    updated: Sequence[nan_step.Finding]


def search(
    failure: NonFinite,
    builder: Builder,
    plan: Plan,
    adjustments: Adjustments,
    run_dir: Path,
    callbacks: Sequence[keras.callbacks.Callback],
    stop: StopRequest,
    minutes: float,
    together: bool = False,
    writes: bool = True,
) -> dict[str, Any]:
    """Search for the first tensor that is not finite, and write the report to `autopsy.json`.

    Args:
        failure: as detected by the guard.
        builder: of the run.
        plan: of the run.
        adjustments: deviations from the config.
        run_dir: the run's directory, with the checkpoint to start from.
        callbacks: of the training, the guard among them.
        stop: the request to stop the run, which also ends the search.
        minutes: maximum duration of the search; 0: no search.
        together: several processes train, whose steps one process cannot repeat.
        writes: False on a worker that is not the chief.

    Returns:
        The report; `message` is its text.
    """
    begin = time.monotonic()
    report: dict[str, Any] = {
        "value": failure.value,
        "what": failure.what,
        "noticed": {
            "epoch": failure.epoch + 1,
            "first_step": failure.first + 1,
            "last_step": failure.last + 1,
        },
    }
    try:
        if together:
            raise Unknown("one process cannot repeat the steps of several")
        if minutes == 0:
            raise Unknown("failure.minutes=0 allows no search")
        console.note(f"{failure}; searching for the first tensor that is not finite …")
        # One device will do: the replicas of a run compute the same.
        job = builder.job_on_one_device(adjustments)
        trainer = builder.own_trainer(job, adjustments.parts)
        search = _Search(replace(job, plan=plan), trainer, failure, callbacks, begin + 60 * minutes, stop)
        report |= search.report(run_dir, adjustments)
    except Unknown as reason:
        report["unknown"] = str(reason)
    except Exception as error:  # must not hide the failure of the run
        console.log("".join(traceback.format_exception(error)))
        report["unknown"] = f"the search ended with {user_traceback.short_message(error).splitlines()[0]}"
    report["seconds"] = round(time.monotonic() - begin, 2)
    report["message"] = readable(nan_report.message(failure, report, None if together else run_dir))
    if writes:
        _write(run_dir / FILE, report)
    return report


class _Search:
    """Repetition of the steps since the last checkpoint.

    Args:
        job: on one device, in its initial state.
        trainer: takes the steps.
        failure: as detected by the guard.
        callbacks: of the training. The guard has the learning rate by epoch, where it is a variable of the optimizer.
        until: deadline, in monotonic seconds.
        stop: the request to stop the run.
    """

    def __init__(
        self,
        job: Job,
        trainer: Any,
        failure: NonFinite,
        callbacks: Sequence[keras.callbacks.Callback],
        until: float,
        stop: StopRequest,
    ):
        self.job, self.trainer, self.failure, self.callbacks = job, trainer, failure, callbacks
        self.rates = next(c.rates for c in callbacks if isinstance(c, NanGuard))
        self.until, self.stop = until, stop

    def report(self, run_dir: Path, adjustments: Adjustments) -> dict[str, Any]:
        """Return the report of the search.

        Raises:
            Unknown: the failure does not appear again, or the search takes too long.
        """
        model = self.job.model
        build(self.job, getattr(self.trainer, "step", None))
        steps = self._pass()
        steps.begin(self.job, self.callbacks)  # behind a change to XLA, kernels would round otherwise
        checkpoint, _ = file.newest(run_dir)
        if checkpoint is not None:
            self._restore(checkpoint)
            was = checkpoint.about.get("plan", {}).get("rate", 1.0)
            if adjustments.rate != was:
                replicas.scale_constant(model.optimizer, adjustments.rate / was)
        place = self._find(steps, (0, 0) if checkpoint is None else (checkpoint.epoch, checkpoint.step))
        self._restore(_in_memory(model, place.before))
        indices = self._indices(place.epoch, place.step)
        examples = self.job.train.take(indices)
        batch = examples.x, examples.y, examples.weight
        if self.job.augment is not None:
            batch = self.job.augment(*as_tensors(*batch), [self.job.plan.seed, place.epoch, place.step])
        seen = nan_step.examine(model, *batch, adjustments.parts, place.updated)
        first = seen.finding or nan_step.Finding(nan_step.STEP, "", place.value)
        # Weights that are not finite show in the loss of the next step.
        late = 0 if place.by_loss else 1
        at = place.epoch * self.job.plan.steps_per_epoch + place.step + late
        largest = max((r for r in seen.layers if r["largest"]), key=lambda r: r["largest"], default=None)
        return {
            "epoch": at // self.job.plan.steps_per_epoch + 1,
            "step": at % self.job.plan.steps_per_epoch + 1,
            "cause": {"epoch": place.epoch + 1, "step": place.step + 1},
            "first": {"kind": first.kind, "name": first.name, "value": first.value, "dtype": first.dtype},
            "examples": _summary(indices[list(first.rows)] if len(first.rows) else indices),
            "batch": _summary(indices),
            "of_examples": bool(len(first.rows)),
            "largest": largest and {"layer": largest["name"], "value": largest["largest"]},
            "layers": seen.layers,
            "learning_rate": replicas.constant_rate(model.optimizer),
            "precision": model.dtype_policy.name,
            "from": "the run's beginning" if checkpoint is None else checkpoint.path.name,
        }

    def _pass(self) -> Pass:
        """Return a pass that takes the same steps as the trainer."""
        by_model = takes_own(self.job.model, "train_step") and not getattr(self.trainer, "custom_step", False)
        if hasattr(self.trainer, "step") and not by_model:
            return Pass(self.job, self.trainer.step or default, self.job.train, augment=self.job.augment)
        if hasattr(self.trainer, "validation_freq"):
            return StepByModel(self.job, self.job.model.train_step, self.job.train, augment=self.job.augment)
        raise Unknown(f"a {type(self.trainer).__name__} takes no steps on batches")

    def _find(self, steps: Pass, position: tuple[int, int]) -> Place:
        """Repeat the steps, many per call, up to the first call after which a loss or weight is not finite."""
        reader, pace, plan = training_state.Reader(self.job.model), Pace(), self.job.plan
        (epoch, first), end = position, (self.failure.epoch, self.failure.last)
        total = end[0] * plan.steps_per_epoch + end[1] + 1 - epoch * plan.steps_per_epoch - first
        while epoch <= end[0]:
            if epoch in self.rates:  # as a callback may have set it
                self.job.model.optimizer.learning_rate = self.rates[epoch]
            indices = order(plan, len(self.job.train), epoch)
            for start, last, run in steps.calls(indices, pace, first, (plan.seed, epoch)):
                if (epoch, start) > end:
                    break
                self._check_time(total, pace)
                before = reader.arrays()
                if self._failing_value(run):
                    self._restore(_in_memory(self.job.model, before))
                    return self._narrow(steps, reader, epoch, start, last, indices)
                total -= last + 1 - start
            epoch, first = epoch + 1, 0
        raise Unknown(
            "repeated from the last checkpoint, the same steps stay finite: something in them does not depend on "
            "the seed alone"
        )

    def _narrow(
        self,
        steps: Pass,
        reader: training_state.Reader,
        epoch: int,
        start: int,
        last: int,
        indices: np.ndarray,
    ) -> Place:
        """Repeat the steps of a call one at a time."""
        for step in range(start, last + 1):
            self._check_time(last - step, Pace())
            before = reader.arrays()
            _, _, run = next(steps.calls(indices, Pace(1), step, (self.job.plan.seed, epoch)))
            if value := self._failing_value(run):
                model = self.job.model
                updated = [
                    *nan_step.variables(model.trainable_variables, nan_step.UPDATE),
                    *nan_step.variables(model.optimizer.variables, nan_step.UPDATE),
                ]
                return Place(epoch, step, value, self._by_loss, before, updated)
        raise Unknown("one at a time, the same steps stay finite: rounding decides")

    def _failing_value(self, run: Any) -> str | None:
        """Make a call; return ``nan`` or ``inf`` if the loss or a weight has such a value after it, else None."""
        self.job.model.reset_metrics()
        loss = float(run().get("loss", math.nan))
        self._by_loss = not math.isfinite(loss)
        if self._by_loss:
            return "nan" if math.isnan(loss) else "inf"
        return non_finite_value(self.job.model.trainable_variables)

    def _check_time(self, left: int, pace: Pace) -> None:
        if self.stop.pending is not None:
            raise self.stop.pending
        now = time.monotonic()
        if now + left * (pace.seconds or 0.0) > self.until:
            raise Unknown(f"to repeat {left:,} steps would take longer than failure.minutes allows")

    def _restore(self, checkpoint: Stored) -> None:
        kinds = by_purpose(self.job.model)
        training_state.put(
            checkpoint, {kind: kinds[kind] for kind in ("weights", "optimizer", "generators", "others")}
        )

    def _indices(self, epoch: int, step: int) -> np.ndarray:
        size = self.job.plan.batch_size
        return order(self.job.plan, len(self.job.train), epoch)[step * size : (step + 1) * size]


def _in_memory(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> Stored:
    return Stored(Path("memory"), arrays, {"names": {}})


def _summary(indices: np.ndarray) -> dict[str, Any]:
    return {"count": len(indices), "first": [int(i) for i in indices[:MAX_EXAMPLES]]}


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report; a full disk must not keep its message from the user."""
    try:
        with paths.whole(path) as new:
            new.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        console.log(f"{path} could not be written: {error}")
