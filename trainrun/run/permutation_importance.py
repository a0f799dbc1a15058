"""Permutation importance: how much the error rises when a column's values are shuffled among the rows.

Reference: L. Breiman, Random forests, Machine Learning 45, 2001.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from trainrun.artifacts.score_curves import Z, log_losses
from trainrun.data._table_inputs import INDICATOR
from trainrun.data.dataset import InputSpec, Split, TargetSpec
from trainrun.data.preprocessor import Preprocessor

Arrays = np.ndarray | Mapping[str, np.ndarray]
# Rows that are shuffled, and shuffles of each column; fewer shuffles and columns, so that no more rows than `PREDICTED` are predicted.
ROWS, REPEATS, PREDICTED = 1000, 5, 500_000
BLOCK, NUMBERS = 50_000, 50_000_000  # rows of one call of the model, and numbers in them
KINDS = {"image": "images", "tokens": "texts"}


class Importance(NamedTuple):
    """One column: by how much the mean error of an example rises, with its 95% interval over the examples."""

    column: str
    rise: float
    low: float
    high: float


def errors(target: TargetSpec, y: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the error of each example: of classes the log loss, of numbers the absolute error.

    Args:
        target: of the data; without a shape.
        y: labels, as in `TargetSpec`.
        predicted: probabilities, or real numbers.
    """
    p = predicted.reshape(len(y), -1).astype(np.float64)
    if target.kind == "real":
        return np.abs(p - np.asarray(y, np.float64).reshape(len(y), -1)).mean(axis=1)
    if target.kind == "multiclass":
        return log_losses(p[np.arange(len(y)), y])
    labels = np.asarray(y).reshape(len(y), -1) > 0.5
    return log_losses(np.where(labels, p, 1 - p)).mean(axis=1)


def importance(
    predict: Callable[[Arrays], np.ndarray], split: Split, target: TargetSpec, fitted: Preprocessor, seed: int
) -> list[Importance]:
    """Return the importance of each column, the greatest first; empty if the inputs have no columns.

    Columns are shuffled as the table has them: the parts of a date, a number and its indicator, or the tokens of a text together. Of
    sequences, as the windows of time series, a column's values at all steps go together from one sequence to another.

    Args:
        predict: preprocessed arrays -> probabilities or numbers.
        split: examples that the model was not trained on.
        target: of the data.
        fitted: of the model, for the columns' names.
        seed: of the shuffles.
    """
    if lacking(split, target, fitted):
        return []
    columns = _columns(fitted)
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(split))[:ROWS])
    part = split.take(rows)
    n = len(part)
    repeats = int(np.clip(PREDICTED // (n * len(columns)), 1, REPEATS))
    names = [*columns][: max(1, PREDICTED // n)]
    before = errors(target, part.y, predict(part.x))
    measured = []
    width = sum(math.prod(spec.shape) for spec in fitted.inputs)
    each = max(1, min(BLOCK, NUMBERS // width) // (n * repeats))  # columns of one call
    for first in range(0, len(names), each):
        block = names[first : first + each]
        x = _shuffled(part.x, [columns[name] for name in block], repeats, fitted.inputs[0].name, random)
        after = errors(target, np.tile(part.y, (len(block) * repeats, *[1] * (part.y.ndim - 1))), predict(x))
        rises = after.reshape(len(block), repeats, n).mean(axis=1) - before
        for name, rise in zip(block, rises, strict=True):
            rise = rise[np.isfinite(rise)]
            if len(rise) > 1:
                mean, half = float(rise.mean()), Z * float(rise.std(ddof=1)) / math.sqrt(len(rise))
                measured.append(Importance(name, mean, mean - half, mean + half))
    return sorted(measured, key=lambda i: -i.rise)


def lacking(split: Split, target: TargetSpec, fitted: Preprocessor) -> str:
    """Return in a sentence why columns have no importance; empty if they have one. Arguments as in `importance`."""
    if not _columns(fitted):
        kinds = sorted({KINDS.get(spec.kind, "arrays") for spec in fitted.inputs})
        return f"None: {' and '.join(kinds)} have no columns to shuffle."
    if target.shape:
        return "None: the target has a class for each pixel."
    return "None: there are too few examples to shuffle." if len(split) < 2 else ""


def step_names(fitted: Preprocessor, spec: InputSpec) -> tuple[str, ...]:
    """Return the names of the numbers of each step of an input that is a sequence; empty of other inputs."""
    sequence = spec.kind == "numeric" and spec.shape[1:] == (len(fitted.features),)
    return fitted.features if sequence else ()


def _columns(fitted: Preprocessor) -> dict[str, list[tuple[str, int]]]:
    """Return each column with its places in the arrays: (input, index along the last axis)."""
    columns: dict[str, list[tuple[str, int]]] = {}
    # "sold year" and "age is missing" belong to the table's columns "sold" and "age".
    whole = {feature: c.name for c in fitted.columns for feature in c.features}
    whole |= {f"{c.name}{INDICATOR}": c.name for c in fitted.columns}
    for spec in fitted.inputs:
        for i, name in enumerate(step_names(fitted, spec) or fitted.names(spec)):
            columns.setdefault(whole.get(name, name), []).append((spec.name, i))
        if spec.name in fitted.of_texts:
            places = ((spec.name, i) for i in range(spec.shape[0]))
            columns.setdefault(fitted.of_texts[spec.name], []).extend(places)
    return columns


def _shuffled(
    x: Arrays, columns: list[list[tuple[str, int]]], repeats: int, only: str, random: np.random.Generator
) -> Arrays:
    """Return copies of the arrays below one another, `repeats` for each column, with its values shuffled."""
    arrays = dict(x) if isinstance(x, Mapping) else {only: x}
    arrays = {name: np.asarray(array[:]) for name, array in arrays.items()}
    n = len(next(iter(arrays.values())))
    wide = {name: np.tile(a, (len(columns) * repeats, *[1] * (a.ndim - 1))) for name, a in arrays.items()}
    for copy in range(len(columns) * repeats):
        order = random.permutation(n)
        for name, i in columns[copy // repeats]:
            wide[name][copy * n : (copy + 1) * n, ..., i] = arrays[name][order, ..., i]
    return wide if isinstance(x, Mapping) else wide[only]
