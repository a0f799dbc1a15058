"""Trials of one shape: with the same variables, and differing in numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from trainrun.model.variables import by_purpose
from trainrun.vectorized import lifted_hyperparameters

KINDS = ("weights", "optimizer", "metrics")


class Unfit(Exception):
    """These trials cannot be trained in one graph; the message is the reason."""


def differences(
    one: keras.Model, other: keras.Model
) -> Mapping[lifted_hyperparameters.Path, np.ndarray] | None:
    """Return the numbers in which two models differ; None: they are not of one shape."""
    if _shapes(variables(one)) != _shapes(variables(other)):
        return None
    try:
        return lifted_hyperparameters.differing([one, other])
    except ValueError:
        return None


def variables(model: keras.Model) -> list[Any]:
    """Return the variables of a step, in an order that is equal for all trials of a shape."""
    kinds = by_purpose(model)
    return [v for kind in KINDS for v in kinds[kind]]


def _shapes(variables: Sequence[Any]) -> list[tuple]:
    return [(tuple(v.shape), str(v.dtype), getattr(v, "trainable", True)) for v in variables]
