"""Where a loss became nan, and which tensor was the first: the steps since the last checkpoint, done again.

Compiled calls take many steps, so that all that is known at first is an epoch and some steps. The state of the
newest checkpoint (or of the run's beginning) is put into a model of the same build and the steps are done again, in
compiled calls as before; in the first call after which a loss or a weight is not finite they are done one at a time.
The step that it happens in is then taken apart (`examine`).
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
from trainrun.failure.nan_guard import unsound
from trainrun.hardware import replicas
from trainrun.model.variables import by_purpose
from trainrun.step.default import default
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.epoch_loop import build
from trainrun.trainer.fit_from_arrays import StepByModel
from trainrun.trainer.job import Job, Plan
from trainrun.trainer.pipeline import order
from trainrun.trainer.steps_per_call import Pace
from trainrun.ui import console
from trainrun.util import paths, redaction
from trainrun.util.interrupt import StopRequest

FILE = "autopsy.json"
SHOWN = 10  # examples that are named


class Unknown(Exception):
    """The search has found nothing; the message says why."""


class Place(NamedTuple):
    """A step, and the state before it.

    Args:
        epoch, step: from 0.
        value: of the loss, or of a weight, after it.
        by_loss: whether the loss itself is not finite; else the weights that the step has left.
        before: name -> array, as `state.Reader` gives them.
        updated: the variables that are not finite after it.
    """

    epoch: int
    step: int
    value: str
    by_loss: bool
    before: Mapping[str, np.ndarray]
    updated: Sequence[nan_step.Finding]


def perform(
    failure: NonFinite,
    builder: Builder,
    plan: Plan,
    adjustments: Adjustments,
    run_dir: Path,
    rates: Mapping[int, float],
    stop: StopRequest,
    minutes: float,
    together: bool = False,
    writes: bool = True,
) -> dict[str, Any]:
    """Look for the first tensor that was not finite, and write the report to `autopsy.json`.

    Args:
        failure: what was noticed.
        builder: of the run.
        plan: of the run.
        adjustments: what is different from the config.
        run_dir: whose newest checkpoint the steps are done again from.
        rates: the learning rate by epoch, where it is a number.
        stop: the request to stop the run, which ends the search.
        minutes: that the search may take; 0: no search.
        together: several processes train; one alone cannot do their steps again.
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
            raise Unknown("the steps of several processes are not done again by one")
        if minutes == 0:
            raise Unknown("failure.minutes=0 wants no search")
        console.note(f"{failure}; looking for the first tensor that is not finite …")
        # On one device, whatever the run had: its replicas do the same.
        job = builder.job_on_one_device(adjustments)
        trainer = builder.own_trainer(adjustments.parts)
        search = _Search(replace(job, plan=plan), trainer, failure, rates, begin + 60 * minutes, stop)
        report |= search.report(run_dir, adjustments)
    except Unknown as reason:
        report["unknown"] = str(reason)
    except Exception as error:  # the failure is what is to be told, not that of the search
        console.log(redaction.text("".join(traceback.format_exception(error))))
        report["unknown"] = f"the search ended with {user_traceback.said(error).splitlines()[0]}"
    report["seconds"] = round(time.monotonic() - begin, 2)
    report["message"] = readable(nan_report.message(failure, report, None if together else run_dir))
    if writes:
        _write(run_dir / FILE, report)
    return report


