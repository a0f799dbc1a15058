"""Weights that are not trained, by regular expressions over their paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from trainrun.compat import keras_model_private
from trainrun.errors import Problem, UserError
from trainrun.model import variable_paths
from trainrun.util import patterns

FREEZE, TRAINABLE = "model.freeze", "model.trainable"


@dataclass(frozen=True)
class Row:
    """Whether a weight is trained.

    Args:
        path, shape: of the weight.
        state: ``trained``, ``frozen``, or ``measured``: a statistic such as a moving mean, which training updates without a gradient.
    """

    path: str
    shape: tuple[int, ...]
    state: str


def apply(model: keras.Model, freeze: Sequence[str], trainable: Sequence[str]) -> None:
    """Freeze the weights whose paths `freeze` matches, and those that `trainable` does not match if it is not empty.

    A layer whose weights are all frozen gets ``trainable=False``; batch normalization then runs in inference mode, so that its
    statistics stay, as Keras' guide to transfer learning has it.

    Args:
        model: built, not compiled yet.
        freeze, trainable: regular expressions that match whole paths.

    Raises:
        UserError: an expression matches no weight, or no weight is left to train.
    """
    weights = variable_paths.weights(model)
    paths = [w.path for w in weights]
    problems = [
        *variable_paths.unmatched(FREEZE, freeze, paths),
        *variable_paths.unmatched(TRAINABLE, trainable, paths),
    ]
    if problems:
        raise UserError(problems)
    frozen: list[variable_paths.Weight] = []
    partly_trained: set[int] = set()
    for weight in weights:
        named = patterns.any_matches(freeze, weight.path)
        if named or (trainable and not patterns.any_matches(trainable, weight.path)):
            frozen.append(weight)
        else:
            partly_trained.add(id(weight.layer))
    for weight in frozen:
        weight.variable.trainable = False
        if id(weight.layer) not in partly_trained and not keras_model_private.direct_layers(weight.layer):
            weight.layer.trainable = False
    if not model.trainable_variables:
        key = FREEZE if freeze else TRAINABLE
        raise UserError(
            Problem(
                key, f"no weight is left to train; {variable_paths.shown(paths)} are frozen. Freeze fewer."
            )
        )


def rows(model: keras.Model) -> list[Row]:
    """Return a row for each weight of a model."""
    return [Row(w.path, tuple(w.variable.shape), _state(w)) for w in variable_paths.weights(model)]


def _state(weight: variable_paths.Weight) -> str:
    if not weight.layer.trainable:
        return "frozen"
    if weight.variable.trainable:
        return "trained"
    return "measured" if weight.path.rpartition("/")[2].startswith("moving_") else "frozen"


def line(listed: Sequence[Row]) -> str:
    """Return how many of a model's parameters are trained, in words; `listed` are the rows of all weights."""
    total = sum(math.prod(row.shape) for row in listed)
    trained = sum(math.prod(row.shape) for row in listed if row.state == "trained")
    return f"{trained:,} of {total:,} parameters are trained"
