"""Trials of a sweep that share a process share the compiled program, where they differ in nothing that it contains.

Building a model takes a tenth of a second, tracing and compiling its steps a whole one. So a trial's model is built as
ever, from its own seed; then what distinguishes it, the values of all variables, is put into the model of the trial
before it, whose steps are compiled. What is no variable must be the same: layers, loss, metrics and optimizer are held
against each other by their configs. If anything differs, the new model is taken, and kept for the next trial.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainrun.compat import keras_model_private, keras_optimizer_private, keras_private
from trainrun.trainer.random_operations import RANDOM_OPERATIONS

if TYPE_CHECKING:
    from trainrun.trainer.job import Job

# What a config says that is in a variable, or said by the variables' shapes.
ELSEWHERE = ("seed", "learning_rate", "build_config")


class ProgramCache:
    """The compiled program of a process's last trial, for its next one.

    Attributes:
        reuses: trials that ran with the program of the one before.
    """

    def __init__(self) -> None:
        self.reuses = 0
        self._program: _Program | None = None

    def job(self, new: Job) -> Job:
        """Return a job with the program of the one before, if it is the same program; else the job itself."""
        if not _eligible(new):
            return new
        program, says = self._program, _Says(new)
        if program is None or program.says != says or program.draws() or not _move(program, new):
            program = self._program = None
            gc.collect()
            new.state.shared = True
            self._program = _Program(new, says, keras_private.global_seed_generator())
            return new
        self.reuses += 1
        # The steps draw from the generator that was Keras' own when they were compiled.
        keras_private.set_global_seed_generator(program.generator)
        return replace(new, model=program.model, state=program.state)


def _eligible(new: Job) -> bool:
    """Return whether a job's program may be shared at all: one device, a CPU, nothing that is fitted to the data."""
    import tensorflow as tf

    from trainrun.hardware.replicas import leaves

    model = new.model
    if new.start is not None or model.run_eagerly or model.jit_compile:
        return False
    if model.distribute_strategy.num_replicas_in_sync > 1 or tf.config.list_logical_devices("GPU"):
        return False
    # What such a layer has learnt of the data is in the program, as constants.
    if any(hasattr(layer, "adapt") for layer in keras_model_private.all_layers(model)):
        return False
    rates = [
        keras_optimizer_private.rate(leaf)
        for leaf in leaves(model.optimizer)
        if not hasattr(leaf, "inners")  # it wraps others, whose rates count
    ]
    return all(rate is None or hasattr(rate, "assign") or hasattr(rate, "get_config") for rate in rates)


class _Program:
    """A model whose steps are compiled.

    Args:
        job: has the model, and its state.
        says: what it was made from.
        generator: that was Keras' own when it was compiled.
    """

    def __init__(self, job: Job, says: _Says, generator: Any):
        self.model, self.state, self.says, self.generator = job.model, job.state, says, generator
        self._draws: bool | None = None

    def draws(self) -> bool:
        """Return whether the compiled steps draw numbers whose state is in no variable."""
        if self._draws is None:
            self._draws = any(RANDOM_OPERATIONS & steps.operations() for steps in self.state.passes.values())
        return self._draws


class _Says:
    """All that a job's program is made from, without what is in variables; two of them can be compared.

    Args:
        job: built and compiled.
    """

    def __init__(self, job: Job):
        model = job.model
        self._layers = {
            layer.name: f"layer {i}" for i, layer in enumerate(keras_model_private.all_layers(model))
        }
        self.content = (
            type(model),
            job.plan.batch_size,
            job.train.weight is not None,
            job.probabilities,
            self._plain(model.get_config()),
            [(tuple(v.shape), str(v.dtype)) for v in model.variables],
            self._part(model.optimizer),
            self._part(model.loss),
            [self._part(metrics) for metrics in keras_model_private.compiled_metrics_as_given(model)],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Says) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content[:4])

    def _part(self, part: Any) -> Any:
        """Return a loss, metric or optimizer, or those in a list or a dict, as plain data."""
        if isinstance(part, Mapping):
            return {k: self._part(v) for k, v in part.items()}
        if isinstance(part, list | tuple):
            return [self._part(v) for v in part]
        if not hasattr(part, "get_config"):
            return repr(part)
        config = part.get_config()
        rate = config.get("learning_rate")
        attributes = {k: v for k, v in vars(part).items() if _is_number(v)}
        return (
            type(part).__qualname__,
            self._plain(config),
            None if isinstance(rate, float) else self._plain(rate),
            self._plain(attributes),
        )

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                str(k): self._layers.get(v) if k == "name" else self._plain(v)
                for k, v in value.items()
                if k not in ELSEWHERE
            }
        if isinstance(value, list | tuple):
            if len(value) == 3 and isinstance(value[0], str) and value[0] in self._layers:
                return [self._layers[value[0]], *value[1:]]  # where a functional model says how it is wired
            return [self._plain(v) for v in value]
        if hasattr(value, "tobytes"):
            return value.tobytes()
        return self._part(value) if hasattr(value, "get_config") else repr(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return isinstance(value, int | float) or hasattr(value, "tobytes")


def _move(program: _Program, new: Job) -> bool:
    """Put the values of a new model's variables into the one whose steps are compiled; return whether they fit."""
    from trainrun.model.variables import by_purpose
    from trainrun.trainer.epoch_loop import build

    build(new)
    ours, theirs = by_purpose(program.model), by_purpose(new.model)
    ours["generators"] = [program.generator.state]
    kinds = [
        {k: [(tuple(v.shape), str(v.dtype)) for v in vs] for k, vs in of.items()} for of in (ours, theirs)
    ]
    if kinds[0] != kinds[1]:
        return False
    for kind, variables in theirs.items():
        for variable, other in zip(ours[kind], variables, strict=True):
            variable.assign(other)
    program.model.stop_training = False
    keras_model_private.set_initial_epoch(program.model, None)
    return True
