"""The examples that a model predicts worst, with the values of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trainrun.artifacts import curves
from trainrun.data.dataset import Dataset, Split
from trainrun.data.preprocessor import Preprocessor
from trainrun.run import slices
from trainrun.run.permutation_importance import errors

COUNT, COLUMNS = 10, 8


class Worst(NamedTuple):
    """One example.

    Args:
        place: in its part, counted from 0.
        true, predicted: a class's name or a number; None of several an example.
        error: see `permutation_importance.errors`.
        values: of the columns.
    """

    place: int
    true: Any
    predicted: Any
    error: float
    values: list[Any]


def worst(
    data: Dataset, split: Split, predictions: np.ndarray, fitted: Preprocessor, first: Sequence[str] = ()
) -> tuple[list[str], list[Worst]]:
    """Return the names of some columns, and the examples with the greatest errors, the worst first.

    Args:
        data: the run's.
        split: the examples.
        predictions: probabilities, or real numbers.
        fitted: of the model.
        first: columns that are to be shown before others.
    """
    target = data.target
    if (
        target.kind in ("none", "multilabel")
        or target.shape
        or (target.kind == "real" and target.outputs > 1)
    ):
        return [], []
    failed = errors(target, split.y, predictions)
    known = np.flatnonzero(np.isfinite(failed))
    places = known[np.argsort(-failed[known], kind="stable")[:COUNT]]
    rows = split.take(places)
    known_names = dict.fromkeys([*first, *(c.name for c in fitted.columns), *fitted.features])
    columns = {}
    for name in known_names:
        if len(columns) < COLUMNS and (
            name in fitted.features or name in [c.name for c in fitted.categories]
        ):
            columns[name] = slices.column(name, rows, fitted)
    p = predictions.reshape(len(split), -1)[places]
    if target.kind == "real":
        true, guess = np.ravel(rows.y).tolist(), p[:, 0].tolist()
    else:
        names = target.class_names
        true = [names[i] for i in rows.y]
        scores = curves.per_class(p, target.kind)
        decided = curves.decided(scores, target)
        guess = [f"{names[i]} ({row[i]:.1%})" for i, row in zip(decided, scores, strict=True)]
    examples = [
        Worst(int(place), t, g, float(failed[place]), [values[i] for values in columns.values()])
        for i, (place, t, g) in enumerate(zip(places, true, guess, strict=True))
    ]
    return [*columns], examples
