"""The compiled program that the trials of a process share if they differ in values of variables only.

Building a model takes 0.1 s, tracing and compiling its steps 1 s. So the model of a trial is built as usual, from its own seed;
then the values of its variables are copied into the model of the trial before, whose steps are compiled. Everything else must
be equal: layers, loss, metrics and optimizer are compared by their configs. If anything differs, the new model is used, and
kept for the next trial.
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

# Keys of configs whose values are in variables, or determine only the shapes of variables.
IGNORED_KEYS = ("seed", "learning_rate", "build_config")


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
        program, fingerprint = self._program, _Fingerprint(new)
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

    from trainrun.hardware.replicas import leaves

    model = new.model
    if new.start is not None or model.run_eagerly:
        return False
    if model.distribute_strategy.num_replicas_in_sync > 1 or tf.config.list_logical_devices("GPU"):
        return False
    # The statistics of such a layer are constants of the program.
    if any(hasattr(layer, "adapt") for layer in keras_model_private.all_layers(model)):
        return False
    rates = [
        keras_optimizer_private.rate(leaf)
        for leaf in leaves(model.optimizer)
        if not hasattr(leaf, "inners")  # a wrapper of optimizers with rates of their own
    ]
    return all(rate is None or hasattr(rate, "assign") or hasattr(rate, "get_config") for rate in rates)


class _Program:
    """A model with compiled steps.

    Args:
        job: with the model and its state.
        fingerprint: of the job.
        generator: Keras' global seed generator when the steps were compiled.
    """

    def __init__(self, job: Job, fingerprint: _Fingerprint, generator: Any):
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


class _Fingerprint:
    """Everything that determines a job's program, except for values of variables; fingerprints can be compared.

    Args:
        job: built and compiled.
    """

    def __init__(self, job: Job):
        from trainrun.model import quantization_aware

        model = job.model
        layers = keras_model_private.all_layers(model)
        self._layers = {layer.name: f"layer {i}" for i, layer in enumerate(layers)}
        self.content = (
            type(model),
            job.plan.batch_size,
            job.train.weight is not None,
            job.probabilities,
            repr(job.augment),
            repr(job.teacher),
            [*map(quantization_aware.mode_of, layers)],
            self._plain(model.get_config()),
            [(tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables],
            self._part(model.optimizer),
            self._part(model.loss),
            self._part(keras_model_private.loss_weights(model)),
            [self._part(metrics) for metrics in keras_model_private.metric_arguments(model)],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fingerprint) and self.content == other.content

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
        attributes = {k: v for k, v in vars(part).items() if _is_number(v)}
        return (
            type(part).__qualname__,
            self._plain(config),
            self._plain(attributes),
        )

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {
                str(k): self._layers.get(v) if k == "name" else self._plain(v)
                for k, v in value.items()
                if k not in IGNORED_KEYS
                or (k == "learning_rate" and isinstance(v, Mapping))  # a schedule is a constant
            }
        if isinstance(value, list | tuple):
            if len(value) == 3 and isinstance(value[0], str) and value[0] in self._layers:
                return [self._layers[value[0]], *value[1:]]  # a connection of a functional model
            return [self._plain(v) for v in value]
        if hasattr(value, "tobytes"):
            return value.tobytes()
        return self._part(value) if hasattr(value, "get_config") else repr(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return isinstance(value, int | float) or hasattr(value, "tobytes")


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
