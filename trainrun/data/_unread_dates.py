"""Columns of dates in a notation that is not read as one: `1 Feb 2013`, `Feb-13`, `01/02/13`, `2013Q1`, or the number 20130201."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence

from trainrun.data._table import Column

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
# 1 Feb 2013, 1-Feb-13, Fri, 1 Feb 2013 10:00, Feb 1, 2013, Feb-1-2013, 2013 Feb 1
_OF_DAYS = rf"(?:[a-z]+,? )?(?:{_DAY}[ -]{_MONTH}[ ,-]+\d{{2,4}}|{_MONTH}[ -]{_DAY}(?:,? |-)\d{{4}}|\d{{4}}[ -]{_MONTH}[ -]\d{{1,2}})(?:\D.*)?"
# Feb 2013, Feb-13, 2013 Feb
_OF_MONTHS = rf"{_MONTH}[ ,-]+(?:\d{{4}}|\d{{2}})|\d{{4}}[ -]{_MONTH}"
# 2013Q1, 2013-Q1, 2013:1, Q1 2013, 2013-W05, 2013M02
_OF_QUARTERS_AND_WEEKS = r"\d{4}[ :-]?(?:q[1-4]|w\d\d|m\d\d?)|(?:19|20)\d\d:\d\d?|q[1-4][ /-]?\d{4}"
# 31/12/13, 12/31/13 10:00, 31.12.13
_OF_SHORT_YEARS = r"(?:[0-3]?\d/[0-3]?\d/\d\d|[0-3]\d\.[01]\d\.\d\d)(?:[ T]\d.*)?"
_WORDED = re.compile("|".join((_OF_DAYS, _OF_MONTHS, _OF_QUARTERS_AND_WEEKS, _OF_SHORT_YEARS)), re.IGNORECASE)
# Values that are looked at; the share of texts that are dates; and how many different whole numbers are dates by no chance.
LOOKED_AT, MOSTLY, NO_CHANCE = 1000, 0.9, 10
FIRST_YEAR, LAST_YEAR = 1900, 2100


def columns(columns: Mapping[str, Column]) -> dict[str, str]:
    """Return name -> first value of each such column.

    Args:
        columns: the columns of a table.
    """
    return {name: value for name, column in columns.items() if (value := _example(column)) is not None}


def _example(column: Column) -> str | None:
    if column.notation is not None:
        return None
    if column.numbers is None:
        sample = list(column.texts[:: len(column.texts) // LOOKED_AT + 1])
        return sample[0] if sample and is_worded(sample) else None
    import numpy as np

    sample = column.numbers[:: len(column.numbers) // LOOKED_AT + 1]
    distinct = np.unique(sample[~np.isnan(sample)])
    are_days = len(distinct) >= NO_CHANCE and all(_is_day(value) for value in distinct.tolist())
    return f"{distinct[0]:.0f}" if are_days else None


def is_worded(texts: Sequence[str]) -> bool:
    """Return whether almost all texts are dates with the month's English name, a quarter, a week, or a year of two digits."""
    return sum(_WORDED.fullmatch(text) is not None for text in texts) >= MOSTLY * len(texts)


def _is_day(number: float) -> bool:
    if number % 1 or not FIRST_YEAR <= number // 10_000 <= LAST_YEAR:
        return False
    year, day = divmod(int(number), 10_000)
    try:
        datetime.date(year, *divmod(day, 100))
    except ValueError:
        return False
    return True
