"""The coefficients of a linear model (`model=linear`), by the names of its columns."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np

from trainrun.data._gaps import UNKNOWN_NAME
from trainrun.data.preprocessor import Preprocessor

HEAD = "head"  # the layer's name, see `model.linear`


class Coefficient(NamedTuple):
    """One coefficient.

    Args:
        column: its name; of a category with its value: ``city = Rome``.
        values: one an output: the change of the output (of classes: the log-odds or score; of a standardized target: in its deviations)
            per deviation of a number, or where the category holds.
    """

    column: str
    values: tuple[float, ...]


def coefficients(model: keras.Model, fitted: Preprocessor) -> list[Coefficient]:
    """Return the coefficients of a linear model, the largest first; empty if its columns have no names.

    Args:
        model: that takes preprocessed arrays.
        fitted: of the model.
    """
    names: list[str] = []
    for spec in fitted.inputs:
        if spec.kind == "numeric" and len(spec.shape) == 1 and len(fitted.features) == spec.shape[0]:
            names += fitted.features
        elif spec.kind == "categorical" and len(fitted.categories) == spec.shape[0]:
            names += [f"{c.name} = {v}" for c in fitted.categories for v in (UNKNOWN_NAME, *c.categories)]
        else:
            return []
    head = next(
        (layer for layer in _layers(model) if layer.name == HEAD and isinstance(layer, keras.layers.Dense)),
        None,
    )
    if head is None or head.kernel.shape[0] != len(names):
        return []
    kernel = np.asarray(keras.ops.convert_to_numpy(head.kernel), np.float64)
    found = [
        Coefficient(name, tuple(row.tolist()))
        for name, row in zip(names, kernel, strict=True)
        if not name.endswith(
            f" = {UNKNOWN_NAME}"
        )  # never met in training, so its weight is what it was drawn as
    ]
    return sorted(found, key=lambda c: -max(map(abs, c.values)))


def _layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [
        inner
        for layer in model.layers
        for inner in (_layers(layer) if isinstance(layer, keras.Model) else [layer])
    ]
