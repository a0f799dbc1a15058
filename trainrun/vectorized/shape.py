"""Whether trials are of one shape: the same variables, and what differs are numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from trainrun.model.variables import by_purpose
from trainrun.vectorized import lifted_hyperparameters

KINDS = ("weights", "optimizer", "metrics")


class Unfit(Exception):
    """These trials cannot be trained in one graph; the text says why."""


def differences(
    one: keras.Model, other: keras.Model
) -> Mapping[lifted_hyperparameters.Path, np.ndarray] | None:
    """Return the numbers in which two models of one shape differ; None: they differ in more than that."""
    if _shapes(variables(one)) != _shapes(variables(other)):
        return None
    try:
        return lifted_hyperparameters.differing([one, other])
    except ValueError:
        return None


def variables(model: keras.Model) -> list[Any]:
    """Return all that a step reads or writes, in an order that is the same for all trials of a shape."""
    kinds = by_purpose(model)
    return [v for kind in KINDS for v in kinds[kind]]


def _shapes(variables: Sequence[Any]) -> list[tuple]:
    return [(tuple(v.shape), str(v.dtype)) for v in variables]
