"""Plug-ins' parts of a model and of a batch, tried alone, since their faults show elsewhere: regularizers, constraints, augmentations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from trainrun.errors import Problem, UserError
from trainrun.registry import lookup
from trainrun.trainer.job import Job
from trainrun.trainer.model_steps import as_tensors
from trainrun.trainer.random_operations import RANDOM_OPERATIONS
from trainrun.util.places import place


def check(job: Job) -> None:
    """Call the regularizers, constraints and augmentations of plug-ins that a run uses; nothing of the run changes.

    Raises:
        UserError: one of them returns what cannot be used, or draws what a resumed run would not draw again.
    """
    modules = {component.module for component in lookup.announced()}

    def is_own(thing: Any) -> bool:
        return type(thing).__module__ in modules

    if problems := [*_of_weights(job, is_own), *_of_augmentations(job, is_own)]:
        raise UserError(problems)


def _of_weights(job: Job, is_own: Callable[[Any], bool]) -> Iterator[Problem]:
    """Yield what is wrong with the values of regularizers and constraints, of each class once."""
    wrong: set[type] = set()
    for variable in job.model.trainable_variables:
        for part, expected in ((variable.regularizer, ()), (variable.constraint, tuple(variable.shape))):
            kind = type(part)
            if not is_own(part) or kind in wrong:
                continue
            value = part(variable)
            if value is None or tuple(np.shape(value)) != expected:
                wrong.add(kind)
                got = "None" if value is None else f"shape {list(np.shape(value))}"
                text = "one number" if expected == () else "the weights, changed, in their shape"
                yield Problem(
                    "model", f"{place(kind.__call__)}: {kind.__name__} returned {got}; expected {text}."
                )


def _of_augmentations(job: Job, is_own: Callable[[Any], bool]) -> Iterator[Problem]:
    """Yield what is wrong with the augmentations, which are traced with a few examples."""
    for named in job.augment.named if job.augment is not None else ():
        if not is_own(named.apply) or named.declared.mixes_labels:
            continue
        part = job.train.take(np.arange(min(5, len(job.train))))
        x, _, _ = as_tensors(part.x, None, None)
        for spec in job.dataset.inputs:
            if spec.kind not in named.declared.inputs:
                continue
            tensor = x[spec.name] if isinstance(x, dict) else x
            traced = tf.function(
                lambda x, seed, own=named.apply: own(x, seed), autograph=False
            ).get_concrete_function(tensor, tf.zeros([2], tf.int64))
            where = f"{place(type(named.apply).__call__)}: {type(named.apply).__name__}"
            got = traced.structured_outputs
            if got is None or not got.shape.is_compatible_with(tensor.shape):
                shown = "None" if got is None else f"shape {got.shape}"
                yield Problem(
                    f"augment.{named.name}",
                    f"{where} returned {shown}; expected the examples, changed, in their shape {tensor.shape}.",
                )
            drawn = sorted({op.type for op in traced.graph.get_operations()} & RANDOM_OPERATIONS)
            if drawn:
                text = f"{where} draws by {drawn[0]}, from a counter that no checkpoint has. Draw from its seed: tf.random.stateless_normal(shape, seed)."
                yield Problem(f"augment.{named.name}", text)
