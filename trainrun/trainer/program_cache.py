"""The compiled program that the trials of a process share if they differ in values of variables only.

Building a model takes 0.1 s, tracing and compiling its steps 1 s. So the model of a trial is built as usual, from its own seed;
then the values of its variables are copied into the model of the trial before, whose steps are compiled. Everything else must
be equal: layers, loss, metrics and optimizer are compared by their configs. If anything differs, the new model is used, and
kept for the next trial.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainrun.compat import keras_model_private, keras_private
from trainrun.trainer.fingerprint import Fingerprint, has_variable_rates
from trainrun.trainer.random_operations import RANDOM_OPERATIONS

if TYPE_CHECKING:
    from trainrun.trainer.job import Job


class ProgramCache:
    """The compiled program of the last trial of a process, for the next one.

    Attributes:
        reuses: number of trials that used the program of the one before.
    """

    def __init__(self) -> None:
        self.reuses = 0
        self._program: _Program | None = None

    def job(self, new: Job) -> Job:
        """Return a job with the program of the trial before if it is the same program, else the job itself."""
        if not _eligible(new):
            return new
        program, fingerprint = self._program, Fingerprint(new)
        if (
            program is None
            or program.fingerprint != fingerprint
            or program.draws()
            or not _move(program, new)
        ):
            program = self._program = None
            gc.collect()
            new.state.shared = True
            self._program = _Program(new, fingerprint, keras_private.global_seed_generator())
            return new
        self.reuses += 1
        # The steps draw from the generator that was Keras' global one when they were compiled.
        keras_private.set_global_seed_generator(program.generator)
        return replace(new, model=program.model, state=program.state)


def _eligible(new: Job) -> bool:
    """Return whether a job's program may be shared: on one CPU, without layers that adapt to the data."""
    import tensorflow as tf

    model = new.model
    if new.start is not None or model.run_eagerly:
        return False
    if model.distribute_strategy.num_replicas_in_sync > 1 or tf.config.list_logical_devices("GPU"):
        return False
    # The statistics of such a layer are constants of the program.
    if any(hasattr(layer, "adapt") for layer in keras_model_private.all_layers(model)):
        return False
    return has_variable_rates(model)


class _Program:
    """A model with compiled steps.

    Args:
        job: with the model and its state.
        fingerprint: of the job.
        generator: Keras' global seed generator when the steps were compiled.
    """

    def __init__(self, job: Job, fingerprint: Fingerprint, generator: Any):
        self.model, self.state, self.fingerprint, self.generator = (
            job.model,
            job.state,
            fingerprint,
            generator,
        )
        self._draws: bool | None = None

    def draws(self) -> bool:
        """Return whether the compiled steps have random operations whose state is in no variable."""
        if self._draws is None:
            self._draws = any(RANDOM_OPERATIONS & steps.operations() for steps in self.state.passes.values())
        return self._draws


def _move(program: _Program, new: Job) -> bool:
    """Copy the variables of a new job's model into the model of a program; return whether they fit."""
    from trainrun.model.variables import by_purpose
    from trainrun.trainer.epoch_loop import build

    build(new)
    targets, sources = by_purpose(program.model), by_purpose(new.model)
    targets["generators"] = [program.generator.state]
    kinds = [
        {k: [(tuple(v.shape), str(v.dtype)) for v in vs] for k, vs in of.items()} for of in (targets, sources)
    ]
    if kinds[0] != kinds[1]:
        return False
    for kind, variables in sources.items():
        for target, source in zip(targets[kind], variables, strict=True):
            target.assign(source)
    program.model.stop_training = False
    keras_model_private.set_initial_epoch(program.model, None)
    return True
