"""Compiled passes that are kept beside a model: measured again, or trained again by a sweep's next trial, without new tracing."""

from __future__ import annotations

from collections.abc import Callable

from trainrun.data.dataset import Split
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.job import Job


def kept(job: Job, name: str, make: Callable[..., Pass], split: Split) -> Pass:
    """Return a pass over a split: the kept one of that name, if it can go over this split, else a new one.

    Args:
        job: whose model.
        name: of the pass.
        make: makes one; takes `reusable`.
        split: to go over.
    """
    passes = job.state.passes
    known = passes.get(name)
    if known is None or known.batch_size != job.plan.batch_size or not known.renew(split):
        known = passes[name] = make(reusable=True)
    return known


def shared(job: Job, name: str, make: Callable[..., Pass], split: Split) -> Pass:
    """As `kept` where trials of a sweep share the model; elsewhere a new pass, which is not kept."""
    return kept(job, name, make, split) if job.state.shared else make()
