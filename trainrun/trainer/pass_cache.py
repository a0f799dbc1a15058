"""Cache of the compiled passes of a model, for further evaluations and for the next trial of a sweep."""

from __future__ import annotations

from collections.abc import Callable

from trainrun.data.dataset import Split
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.job import Job


def cached(job: Job, name: str, make: Callable[..., Pass], split: Split) -> Pass:
    """Return a pass over a split: the cached one of that name if it can take this split, else a new one.

    Args:
        job: with the model.
        name: of the pass.
        make: creates a pass; takes `reusable`.
        split: the examples.
    """
    passes = job.state.passes
    steps = passes.get(name)
    batch, most = job.plan.batch_size, job.examples_of_pass(split)
    if steps is None or steps.batch_size != batch or not steps.renew(split, most):
        steps = passes[name] = make(reusable=True)
    return steps


def shared(job: Job, name: str, make: Callable[..., Pass], split: Split) -> Pass:
    """Return a cached pass if trials of a sweep share the model, else a new one that is not cached; see `cached`."""
    return cached(job, name, make, split) if job.state.shared else make()
