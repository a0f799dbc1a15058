"""Compiled passes that a model keeps: it is measured again, and in a sweep trained again, without being traced anew."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np

from trainrun.data.dataset import Split
from trainrun.data.lazy_array import View
from trainrun.run import joint_training
from trainrun.trainer import program_cache
from trainrun.trainer.compiled_epoch import Pass
from trainrun.trainer.steps_per_call import Pace

NAME = "_trainrun_passes"


def kept(model: keras.Model, name: str, make: Callable[[bool], Pass], split: Split, batch_size: int) -> Pass:
    """Return a pass over a split: the model's own of that name, if it can go over this split, else a new one.

    Args:
        model: compiled.
        name: of the pass.
        make: makes one; told whether it will be asked for again.
        split: to go over.
        batch_size: of the pass.
    """
    passes = getattr(model, NAME, None)
    if passes is None:
        passes = {}
        object.__setattr__(model, NAME, passes)  # Keras looks for layers in whatever else is set
    found = passes.get(name)
    if found is None or found.batch_size != batch_size or not found.renew(split):
        found = passes[name] = make(True)
    return found


def shared(
    model: keras.Model, name: str, make: Callable[[bool], Pass], split: Split, batch_size: int
) -> Pass:
    """As `kept` where trials of a sweep share a program; elsewhere a new pass, which nobody keeps."""
    return kept(model, name, make, split, batch_size) if program_cache.active() else make(False)


def measure(model: keras.Model, split: Split, batch_size: int) -> dict[str, float]:
    """Return the loss and metrics of a model on a split, as Keras' `evaluate` does, which traces anew each time.

    Args:
        model: compiled, on one device.
        split: has at least one example.
        batch_size: examples at once.
    """
    from trainrun.trainer.fit_from_arrays import measuring
    from trainrun.trainer.pipeline import in_order

    # What is not in memory yet is not worth being held for one pass: it is read as it goes.
    lies = any(isinstance(a, View) for a in split.arrays())
    if lies or not Pass.fits(model, split) or model.run_eagerly or model.jit_compile:
        found = model.evaluate(in_order(split, batch_size), return_dict=True, verbose=0)
        return {name: float(value) for name, value in found.items()}
    if (place := joint_training.place()) is not None and (
        logs := place.measure(model, split, batch_size)
    ) is not None:
        return logs
    steps, logs = measuring(model, split, batch_size), {}
    model.reset_metrics()
    for _, _, run in steps.calls(np.arange(len(split), dtype="int64"), Pace()):
        logs = run()
    return {name: float(value) for name, value in logs.items()}
