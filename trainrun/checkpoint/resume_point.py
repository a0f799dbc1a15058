"""A run that goes on: which of its checkpoints, and whether what is there now still is the same run."""

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
    """What a run goes on from.

    Args:
        run_dir: whose checkpoints.
        changed: the overrides that were given this time.
        data_sha256: the digest of the data that it has trained on; None: not known.
        because: the failure that this is the answer to, as the journal is to tell it.
    """

    run_dir: Path
    changed: Sequence[str] = ()
    data_sha256: str | None = None
    because: Mapping[str, Any] | None = None

    def onto(self, job: Job) -> Job:
        """Return the job with the place where it goes on; without one where there is no checkpoint.

        Raises:
            UserError: the data, or the number of examples a step, is not what it was.
        """
        from trainrun.checkpoint import file
        from trainrun.checkpoint.start import Start

        if self.data_sha256 and job.dataset.digest() != self.data_sha256:
            raise UserError(
                Problem(
                    "data",
                    f"data={job.dataset.name} is not what the run was trained on until now: its digest is another. "
                    "Put the former data back, or train anew.",
                )
            )
        checkpoint, damage = file.newest(self.run_dir)
        for sentence in damage:
            console.warn(f"{sentence}; the one before is taken.")
        if checkpoint is None:
            console.note("no checkpoint was written yet: training begins anew, as it began")
            return job
        plan, was = job.plan, checkpoint.about["plan"]
        same = (was["batch_size"], was["steps_per_epoch"]) == (plan.batch_size, plan.steps_per_epoch)
        if checkpoint.step and not same:
            raise UserError(
                Problem(
                    "hardware",
                    f"the run stopped at step {checkpoint.step} of epoch {checkpoint.epoch + 1} with {was['batch_size']} examples a "
                    f"step; now there would be {plan.batch_size}, and no such step. Set hardware.scale_batch=global, "
                    "or take as many devices as before.",
                )
            )
        start = Start(checkpoint, more=plan.epochs > was["epochs"])
        if start.over:
            console.note(f"all {checkpoint.epoch} epochs are trained; what came after them is done again")
        else:
            at = f", step {checkpoint.step + 1} of {plan.steps_per_epoch}" if checkpoint.step else ""
            console.note(
                f"going on with epoch {checkpoint.epoch + 1} of {plan.epochs}{at} ({checkpoint.path.name})"
            )
        return replace(job, start=start)

    def record(self, job: Job) -> dict[str, Any]:
        """Return what the journal and the summary say of it."""
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
