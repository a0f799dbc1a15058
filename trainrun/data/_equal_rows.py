"""Rows of held-out parts that the training part has, too, with their target, where few distinct values do not make this a chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from trainrun.data._table import Column
from trainrun.data._table_examples import Examples

if TYPE_CHECKING:
    import numpy as np

# Such a share of equal rows in a part, that share of them with the same target, is too many.
EQUAL, SAME_TARGET = 0.05, 0.99
# So many times more equal rows than independent columns would have are no chance.
NO_CHANCE = 10
# Rows from which the frequencies of a column's values are taken.
EXACT = 20_000


class Features(NamedTuple):
    """The features of the examples, of which several targets may be predicted.

    Args:
        hashes: of each example, uint64 `[n]`.
        columns: how many there are.
        chance: logarithm of the share of the pairs of examples that are equal if the columns are independent.
    """

    hashes: np.ndarray
    columns: int
    chance: float


def features(columns: Mapping[str, Column], keep: np.ndarray) -> Features:
    """Return the features of examples.

    Args:
        columns: by name.
        keep: the rows that are examples.
    """
    import numpy as np

    hashes, chance = np.zeros(len(keep), "uint64"), 0.0
    for i, column in enumerate(columns.values()):
        values = (column.codes if column.numbers is None else column.numbers)[keep]
        shares = np.unique(values[:: math.ceil(len(values) / EXACT)], return_counts=True, equal_nan=True)[1]
        chance += math.log(((shares / shares.sum()) ** 2).sum())
        hashes = _hashed(hashes, values, i)
    return Features(hashes, len(columns), chance)


def counts(
    of_features: Features, examples: Examples, train: np.ndarray, parts: Mapping[str, np.ndarray]
) -> Iterator[tuple[str, int]]:
    """Yield the held-out parts that have too many rows of the training part, each with their number.

    Args:
        of_features: of the examples.
        examples: with one target, or one of several.
        train: indices of the training examples.
        parts: name -> indices.
    """
    import numpy as np

    rows = whole = of_features.hashes
    for i, labels in enumerate(examples.labels.reshape(len(rows), -1).T, of_features.columns):
        whole = _hashed(whole, labels.astype("float64"), i)
    train_rows, train_whole = np.sort(rows[train]), np.sort(whole[train])
    expected = NO_CHANCE * min(1.0, len(train) * math.exp(of_features.chance))
    for name, part in parts.items():
        equal = _count_in(whole[part], train_whole)
        if are_too_many(equal, _count_in(rows[part], train_rows), len(part), expected):
            yield name, equal


def are_too_many(equal: int, alike: int, rows: int, expected: float = 0.0) -> bool:
    """Return whether a part has too many rows of the training part.

    Args:
        equal: rows with the features and the target of a training row.
        alike: rows with its features.
        rows: of the part.
        expected: the share of rows that are equal by chance.
    """
    return equal > max(1, max(EQUAL, expected) * rows) and equal >= SAME_TARGET * alike


def _count_in(hashes: np.ndarray, ascending: np.ndarray) -> int:
    """Return how many hashes are among others. np.isin hashes in numpy 2.3 and later, which takes twenty times as long as sorting."""
    import numpy as np

    hashes = np.sort(hashes)
    at = np.minimum(np.searchsorted(ascending, hashes), len(ascending) - 1)
    return int((ascending[at] == hashes).sum())


def _hashed(rows: np.ndarray, values: np.ndarray, i: int) -> np.ndarray:
    """Return hashes of rows with one more column, uint64 `[n]`."""
    import numpy as np

    bits = np.ascontiguousarray(values).view("uint64")
    rows = rows * np.uint64(0x9E3779B97F4A7C15) + (bits ^ (bits >> np.uint64(29))) * np.uint64(
        2 * i + 0xBF58476D1CE4E5B9
    )
    return rows ^ (rows >> np.uint64(32))
