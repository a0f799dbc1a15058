"""Numbers that stand for a missing value, -999 or 9999, in columns of numbers."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table import Column
    from trainrun.data._table_settings import TableSettings

# Nines alone, 99, -999 or 999.9, the least integers of two and four bytes, and -1.
NINES = re.compile(r"-?9+(?:\.9+)?")
OTHERS = (-1.0, -32_768.0, -2_147_483_648.0)
# Share of the rows, and rows, that a marker takes at least.
SHARE, LEAST = 0.01, 5
# Different other values: fewer are codes of categories, of which 9 or -1 may be one.
DIFFERENT = 10
# A marker is so many times the range of the other values away from them.
FAR = 2.0
# Values that are looked at first.
SAMPLE = 5000
# Columns that the notice names.
NAMED = 10


def notices(columns: Mapping[str, Column], settings: TableSettings) -> Iterator[str]:
    """Yield a sentence on the columns with such a number, if there are any.

    Args:
        columns: of the whole table.
        settings: of its columns.
    """
    found = {
        name: marker
        for name in (*settings.inputs, *settings.targets)
        if (column := columns[name]).numbers is not None and column.notation is None
        if (marker := of_numbers(column.numbers)) is not None
    }
    if not found:
        return
    shown = listed([f"{name} ({_text(*marker)})" for name, marker in found.items()], NAMED)
    # The setting takes the place of the texts that count as missing without it.
    words = settings.na_values
    if words is None:
        words = sorted({text for column in columns.values() for text in column.missing if text})
    values = dict.fromkeys([*(_typed(value) for value, _ in found.values()), *map(json.dumps, words)])
    typed = shlex.quote(f"data.na_values=[{','.join(values)}]")
    yield f"numbers that seem to stand for missing values: {shown}. If they do: {typed}."


def of_numbers(numbers: np.ndarray) -> tuple[float, float] | None:
    """Return the number that stands for a missing value in a column, and its share of the rows; None: there is none.

    Args:
        numbers: `[n]`, NaN where a value is missing.
    """
    import numpy as np

    # The usual case shows in some of the rows.
    some = numbers[:: len(numbers) // SAMPLE + 1]
    some = some[~np.isnan(some)]
    ends = [end for end in (some.min(), some.max()) if _may_mark(end)] if len(some) else []
    if not ends:
        return None
    known = numbers[~np.isnan(numbers)]
    for marker in ends:
        is_marker = known == marker
        count, others = int(is_marker.sum()), known[~is_marker]
        if count < max(LEAST, SHARE * len(numbers)) or len(np.unique(others)) < DIFFERENT:
            continue
        if _is_far(marker, count, others):
            return float(marker), count / len(numbers)
    return None


def _may_mark(value: float) -> bool:
    return value in OTHERS or (abs(value) >= 99 and NINES.fullmatch(_typed(value)) is not None)


def _is_far(marker: float, count: int, others: np.ndarray) -> bool:
    """Return whether a number is far from all others, by their range, or the only negative one."""
    low, high = others.min(), others.max()
    nearest = low if marker < low else high
    if abs(marker - nearest) >= FAR * (high - low):
        return True
    # -1 may be a count of its own.
    return bool(marker < 0 <= low) and (marker < -1 or count > int((others == nearest).sum()))


def _typed(value: float) -> str:
    return f"{value:.0f}" if value % 1 == 0 else f"{value:.7g}"  # as float32 holds it, too


def _text(value: float, share: float) -> str:
    return f"{_typed(value)} in {share:.1%} of the rows"
