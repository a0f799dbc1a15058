"""Whole numbers of which float64 does not hold each one, such as ids of 19 digits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trainrun.data._arrow_arrays import as_numpy, within
from trainrun.data._header_names import exclusion, override
from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from trainrun.data._table import Column

# Columns that a notice names.
NAMED = 10

# Up to here float64 holds each whole number.
LARGEST_EXACT = float(2**53)


def exact(values: pa.Array | pa.ChunkedArray, numbers: np.ndarray) -> np.ndarray | None:
    """Return the integers of a column, int64 or uint64 `[n]`, 0 where a value is missing; None: float64 holds each, or they are none.

    Args:
        values: the column: numbers or texts, null where a value is missing.
        numbers: the same as float64 `[n]`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    if t.is_floating(values.type) or within(numbers, LARGEST_EXACT):
        return None
    for kind in (pa.int64(), pa.uint64()):
        try:
            return as_numpy(pc.cast(values, kind), 0)
        except pa.ArrowInvalid:  # fractions, exponents, or beyond that type
            continue
    return None


def rounded(columns: Mapping[str, Column]) -> dict[str, tuple[int, int]]:
    """Return the columns whose different integers are fewer different numbers: name -> how many of both."""
    import numpy as np

    counts = {}
    for name, column in columns.items():
        if column.integers is not None:
            known = column.known()
            values = column.integers[known], column.numbers[known]
            integers, numbers = (len(np.unique(array)) for array in values)
            if numbers < integers:
                counts[name] = integers, numbers
    return counts


def notices(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield a sentence on the columns of `rounded`, if there are any."""
    if counts := rounded(columns):
        shown = [f"{name} ({whole:,} different ones become {n:,})" for name, (whole, n) in counts.items()]
        names = list(counts)[:NAMED]
        yield (
            f"columns of whole numbers so large that float64 rounds them: {listed(shown, NAMED)}. They are ids rather than quantities. "
            f"Leave them out: {exclusion(names)}, or take them as categories: {override('categorical', names)}."
        )
