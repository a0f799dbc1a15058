"""Resuming a run: the checkpoint to continue from, and checks that data and steps are the same as before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainrun.errors import Problem, UserError
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.trainer.job import Job


@dataclass(frozen=True)
class Resume:
    """The run to continue.

    Args:
        run_dir: directory with its checkpoints.
        changed: the overrides of this time.
        data_sha256: the digest of the data it was trained on; None: not known.
        because: the failure that is answered by this, for the journal.
        take_over: whether the user passed --take-over: the process on the other machine is dead.
        next_phase: whether nothing has stopped: the run's next phase begins.
    """

    run_dir: Path
    changed: Sequence[str] = ()
    data_sha256: str | None = None
    because: Mapping[str, Any] | None = None
    take_over: bool = False
    next_phase: bool = False

    def onto(self, job: Job) -> Job:
        """Return the job with the point to resume from; unchanged if there is no checkpoint.

        Raises:
            UserError: the data, or the number of examples per step, has changed.
        """
        from trainrun.checkpoint import file
        from trainrun.checkpoint.start import Start

        if self.data_sha256 and job.dataset.digest() != self.data_sha256:
            raise UserError(
                Problem(
                    "data",
                    f"data={job.dataset.name} differs from the data that the run was trained on: its digest has changed. "
                    "Restore the former data, or start a new run.",
                )
            )
        checkpoint, damage = file.newest(self.run_dir)
        for sentence in damage:
            console.warn(f"{sentence}; the one before it is used.")
        if checkpoint is None:
            console.note("no checkpoint was written yet: training starts from the beginning")
            return job
        plan, was = job.plan, checkpoint.about["plan"]
        same = (was["batch_size"], was["steps_per_epoch"]) == (plan.batch_size, plan.steps_per_epoch)
        if checkpoint.step and not same:
            raise UserError(
                Problem(
                    "hardware",
                    f"the run stopped at step {checkpoint.step} of epoch {checkpoint.epoch + 1} with {was['batch_size']} examples a "
                    f"step; with {plan.batch_size} examples there is no such step. Set hardware.scale_batch=global, "
                    "or use as many devices as before.",
                )
            )
        timed = any(text.startswith("trainer.max_time=") for text in self.changed)
        more = plan.epochs > was["epochs"] or (timed and checkpoint.epoch < plan.epochs)
        begins = 0 < plan.first_epoch == checkpoint.epoch and checkpoint.step == 0
        start = Start(checkpoint, more, new_phase=begins, lengths=plan.lengths())
        if start.over:
            console.note(f"all {checkpoint.epoch} epochs are trained; evaluation and artifacts are repeated")
        elif not self.next_phase:
            at = f", step {checkpoint.step + 1} of {plan.steps_per_epoch}" if checkpoint.step else ""
            if checkpoint.step == plan.steps_per_epoch:
                at = ", after its last step"
            console.note(
                f"continuing with epoch {checkpoint.epoch + 1} of {plan.shown_epochs}{at} ({checkpoint.path.name})"
            )
        return replace(job, start=start)

    def record(self, job: Job) -> dict[str, Any]:
        """Return the entry `resumed_from` of journal and summary."""
        if job.start is None:
            return {"epoch": 0, "step": 0, "checkpoint": None, "changed": list(self.changed)}
        checkpoint = job.start.checkpoint
        return {
            "epoch": checkpoint.epoch,
            "step": checkpoint.step,
            "updates": int(checkpoint.about["updates"]),
            "checkpoint": checkpoint.path.name,
            "changed": list(self.changed),
        }
