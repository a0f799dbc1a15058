"""Notices on columns that number the rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from trainrun.data import _large_integers
from trainrun.data._gaps import is_whole
from trainrun.data._header_names import exclusion
from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table import Column
    from trainrun.data._table_examples import Examples
    from trainrun.data._table_settings import TableSettings

# All different and whole, with at most so many holes, in at least so many rows.
HOLES, ENOUGH_ROWS = 0.05, 50
# How pandas names a column without a name.
NAMELESS = re.compile(r"Unnamed: \d+")
# What such a column shows; it may be a quantity by which the rows are sorted, or a rank.
EVIDENCE = "(different integers, in order or without gaps)"
# Columns that one notice names.
NAMED = 10


def columns(candidates: Mapping[str, Column], examples: Examples) -> list[str]:
    """Return the columns that number the rows; a validation or test file may begin anew, or have numbers of training rows."""
    rows = _training_file(examples)
    return [name for name, column in candidates.items() if _numbers_rows(column, rows, name)]


def notices(ids: Sequence[str]) -> Iterator[str]:
    """Yield a notice on the result of `columns`."""
    if ids:
        times = [name for name in ids if name.isidentifier()]
        time = f" If it is a time: data.time={times[0] if len(times) == 1 else '<column>'}." if times else ""
        yield (
            f"columns that seem to number the rows {EVIDENCE}: {listed(ids, NAMED)}. Row numbers and ids say nothing about new rows. "
            f"Leave them out: {exclusion(ids[:NAMED])}.{time}"
        )


def of_target(examples: Examples, settings: TableSettings) -> Iterator[str]:
    """Yield a notice if the target numbers the rows."""
    if examples.target.kind != "real":  # of several labels there is no one column
        return
    if _numbers_rows(examples.table.columns[settings.target], _training_file(examples)):
        yield f"the target {settings.target} seems to number the rows {EVIDENCE}, so there is nothing to learn. Is another column meant?"


def _training_file(examples: Examples) -> np.ndarray | slice:
    own = examples.file_parts == 0
    return slice(None) if own.all() else examples.keep[own]


def _numbers_rows(column: Column, rows: np.ndarray | slice, name: str = "x") -> bool:
    """Return whether all values are different integers: in ascending or descending order, or without gaps, or those of an unnamed index."""
    import numpy as np

    numbers = column.numbers
    if numbers is None or column.notation is not None or column.missing:
        return False
    if column.integers is not None and _large_integers.rounded({name: column}):
        return False  # which another notice says
    numbers = numbers[rows]
    # The usual case shows in the first rows.
    if len(np.unique(numbers[:ENOUGH_ROWS])) < ENOUGH_ROWS or not is_whole(numbers):
        return False
    steps = np.diff(numbers)
    if (steps > 0).all() or (steps < 0).all():
        return True
    is_dense = np.ptp(numbers) + 1 <= (1 + HOLES) * len(numbers)
    nameless = NAMELESS.fullmatch(name) is not None
    return (is_dense or nameless) and len(np.unique(numbers)) == len(numbers)
