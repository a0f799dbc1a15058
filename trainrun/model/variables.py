"""A model's variables, grouped by purpose."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import keras
import tensorflow as tf

from trainrun.compat import keras_model_private, keras_private

_STEP = "_trainrun_step"  # attribute of a model: its training step, see `hold`


def number(variable: Any) -> Any:
    """Return the value of a scalar variable, mirrored or not, as a Python number."""
    # Not `float(variable)`, which is slower; called several times per epoch for each of many trials.
    return variable.numpy().item()


@contextmanager
def untouched(model: keras.Model) -> Iterator[None]:
    """Restore at the end what a call of the model may move: seeds, running means, states that are no weights."""
    kinds = by_purpose(model)
    without_gradient = (w for w in kinds["weights"] if not w.trainable)
    # Of each replica: to read or set what replicas sum up, such as a metric, is a call to all workers, and one of them may be alone here.
    states = [
        (one, one.numpy())
        for v in chain(without_gradient, kinds["metrics"], kinds["generators"], kinds["others"])
        for one in of_replicas(v)
    ]
    try:
        yield
    finally:
        for variable, value in states:
            variable.assign(value)


def by_purpose(model: keras.Model) -> dict[str, list[Any]]:
    """Return the variables of a compiled model, grouped by purpose.

    Returns:
        Lists under ``weights``, ``optimizer`` (empty before it is built), ``metrics``, ``generators`` (the state of Keras'
        global seed generator) and ``others`` (what a user's layers, losses and training step hold besides, such as a second optimizer, and the
        states of stateful recurrent layers).
    """
    optimizer = getattr(model, "optimizer", None)  # none before it is compiled
    generator = keras_private.global_seed_generator().state
    known = {
        "weights": list(model.variables),
        "optimizer": list(optimizer.variables) if optimizer is not None and optimizer.built else [],
        "metrics": list(model.metrics_variables),
        "generators": [generator],
    }
    return known | {"others": _others(model, {id(v) for variables in known.values() for v in variables})}


@dataclass(frozen=True)
class _Step:
    """The training step of a model: its object, and variables that its trace uses beside those of the model."""

    object: Any
    traced: Sequence[tf.Variable]


def hold(model: keras.Model, step: Any, graph: tf.Graph | None) -> None:
    """Count the variables of a model's training step among `others`, so that checkpoints have them.

    Args:
        model: compiled and built.
        step: the step's object, whose attributes may hold variables; None: the model's own.
        graph: of the traced step, for variables in closures and modules; None: it is not traced.
    """
    known = {id(c) for variables in by_purpose(model).values() for v in variables for c in of_replicas(v)}
    by_handle = {} if graph is None else {id(v.handle): v for v in graph.variables if id(v) not in known}
    # In the order in which the trace meets them: `graph.variables` is a set.
    captured = () if graph is None else graph.external_captures
    traced = [by_handle[id(handle)] for handle in captured if id(handle) in by_handle]
    # Not by Keras' own setter, which would make weights of them.
    object.__setattr__(model, _STEP, _Step(step, traced))


def of_replicas(variable: Any) -> list[Any]:
    """Return the variable of each replica; they may differ, as in batch normalization."""
    value = keras_private.backing_variable(variable)
    if isinstance(value, tf.distribute.DistributedValues):
        return list(value.values)
    return [value]


def is_foreign(part: Any) -> bool:
    """Return whether a layer's or a loss's class or function is the user's."""
    return not part.__module__.startswith(("keras.", "trainrun."))


def foreign_parts(model: keras.Model) -> list[Any]:
    """Return the layers and losses of a model that are the user's; of a model that is not compiled, the layers."""
    parts = [*keras_model_private.all_layers(model), *keras.tree.flatten(getattr(model, "loss", None))]
    return [part for part in parts if part is not None and not isinstance(part, str) and is_foreign(part)]


def unbuilt_optimizers(model: keras.Model, step: Any) -> list[keras.optimizers.Optimizer]:
    """Return the optimizers that a user's layers and training step hold in attributes and that have no variables yet."""
    held = [value for owner in [*foreign_parts(model), step] for value in _attributes(owner)]
    return [v for v in held if isinstance(v, keras.optimizers.Optimizer) and not v.built]


def held_by_both(source: keras.Model, target: keras.Model) -> Iterator[tuple[Any, Any]]:
    """Yield the `others` that layers and losses of a model hold, each with that of another model of the same code.

    Variables of optimizers are left out: only a model that is trained has them all.
    """
    others = {id(v) for v in by_purpose(source)["others"]}
    for ours, theirs in zip(foreign_parts(source), foreign_parts(target), strict=True):
        for value, its in zip(_attributes(ours), _attributes(theirs), strict=False):
            if not isinstance(value, keras.optimizers.Optimizer):
                pairs = zip(_held(value), _held(its), strict=False)
                yield from ((a, b) for a, b in pairs if id(a) in others and a.shape == b.shape)


def _attributes(owner: Any) -> list[Any]:
    """Return the values of an object's public attributes, those within lists and dicts each by itself."""
    attributes = sorted(getattr(owner, "__dict__", {}).items())
    return keras.tree.flatten([v for k, v in attributes if not k.startswith("_")])


def _others(model: keras.Model, known: set[int]) -> list[Any]:
    """Return the variables that a user's layers and training step hold and Keras does not count among the model's."""
    step = getattr(model, _STEP, _Step(None, ()))
    layers = keras_model_private.all_layers(model)
    # States that a recurrent layer of Keras' keeps from batch to batch.
    kept = keras.tree.flatten([layer.states for layer in layers if getattr(layer, "stateful", False)])
    hidden: dict[int, Any] = {id(v): v for v in kept if isinstance(v, keras.Variable) and id(v) not in known}
    for owner in [*foreign_parts(model), step.object]:
        for value in _attributes(owner):
            hidden |= {id(v): v for v in _held(value) if id(v) not in known}
    seen = {id(c) for v in hidden.values() for c in of_replicas(v)}
    return [*hidden.values(), *(v for v in step.traced if id(v) not in seen)]


def _held(value: Any) -> Sequence[Any]:
    """Return the variables that a value of an attribute is or holds."""
    if isinstance(value, keras.Variable | tf.Variable):
        return [value]
    if isinstance(value, keras.random.SeedGenerator):
        return [value.state]
    holds = isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric | keras.Layer | tf.Module)
    return value.variables if holds else ()
