"""Room on the disk: an estimate before training, and what is said when there is none left."""

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

# Bytes, as runs with the sets of scikit-learn leave them.
PLOTS, REPORT, EPOCH, RECORD, FIRM = 500_000, 700_000, 900, 300, 60_000
RESERVE, RESERVED = ".reserve", 16_384
# Below so many times what is needed, a line says that it is tight.
TIGHT = 1.5


def reserve(run_dir: Path) -> None:
    """Keep a little room for the end of the record, which is to be written on a full disk, too."""
    with contextlib.suppress(OSError):
        (run_dir / RESERVE).write_bytes(b"\0" * RESERVED)


def release(run_dir: Path) -> None:
    """Give that room back: the end is written now."""
    with contextlib.suppress(OSError):
        (run_dir / RESERVE).unlink(missing_ok=True)


@dataclass(frozen=True)
class Planned:
    """What a run will write.

    Args:
        keep: checkpoints, besides the best.
        model, plots, report: whether these are written.
        every_steps: steps between two records of metrics; None: only after epochs.
    """

    keep: int
    model: bool
    plots: bool
    report: bool
    every_steps: int | None = None


def check(run_dir: Path, job: Job, planned: Planned) -> None:
    """Compare what a run will write with what is free.

    Args:
        run_dir: the run's directory.
        job: what is to be trained.
        planned: what will be written.

    Raises:
        UserError: checkpoints and model cannot fit.
    """
    from trainrun.model.cost import scaled

    keep, plan, cost = planned.keep, job.plan, job.cost()
    state = cost.weights + cost.optimizer
    # Of the newest `keep`, the one that is being written, and the best.
    large = (keep + 2) * state + (cost.weights if planned.model else 0)
    small = FIRM + plan.epochs * EPOCH
    small += (PLOTS if planned.plots else 0) + (REPORT if planned.report else 0)
    if planned.every_steps:
        small += plan.total_steps // planned.every_steps * RECORD
    # A run that goes on replaces what it has written before.
    there = sum(p.stat().st_size for p in (run_dir / "checkpoints").glob("*.npz"))
    free = shutil.disk_usage(run_dir).free
    told = (
        f"{run_dir} lies on a disk with {scaled(free)}B left; the run needs about {scaled(large + small)}B: "
        f"{keep + 2} checkpoints of {scaled(state)}B"
        + (f", the model {scaled(cost.weights)}B" if planned.model else "")
        + f", its record {scaled(small)}B"
    )
    if large - there > free:
        raise UserError(
            f"{told}. Make room, name a folder on another disk with hydra.run.dir=…, or set checkpoint.keep=1."
        )
    if TIGHT * (large + small) - there > free:
        console.warn(f"{told}. That is tight.")


def full(run_dir: Path, error: BaseException) -> TrainingError:
    """Return what the user reads when a file could not be written."""
    from trainrun.checkpoint import file
    from trainrun.model.cost import scaled

    found, _ = file.newest(run_dir)
    try:
        left = f"{scaled(shutil.disk_usage(run_dir).free)}B left"
    except OSError:
        left = "no room left"
    what = getattr(error, "filename", None)
    kept = (
        f"The checkpoint of epoch {found.epoch}{f', step {found.step}' if found.step else ''} is whole"
        if found is not None
        else "No checkpoint was written yet"
    )
    return TrainingError(
        f"the disk is full: {what or run_dir} could not be written ({left}). {kept}. "
        f"Make room, then: trainrun resume {run_dir}"
    )
