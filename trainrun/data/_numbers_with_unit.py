"""Columns of categories all of which are a number with one unit: `446 kg`, `1248 CC`, `3 doors`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from trainrun.data._columns import number, shortened
from trainrun.data._header_names import exclusion
from trainrun.data._table import Column
from trainrun.errors import listed

# Columns that one notice names.
NAMED = 10
# Values that are looked at, and fewer different ones of a column that say nothing.
LOOKED_AT, FEWEST = 1000, 3
_WITH_UNIT = re.compile(r"([-+]?[\d.,]*\d)( ?[^\W\d_][^\d]*)")


def columns(columns: Mapping[str, Column]) -> dict[str, str]:
    """Return name -> first value of each such column.

    Args:
        columns: some of a table.
    """
    return {
        name: column.texts[0]
        for name, column in columns.items()
        if column.numbers is None and have_one(column.texts)
    }


def have_one(texts: Sequence[str]) -> bool:
    """Return whether all of several texts are numbers with the same unit."""
    if len(texts) < FEWEST or _WITH_UNIT.fullmatch(texts[0]) is None:  # the usual case
        return False
    found = [_WITH_UNIT.fullmatch(text) for text in texts[:: len(texts) // LOOKED_AT + 1]]
    if None in found or len({match[2].strip().lower().rstrip("s") for match in found}) > 1:
        return False
    return all(number(match[1].replace(",", "")) is not None for match in found)


def notices(found: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence on these columns, if there are any, as `columns` returns them."""
    if found:
        shown = listed([f"{name} ({shortened(value)!r})" for name, value in found.items()], NAMED)
        yield (
            f"numbers with a unit that are read as categories: {shown}. Write them without it, and the model gets their size; "
            f"or leave them out: {exclusion([*found][:NAMED])}."
        )