class _Search:
    """The steps since the last checkpoint, once more.

    Args:
        job: on one device, in the state of the run's beginning.
        trainer: whose steps.
        failure: what was noticed.
        rates: the learning rate by epoch.
        until: monotonic seconds.
        stop: the request to stop the run.
    """

    def __init__(
        self,
        job: Job,
        trainer: Any,
        failure: NonFinite,
        rates: Mapping[int, float],
        until: float,
        stop: StopRequest,
    ):
        self.job, self.trainer, self.failure, self.rates = job, trainer, failure, rates
        self.until, self.stop = until, stop

    def report(self, run_dir: Path, adjustments: Adjustments) -> dict[str, Any]:
        """Return what was found.

        Raises:
            Unknown: nothing was.
        """
        model = self.job.model
        build(self.job)
        steps = self._pass()
        found, _ = file.newest(run_dir)
        if found is not None:
            self._put(found)
            was = found.about.get("plan", {}).get("rate", 1.0)
            if adjustments.rate != was:
                replicas.scale_constant(model.optimizer, adjustments.rate / was)
        place = self._find(steps, (0, 0) if found is None else (found.epoch, found.step))
        self._put(_stored(model, place.before))
        indices = self._indices(place.epoch, place.step)
        batch = self.job.train.take(indices)
        seen = nan_step.examine(model, batch.x, batch.y, batch.weight, adjustments.parts, place.updated)
        first = seen.finding or nan_step.Finding(nan_step.STEP, "", place.value)
        # A loss that is finite hides weights that are not: the next step's shows them.
        late = 0 if place.by_loss else 1
        at = place.epoch * self.job.plan.steps_per_epoch + place.step + late
        largest = max((r for r in seen.layers if r["largest"]), key=lambda r: r["largest"], default=None)
        return {
            "epoch": at // self.job.plan.steps_per_epoch + 1,
            "step": at % self.job.plan.steps_per_epoch + 1,
            "cause": {"epoch": place.epoch + 1, "step": place.step + 1},
            "first": {"kind": first.kind, "name": first.name, "value": first.value, "dtype": first.dtype},
            "examples": _listed(indices[list(first.rows)] if len(first.rows) else indices),
            "batch": _listed(indices),
            "of_examples": bool(len(first.rows)),
            "largest": largest and {"layer": largest["name"], "value": largest["largest"]},
            "layers": seen.layers,
            "learning_rate": replicas.constant_rate(model.optimizer),
            "precision": model.dtype_policy.name,
            "from": "the run's beginning" if found is None else found.path.name,
        }

    def _pass(self) -> Pass:
        """Return the steps as the trainer takes them."""
        if hasattr(self.trainer, "step"):
            return Pass(self.job, self.trainer.step or default, self.job.train)
        if hasattr(self.trainer, "validation_freq"):
            return StepByModel(self.job, self.job.model.train_step, self.job.train)
        raise Unknown(f"a {type(self.trainer).__name__} takes no steps on batches")

    def _find(self, steps: Pass, position: tuple[int, int]) -> Place:
        """Do the steps again, many in one call, up to the first call that leaves something not finite."""
        reader, pace, plan = training_state.Reader(self.job.model), Pace(), self.job.plan
        (epoch, first), end = position, (self.failure.epoch, self.failure.last)
        total = end[0] * plan.steps_per_epoch + end[1] + 1 - epoch * plan.steps_per_epoch - first
        while epoch <= end[0]:
            if epoch in self.rates:  # as a callback may have set it
                self.job.model.optimizer.learning_rate = self.rates[epoch]
            indices = order(plan, len(self.job.train), epoch)
            for start, last, run in steps.calls(indices, pace, first):
                if (epoch, start) > end:
                    break
                self._in_time(total, pace)
                before = reader.arrays()
                if self._goes_wrong(run):
                    self._put(_stored(self.job.model, before))
                    return self._narrow(steps, reader, epoch, start, last, indices)
                total -= last + 1 - start
            epoch, first = epoch + 1, 0
        raise Unknown(
            "done again from the last checkpoint, the same steps stay finite: something in them is not repeated by "
            "the seed"
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
        """Do the steps of a call one at a time."""
        for step in range(start, last + 1):
            self._in_time(last - step, Pace())
            before = reader.arrays()
            _, _, run = next(steps.calls(indices, Pace(1), step))
            if value := self._goes_wrong(run):
                model = self.job.model
                updated = [
                    *nan_step.variables(model.trainable_variables, nan_step.UPDATE),
                    *nan_step.variables(model.optimizer.variables, nan_step.UPDATE),
                ]
                return Place(epoch, step, value, self._by_loss, before, updated)
        raise Unknown("step by step, the same steps stay finite: rounding decides")

    def _goes_wrong(self, run: Any) -> str | None:
        """Make a call; return ``nan`` or ``inf`` if a loss or a weight is so after it."""
        self.job.model.reset_metrics()
        loss = float(run()["loss"])
        self._by_loss = not math.isfinite(loss)
        if self._by_loss:
            return "nan" if math.isnan(loss) else "inf"
        return unsound(self.job.model.trainable_variables)

    def _in_time(self, left: int, pace: Pace) -> None:
        if self.stop.pending is not None:
            raise self.stop.pending
        now = time.monotonic()
        if now + left * (pace.seconds or 0.0) > self.until:
            raise Unknown(f"to do {left:,} steps again would take longer than failure.minutes allows")

    def _put(self, found: Stored) -> None:
        kinds = by_purpose(self.job.model)
        training_state.put(found, {kind: kinds[kind] for kind in ("weights", "optimizer", "generators")})

    def _indices(self, epoch: int, step: int) -> np.ndarray:
        size = self.job.plan.batch_size
        return order(self.job.plan, len(self.job.train), epoch)[step * size : (step + 1) * size]


def _stored(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> Stored:
    return Stored(Path("memory"), arrays, {"names": {}})


def _listed(indices: np.ndarray) -> dict[str, Any]:
    return {"count": len(indices), "first": [int(i) for i in indices[:SHOWN]]}


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report; on a disk that is full, its message is told nevertheless."""
    try:
        with paths.whole(path) as new:
            new.write_text(json.dumps(report, indent=2, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        console.log(f"{path} could not be written: {error}")
