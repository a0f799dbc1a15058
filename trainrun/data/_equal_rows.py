"""Rows of held-out parts that the training part has, too, with their target, where few distinct values do not make this a chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from trainrun.data._table import Column

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
    of_features: Features,
    labels: Iterable[np.ndarray],
    train: np.ndarray,
    parts: Mapping[str, np.ndarray],
) -> Iterator[tuple[str, int]]:
    """Yield the held-out parts that have too many rows of the training part, each with their number.

    Args:
        of_features: of the examples.
        labels: of each target, `[n, …]`; none: examples are compared without them.
        train: indices of the training examples.
        parts: name -> indices.
    """
    import numpy as np

    rows = whole = of_features.hashes
    columns = (column for one in labels for column in one.reshape(len(rows), -1).T)
    for i, column in enumerate(columns, of_features.columns):
        whole = _hashed(whole, column.astype("float64"), i)
    train_rows, train_whole = np.sort(rows[train]), np.sort(whole[train])
    share = max(EQUAL, NO_CHANCE * min(1.0, len(train) * math.exp(of_features.chance)))
    for name, part in parts.items():
        equal, alike = _count_in(whole[part], train_whole), _count_in(rows[part], train_rows)
        if equal > max(1, share * len(part)) and equal >= SAME_TARGET * alike:
            yield name, equal


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
