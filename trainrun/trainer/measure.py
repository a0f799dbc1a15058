"""Loss and metrics of a trained model on a split."""

from __future__ import annotations

import numpy as np

from trainrun.data.dataset import Split
from trainrun.data.lazy_array import View
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.job import Job
from trainrun.trainer.pipeline import in_order
from trainrun.trainer.step_by_model import measuring
from trainrun.trainer.steps_per_call import Pace


def measure_sets(job: Job) -> dict[str, float]:
    """Return loss and metrics on each further validation set: ``val.hard_loss``."""
    return {
        f"val.{name}_{metric}": value
        for name, split in job.validation_sets.items()
        for metric, value in measure(job, split, f"measuring {name}").items()
    }


def measure(job: Job, split: Split, name: str = "measuring") -> dict[str, float]:
    """Return loss and metrics of a job's model on a split, as Keras' `evaluate`, but without tracing at each call.

    Args:
        job: with a compiled model on one device.
        split: with at least one example.
        name: under which the compiled pass is cached.
    """
    model = job.model
    if not is_compilable(job, split):
        logs = model.evaluate(in_order(split, job.plan.batch_size), return_dict=True, verbose=0)
        return {name: float(value) for name, value in logs.items()}
    steps, logs = measuring(job, split, name), {}
    model.reset_metrics()
    for _, _, run in steps.calls(np.arange(len(split), dtype="int64"), Pace()):
        logs = run()
    return {name: float(value) for name, value in logs.items()}


def is_compilable(job: Job, split: Split) -> bool:
    """Return whether a split can be evaluated in compiled passes: only if it is in memory, or as it is in a mapped file."""
    in_memory = not any(isinstance(a, View) and a.stored() is None for a in split.arrays())
    return in_memory and Pass.fits(job.model, split) and not job.model.run_eagerly
