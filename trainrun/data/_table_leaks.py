"""Columns that give the target of a table away."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from trainrun.data._table import Column
from trainrun.data._table_examples import Examples

if TYPE_CHECKING:
    import numpy as np

# Rows from which on a notice is made.
ENOUGH_ROWS = 50
# Each class of at least so many examples is recognized in this share of them by one column: it gives the target away.
ENOUGH_OF_CLASS, GIVEN_AWAY, CORRELATED = 5, 0.99, 0.99995
# Values that are looked at, over all columns, and of one.
LOOKED_AT, LOOKED_AT_OF_COLUMN = 4_000_000, 20_000
# Share of known values from which on a column's numbers are looked at.
WHOLE = 0.9
# If the ranks of every n-th of so many rows are not correlated so much, those of all rows are not by CORRELATED.
FEW_ROWS, HARDLY = 1000, 0.9


def columns(columns: Mapping[str, Column], examples: Examples) -> list[str]:
    """Return the columns each of which alone gives the target away: by a threshold, by its categories, or by where values are missing.

    Args:
        columns: by name, without those whose categories hardly repeat.
        examples: the rows and their labels.
    """
    import numpy as np

    if examples.target.kind == "multilabel" or not columns:
        return []
    n = len(examples.keep)
    looked_at = min(n, LOOKED_AT_OF_COLUMN, max(ENOUGH_ROWS, LOOKED_AT // len(columns)))
    at = np.linspace(0, n - 1, looked_at).astype("int64")
    labels = examples.labels[at]
    labels = labels[:, 0] if examples.target.kind == "real" else labels
    classes = len(examples.target.classes)
    if classes and (n < ENOUGH_ROWS or np.bincount(labels, minlength=classes).min() < ENOUGH_OF_CLASS):
        return []
    rows, names = examples.keep[at], []
    for name, column in columns.items():
        if column.numbers is None:
            gives = classes and _categories_tell(column.codes[rows], labels, classes)
        else:
            numbers = column.numbers[rows]
            known = ~np.isnan(numbers)
            numbers, known_labels = numbers[known], labels[known]
            if known.sum() > WHOLE * len(rows):
                gives = (_threshold_tells if classes else _line_tells)(numbers, known_labels)
            else:
                gives = classes and _categories_tell(known.astype("int64"), labels, classes)
        if gives:
            names.append(name)
    return names


def _threshold_tells(numbers: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether thresholds split numbers into the classes: of two classes one threshold, of k exactly k - 1."""
    import numpy as np

    order = np.argsort(numbers, kind="stable")
    numbers, labels = numbers[order], labels[order]
    present, counts = np.unique(labels, return_counts=True)
    boundaries = np.flatnonzero(numbers[1:] != numbers[:-1])
    if len(present) != 2:
        changes = np.flatnonzero(labels[1:] != labels[:-1])
        return len(changes) == len(present) - 1 and bool(np.isin(changes, boundaries).all())
    second = np.cumsum(labels == present[1])
    below = second[boundaries] / counts[1]  # share of the second class up to each threshold
    first = (boundaries + 1 - second[boundaries]) / counts[0]
    recognized = np.maximum(np.minimum(first, 1 - below), np.minimum(1 - first, below))
    return bool(len(boundaries)) and recognized.max() >= GIVEN_AWAY


def _line_tells(numbers: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether a line, or another monotone curve, leads from the numbers to the labels."""
    import numpy as np

    if len(labels) < ENOUGH_ROWS or np.ptp(numbers) == 0 or np.ptp(labels) == 0:
        return False
    if _correlation(numbers, labels) >= CORRELATED:
        return True
    some = slice(None, None, math.ceil(len(labels) / FEW_ROWS))
    return _of_ranks(numbers[some], labels[some]) >= HARDLY and _of_ranks(numbers, labels) >= CORRELATED


def _of_ranks(a: np.ndarray, b: np.ndarray) -> float:
    """Return the amount of the correlation of ranks, among which equal values have one."""
    import numpy as np

    return _correlation(*(np.unique(values, return_inverse=True)[1] for values in (a, b)))


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the amount of Pearson's correlation; 1 if it is unknown, since one of them is constant."""
    import numpy as np

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 1.0
    scaled = [(values - values.mean()) / np.ptp(values) for values in (a, b)]
    deviations = [np.sqrt((values**2).mean()) for values in scaled]
    return float(abs((scaled[0] * scaled[1]).mean()) / math.prod(deviations))


def _categories_tell(codes: np.ndarray, labels: np.ndarray, classes: int) -> bool:
    """Return whether the most frequent class of each category is the class of nearly all examples of each class."""
    import numpy as np

    values = int(codes.max()) + 2
    if values > len(codes) / 10:
        return False
    table = np.bincount((codes + 1) * classes + labels, minlength=values * classes).reshape(values, classes)
    right = np.bincount(table.argmax(axis=1), table.max(axis=1), classes)
    return bool((right >= GIVEN_AWAY * table.sum(axis=0)).all())
