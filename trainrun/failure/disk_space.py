"""Disk space: an estimate before training, and the error when the disk is full."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trainrun.errors import TrainingError, UserError
from trainrun.ui import console

if TYPE_CHECKING:
    from trainrun.trainer.job import Job

# Sizes in bytes, measured on runs with scikit-learn's datasets: the record without epochs, an epoch's record, and so on.
RECORD_BYTES, EPOCH_BYTES, STEP_RECORD_BYTES, PLOTS_BYTES, REPORT_BYTES = 60_000, 900, 300, 500_000, 700_000
RESERVE_FILE, RESERVE_BYTES = ".reserve", 16_384
# A warning is printed if less than this multiple of the estimate is free.
WARNING_FACTOR = 1.5


def reserve(run_dir: Path) -> None:
    """Reserve space, so that the end of the record can be written even when the disk is full."""
    with contextlib.suppress(OSError):
        (run_dir / RESERVE_FILE).write_bytes(b"\0" * RESERVE_BYTES)


def release(run_dir: Path) -> None:
    """Free the reserved space before the end of the record is written."""
    with contextlib.suppress(OSError):
        (run_dir / RESERVE_FILE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Planned:
    """The files that a run will write.

    Args:
        keep: number of checkpoints besides the best one.
        model, plots, report: whether these files are written.
        best_weights: whether checkpoints hold the weights of the best epoch, too.
        every_steps: steps between two records of metrics; None: only after epochs.
    """

    keep: int
    model: bool
    plots: bool
    report: bool
    every_steps: int | None = None
    best_weights: bool = False


def check(run_dir: Path, job: Job, planned: Planned) -> None:
    """Compare the estimated size of a run's files with the free space; warn if that is scarce.

    Args:
        run_dir: the run's directory.
        job: model, data and plan.
        planned: the files that will be written.

    Raises:
        UserError: checkpoints and model do not fit.
    """
    from trainrun.model.cost import scaled

    keep, plan, cost = planned.keep, job.plan, job.cost()
    state = cost.weights * (2 if planned.best_weights else 1) + cost.optimizer
    # The newest `keep`, the one that is being written, and the best.
    large = (keep + 2) * state + (cost.weights if planned.model else 0)
    small = RECORD_BYTES + plan.epochs * EPOCH_BYTES
    small += (PLOTS_BYTES if planned.plots else 0) + (REPORT_BYTES if planned.report else 0)
    if planned.every_steps:
        small += plan.total_steps // planned.every_steps * STEP_RECORD_BYTES
    # A resumed run replaces these.
    existing = sum(p.stat().st_size for p in (run_dir / "checkpoints").glob("*.npz"))
    free = shutil.disk_usage(run_dir).free
    sizes = (
        f"{run_dir} lies on a disk with {scaled(free)}B left; the run needs about {scaled(large + small)}B: "
        f"{keep + 2} checkpoints of {scaled(state)}B"
        + (f", the model {scaled(cost.weights)}B" if planned.model else "")
        + f", its record {scaled(small)}B"
    )
    if large - existing > free:
        raise UserError(
            f"{sizes}. Free some space, name a folder on another disk with hydra.run.dir=…, or set checkpoint.keep=1."
        )
    if WARNING_FACTOR * (large + small) - existing > free:
        console.warn(f"{sizes}. That is scarce.")


def disk_full_error(run_dir: Path, error: BaseException) -> TrainingError:
    """Return the error that is shown to the user when a file could not be written."""
    from trainrun.checkpoint import file
    from trainrun.model.cost import scaled

    checkpoint, _ = file.newest(run_dir)
    try:
        left = f"{scaled(shutil.disk_usage(run_dir).free)}B left"
    except OSError:
        left = "no room left"
    what = getattr(error, "filename", None)
    kept = (
        f"The checkpoint of epoch {checkpoint.epoch}{f', step {checkpoint.step}' if checkpoint.step else ''} is whole"
        if checkpoint is not None
        else "No checkpoint was written yet"
    )
    return TrainingError(
        f"the disk is full: {what or run_dir} could not be written ({left}). {kept}. "
        f"Free some space, then: trainrun resume {run_dir}"
    )
