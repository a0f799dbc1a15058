"""The coefficients of a linear model (`model=linear`), by the names of its columns."""

from __future__ import annotations

from typing import NamedTuple

import keras
import numpy as np

from trainrun.compat import keras_model_private
from trainrun.data import _vectorized_text
from trainrun.data._gaps import UNKNOWN_NAME
from trainrun.data.preprocessor import Preprocessor

HEAD = "head"  # the layer's name, see `model.linear`
UNNAMED = "\0"


class Coefficient(NamedTuple):
    """One coefficient.

    Args:
        column: its name; of a category with its value: ``city = Rome``; of a text a word.
        values: one an output: the change of the output (of classes: the log-odds or score; of a standardized target: in its deviations)
            per deviation of a number, where the category holds, or of a text of that word alone.
    """

    column: str
    values: tuple[float, ...]


def coefficients(model: keras.Model, fitted: Preprocessor, output: str = "") -> list[Coefficient]:
    """Return the coefficients of a linear model, the largest first; empty if its columns have no names.

    Args:
        model: that takes preprocessed arrays.
        fitted: of the model.
        output: of several, its name.
    """
    wanted = f"{HEAD}_{output}" if output else HEAD
    names: list[str] = []
    for spec in fitted.inputs:
        step = fitted.steps.get(spec.name, {})
        words = (
            [word or UNNAMED for word in _vectorized_text.tokens_of(step, "")] if "vocabulary" in step else []
        )
        of_input = words or fitted.names(spec)
        if not of_input:
            return []
        if spec.kind == "categorical":
            of_input = [f"{c.name} = {v}" for c in fitted.categories for v in (UNKNOWN_NAME, *c.categories)]
        names += of_input
    layers = keras_model_private.all_layers(model)
    head = next((x for x in layers if x.name == wanted and isinstance(x, keras.layers.Dense)), None)
    if head is None or head.kernel.shape[0] != len(names):
        return []
    kernel = np.asarray(keras.ops.convert_to_numpy(head.kernel), np.float64)
    # A category that training never met has the weight that it was drawn with.
    known = [
        Coefficient(name, tuple(row.tolist()))
        for name, row in zip(names, kernel, strict=True)
        if name != UNNAMED and not name.endswith(f" = {UNKNOWN_NAME}")
    ]
    return sorted(known, key=lambda c: -max(map(abs, c.values)))
