"""Rows of held-out parts that the training part has, too, with their target, where few distinct values do not make this a chance."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data._table import Column
from trainrun.util import threads

if TYPE_CHECKING:
    import numpy as np

# Such a share of equal rows in a part, that share of them with the same target, is too many.
EQUAL, SAME_TARGET = 0.05, 0.99
# So many times more equal rows than independent columns would have are no chance.
NO_CHANCE = 10
# More of them than so many standard deviations above what new rows have are no chance.
DEVIATIONS = 4
# Rows from which the frequencies of a column's values are taken.
EXACT = 20_000
# Rows that are hashed at once: they stay in a core's cache.
ROWS = 16_384
# Columns that are hashed one after another; more are halved by blocks of so many first.
BLOCK = 64
# Columns by which rows are compared first: what differs in them differs.
FEW_COLUMNS = 3
# Bits of a hash by which most rows without an equal are sorted out.
FIRST_BITS = 22


class Features:
    """The features of the examples, of which several targets may be predicted.

    Args:
        columns: of each feature its values, or codes or hashes of them, 8 bytes each, `[rows]`.
        keep: the rows that are examples.
        contents: the features are contents, as texts or images are, which are never equal by chance.
    """

    def __init__(self, columns: Sequence[np.ndarray], keep: np.ndarray, contents: bool = False) -> None:
        import numpy as np

        self._columns, self._keep, self._contents, self._hashed = columns, keep, contents, 0
        self._hashes = np.zeros(len(keep), "uint64")

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._columns)

    def hashes(self, count: int) -> np.ndarray:
        """Return hashes of the examples by so many of their features, or as many as were asked for before, uint64 `[n]`."""
        columns, first = self._columns[self._hashed : count], self._hashed
        is_every = len(columns) > 0 and len(self._keep) == len(columns[0])

        def fill(begin: int) -> None:
            some = slice(begin, begin + ROWS)
            rows, made = some if is_every else self._keep[some], self._hashes[some]
            for i, values in enumerate(columns, first):
                _add(made, values[rows], i)

        if columns:
            threads.each(fill, range(0, len(self._keep), ROWS))
        self._hashed = max(count, first)
        return self._hashes

    @functools.cached_property
    def chance(self) -> float:
        """The logarithm of the share of the pairs of examples that are equal if the features are independent."""
        import numpy as np

        if self._contents:
            return -math.inf
        sample, sum_of_logarithms = self._keep[:: math.ceil(len(self._keep) / EXACT)], 0.0
        for values in self._columns:
            shares = np.unique(values[sample], return_counts=True, equal_nan=True)[1]
            sum_of_logarithms += math.log(((shares / shares.sum()) ** 2).sum())
        return sum_of_logarithms


def features(columns: Mapping[str, Column], keep: np.ndarray) -> Features:
    """Return the features of examples.

    Args:
        columns: by name.
        keep: the rows that are examples.
    """
    return Features([c.codes if c.numbers is None else c.numbers for c in columns.values()], keep)


def of_arrays(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return hashes of examples, uint64 `[n]`.

    Args:
        arrays: numbers `[n, …]`, what each example consists of.
    """
    import numpy as np

    flat = [np.asarray(array, "float64").reshape(len(array), -1) for array in arrays]
    hashes = np.concatenate(flat, axis=1).view("uint64")
    while True:
        count, width = hashes.shape
        block = min(BLOCK, width)
        padded = np.pad(hashes, ((0, 0), (0, -width % block))).reshape(-1, block)
        made = np.zeros(len(padded), "uint64")
        for i in range(block):
            made = _hashed(made, padded[:, i], i)
        hashes = made.reshape(count, -1)
        if hashes.shape[1] == 1:
            return made


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

    if not parts:
        return
    # Most tables have hardly any equal rows: one count of all parts shows it, often by a few columns.
    fewest = min(max(1, EQUAL * len(part)) for part in parts.values())
    held_out = np.concatenate([*parts.values()])
    for count in sorted({min(FEW_COLUMNS, of_features.count), of_features.count}):
        rows = whole = of_features.hashes(count)
        if count_in(rows[held_out], rows[train]) <= fewest:
            return
    share = max(EQUAL, NO_CHANCE * min(1.0, len(train) * math.exp(of_features.chance)))
    # Rows with equal targets are among those with equal features, which are few in most tables.
    alike = {name: count_in(rows[part], rows[train]) for name, part in parts.items()}
    alike = {name: count for name, count in alike.items() if count > max(1, share * len(parts[name]))}
    columns = (column for one in labels if alike for column in one.reshape(len(rows), -1).T)
    for i, column in enumerate(columns, of_features.count):
        whole = _hashed(whole, column.astype("float64"), i)
    for name, count in alike.items():
        equal = count_in(whole[parts[name]], whole[train])
        if equal > max(1, share * len(parts[name])) and equal >= SAME_TARGET * count:
            yield name, equal


def more_than_chance(hashes: np.ndarray, train: np.ndarray) -> int:
    """Return how many examples are equal to a training example, or 0 if so many new ones may be.

    A new example is equal to a training example with the probability 1 - s / n, of which s of n training examples have no equal (the
    estimate of Good and Turing).

    Args:
        hashes: of the examples.
        train: of the training examples.

    Reference: I. J. Good, The population frequencies of species and the estimation of population parameters, Biometrika 40, 1953.
    """
    import numpy as np

    _, repeated = np.unique(train, return_counts=True)
    chance = 1 - (repeated == 1).sum() / len(train)
    deviation = math.sqrt(chance * (1 - chance) * (1 / len(hashes) + 1 / len(train)))
    equal = count_in(hashes, train)
    return equal if equal > max(1, len(hashes) * (chance + max(EQUAL, DEVIATIONS * deviation))) else 0


def count_in(hashes: np.ndarray, others: np.ndarray) -> int:
    """Return how many hashes are among others. np.isin hashes in numpy 2.3 and later, which takes twenty times as long as sorting."""
    import numpy as np

    # Sort only those whose first bits are among the others' first bits, in both directions.
    for _ in range(2):
        first_bits = np.zeros(2**FIRST_BITS, bool)
        first_bits[others >> np.uint64(64 - FIRST_BITS)] = True
        hashes, others = others, hashes[first_bits[hashes >> np.uint64(64 - FIRST_BITS)]]
    if not len(others):
        return 0
    hashes, others = np.sort(hashes), np.sort(others)
    at = np.minimum(np.searchsorted(others, hashes), len(others) - 1)
    return int((others[at] == hashes).sum())


def _hashed(rows: np.ndarray, values: np.ndarray, i: int) -> np.ndarray:
    """Return hashes of rows with one more column, uint64 `[n]`."""
    made = rows.copy()
    _add(made, values, i)
    return made


def _add(rows: np.ndarray, values: np.ndarray, i: int) -> None:
    """Add one more column to the hashes of rows, uint64 `[n]`, in place: temporary arrays take longer than the numbers."""
    import numpy as np

    bits = np.ascontiguousarray(values).view("uint64")
    mixed = bits >> np.uint64(29)
    mixed ^= bits
    mixed *= np.uint64(2 * i + 0xBF58476D1CE4E5B9)
    rows *= np.uint64(0x9E3779B97F4A7C15)
    rows += mixed
    np.right_shift(rows, np.uint64(32), out=mixed)
    rows ^= mixed
