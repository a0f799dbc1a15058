"""Dates and times as texts, and as seconds since 1970, of UTC where a text names its offset."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

DATE = re.compile(
    r"(\d{1,4})([-/.])(\d{1,4})(?:\2(\d{1,4})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?(?: ?([AaPp])\.?[Mm]\.?)?(?: ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?)?)?"
)
# Fields of a date in the order in which a column has them -> that order in words.
DATE_ORDERS = {
    "ymd": "year-month-day",
    "dmy": "day-month-year",
    "mdy": "month-day-year",
    "ym": "year-month",
    "my": "month-year",
}
EPOCH = datetime.date(1970, 1, 1).toordinal()
DAY = 86_400.0
# Years of months without a day.
FIRST_YEAR, LAST_YEAR = 1500, 2500
HOUR = "hour"  # the part of a date that a column of days lacks


def order(matches: Sequence[re.Match]) -> str | None:
    """Return the order of the fields of dates, one of `DATE_ORDERS`; None: they have none in common.

    Args:
        matches: of `DATE` with each text.
    """
    first, second, last = ({len(m[i] or "") for m in matches} for i in (1, 3, 4))
    if last == {0}:
        return _order_of_months(matches, first, second)
    if 0 in last or max(second) > 2:
        return None
    if first == {4} and max(last) <= 2:
        return "ymd"
    if last == {4} and max(first) <= 2:
        # Dots are written in countries that write the day first.
        day_first = matches[0][2] == "." or any(int(m[1]) > 12 for m in matches)
        return "dmy" if day_first else "mdy"
    return None


def _order_of_months(matches: Sequence[re.Match], first: set[int], second: set[int]) -> str | None:
    """Return ``ym`` or ``my``, or None: 2024.03 is a number, and 3/1000 is no month."""
    order = "ym" if first == {4} and max(second) <= 2 else "my" if second == {4} and max(first) <= 2 else None
    if order is None or any(m[2] == "." for m in matches):
        return None
    years = (int(m[1] if order == "ym" else m[3]) for m in matches)
    return order if all(FIRST_YEAR <= year <= LAST_YEAR for year in years) else None


def seconds(match: re.Match, order: str) -> float:
    """Return the seconds since 1970 of a date, of UTC if it names its offset; of a month those of its first day.

    Args:
        match: of `DATE` with its text.
        order: of its fields.

    Raises:
        ValueError: there is no such day or time, or the fields are in another order.
    """
    values = [int(match[i]) for i in (1, 3, 4) if match[i]]
    fields = {"d": 1} | dict(zip(order, values, strict=True))
    days = datetime.date(fields["y"], fields["m"], fields["d"]).toordinal() - EPOCH
    hours, minutes = int(match[5] or 0), int(match[6] or 0)
    of_minute = float((match[7] or "0").replace(",", "."))
    if half := (match[8] or "").lower():
        if not 1 <= hours <= 12:
            raise ValueError(f"{match[0]} is no time of day")
        hours = hours % 12 + 12 * (half == "p")
    if hours > 23 or minutes > 59 or of_minute >= 60:
        raise ValueError(f"{match[0]} is no time of day")
    return days * DAY + hours * 3600 + minutes * 60 + of_minute - _offset(match[9] or "Z")


def _offset(zone: str) -> float:
    """Return the seconds that a zone's clock is ahead of UTC."""
    if zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f"{zone} is no offset from UTC")
    return (hours * 3600 + minutes * 60) * (-1.0 if zone[0] == "-" else 1.0)


def clock(matches: Sequence[re.Match]) -> str:
    """Return in words which clock the times of dates are of; "" where none names its offset from UTC.

    Args:
        matches: of `DATE` with each text.
    """
    if not any(match[9] for match in matches):
        return ""
    return " in UTC" + ("" if all(match[9] for match in matches) else ", also those without an offset")


def date_parts(seconds: np.ndarray, timed: bool) -> dict[str, np.ndarray]:
    """Return year, month, day and weekday (0 is Monday) of dates, and the hour if `timed`, each float64 `[n]`.

    Args:
        seconds: since 1970, `[n]`, all finite.
        timed: whether the column has times of day.
    """
    import numpy as np

    number = np.floor(seconds / DAY).astype("int64")
    days = number.astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    parts = {
        "year": years.astype("int64") + 1970,
        "month": (months - years).astype("int64") + 1,
        "day": (days - months).astype("int64") + 1,
        "weekday": (number + 3) % 7,
    }
    if timed:
        parts[HOUR] = (seconds - number * DAY) / 3600
    return {name: part.astype("float64") for name, part in parts.items()}


def date_text(seconds: float) -> str:
    """Return a date as text, to the minute if it has a time of day."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return moment.strftime("%Y-%m-%d %H:%M" if seconds % DAY else "%Y-%m-%d")
