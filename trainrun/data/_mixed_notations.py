"""Columns of categories most of which are dates or numbers in one notation, and the others are written otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trainrun.data import _notations
from trainrun.data._columns import shortened
from trainrun.errors import listed

if TYPE_CHECKING:
    from trainrun.data._table import Column

# Different values of a column: at least, at first, and at most that are looked at.
LEAST, FIRST, LOOKED_AT = 20, 20, 1000
NAMED = 10


def notices(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield a sentence on these columns, if there are any.

    Args:
        columns: of a table; those of numbers and those with few different values are left out.
    """
    shown = []
    for name, column in columns.items():
        if column.numbers is not None or len(column.texts) <= LEAST:
            continue
        if _notations.mostly(_some(column.texts, FIRST))[0] is None:  # the usual case
            continue
        notation, others = _notations.mostly(_some(column.texts, LOOKED_AT))
        if notation is not None and others:
            shown.append(f"{name} ({notation.words}; but {shortened(others[0])!r})")
    if shown:
        yield (
            f"categories most of which are dates or numbers: {listed(shown, NAMED)}. Write the others alike, and they are read as such; "
            "a text that marks a missing value is named by data.na_values."
        )


def _some(texts: list[str], count: int) -> list[str]:
    return list(texts[:: math.ceil(len(texts) / count)])
