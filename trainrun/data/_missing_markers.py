"""Numbers and dates that stand for a missing value, -999 or 9999-12-31."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from trainrun.data import _date_texts
from trainrun.errors import listed

if TYPE_CHECKING:
    import numpy as np

    from trainrun.data._table import Column
    from trainrun.data._table_settings import TableSettings

# Nines alone, 99, -999 or 999.9, the least integers of two and four bytes, and -1.
NINES = re.compile(r"-?9+(?:\.9+)?")
OTHERS = (-1.0, -32_768.0, -2_147_483_648.0)
DATES = ("1753-01-01", "1900-01-01", "1970-01-01", "2099-12-31", "2999-12-31", "9999-01-01", "9999-12-31")
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
    """Yield a sentence on the columns with such a number or date, if there are any.

    Args:
        columns: of the whole table.
        settings: of its columns.
    """
    found = {
        name: marker
        for name in (*settings.inputs, *settings.targets)
        if (marker := _of_column(columns[name])) is not None
    }
    if not found:
        return
    shown = listed(
        [f"{n} ({json.loads(typed)} in {share:.1%} of the rows)" for n, (typed, share) in found.items()],
        NAMED,
    )
    way_out = override([value for value, _ in found.values()], columns, settings)
    dates = any(columns[name].is_date for name in found)
    what = "values" if dates else "numbers"
    yield f"{what} that seem to stand for missing ones: {shown}. If they do: {way_out}."


def override(more: Iterable[str], columns: Mapping[str, Column], settings: TableSettings) -> str:
    """Return the override by which further values count as missing, as typed in a shell.

    Args:
        more: the values in JSON.
        columns: of the whole table, in which others count already.
        settings: of its columns.
    """
    # The setting takes the place of the texts that count as missing without it.
    words = settings.na_values
    if words is None:
        words = sorted({text for column in columns.values() for text in column.missing if text})
    return shlex.quote(f"data.na_values=[{','.join(dict.fromkeys([*more, *map(typed, words)]))}]")


def typed(text: object) -> str:
    """Return a text in JSON, its letters as they are: Hydra knows no escapes of letters."""
    return json.dumps(text, ensure_ascii=False)


def _of_column(column: Column) -> tuple[str, float] | None:
    """Return the marker of a column in JSON, as its file has it, and its share of the rows; None: there is none."""
    import numpy as np

    if column.numbers is None or (column.notation is not None and column.ends is None):
        return None
    if (found := of_numbers(column.numbers, column.is_date)) is None:
        return None
    marker, share = found
    if column.ends is None:
        return _typed(marker), share
    return typed(column.ends[int(marker > np.nanmin(column.numbers))]), share


def of_numbers(numbers: np.ndarray, are_dates: bool = False) -> tuple[float, float] | None:
    """Return the number that stands for a missing value in a column, and its share of the rows; None: there is none.

    Args:
        numbers: `[n]`, NaN where a value is missing.
        are_dates: whether they are seconds since 1970.
    """
    import numpy as np

    # The usual case shows in some of the rows.
    some = numbers[:: len(numbers) // SAMPLE + 1]
    some = some[~np.isnan(some)]
    may_mark = _is_known_date if are_dates else _may_mark
    ends = [end for end in (some.min(), some.max()) if may_mark(end)] if len(some) else []
    if not ends:
        return None
    known = numbers[~np.isnan(numbers)]
    for marker in ends:
        is_marker = known == marker
        count, others = int(is_marker.sum()), known[~is_marker]
        if count < max(LEAST, SHARE * len(numbers)) or len(np.unique(others)) < DIFFERENT:
            continue
        if _is_far(marker, others) or (not are_dates and _is_only_negative(marker, count, others)):
            return float(marker), count / len(numbers)
    return None


def _may_mark(value: float) -> bool:
    return value in OTHERS or (abs(value) >= 99 and NINES.fullmatch(_typed(value)) is not None)


def _is_known_date(seconds: float) -> bool:
    return _date_texts.date_text(seconds)[:10] in DATES


def _is_far(marker: float, others: np.ndarray) -> bool:
    """Return whether a number is far from all others, by their range."""
    low, high = others.min(), others.max()
    return bool(max(low - marker, marker - high) >= FAR * (high - low))


def _is_only_negative(marker: float, count: int, others: np.ndarray) -> bool:
    low = others.min()
    # -1 may be a number as the others.
    return bool(marker < 0 <= low) and (marker < -1 or count > int((others == low).sum()))


def _typed(value: float) -> str:
    return f"{value:.0f}" if value % 1 == 0 else f"{value:.7g}"  # as float32 holds it, too
