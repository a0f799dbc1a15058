"""Times of day, and durations, as texts: 08:30, 8:30:15, 8:30 PM. Their number is in hours."""

from __future__ import annotations

import re
from collections.abc import Sequence

TIME = re.compile(
    r"(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:[.,]\d+)?))?(?: ?([AaPp])\.?[Mm]\.?)?",
    re.ASCII,
)
# Forms of a column; in the short one, minutes and seconds would be read as hours and minutes, which is the same up to the unit.
SHORT, LONG = "h:mm", "h:mm:ss"
FORMS = (SHORT, LONG)
# Hours beyond which a time is none of day.
DAY = 24


def hours(text: str, form: str) -> float | None:
    """Return the hours of a text; None: it is no time, or in another form."""
    match = TIME.fullmatch(text)
    if match is None or (match[3] is not None) != (form == LONG):
        return None
    whole = int(match[1])
    if half := (match[4] or "").lower():
        if not 1 <= whole <= 12:
            return None
        whole = whole % 12 + 12 * (half == "p")
    return whole + int(match[2]) / 60 + float((match[3] or "0").replace(",", ".")) / 3600


def read(texts: Sequence[str]) -> tuple[str, list[float]] | None:
    """Return the form of all texts, and their hours; None: they have none in common, or some only have AM or PM."""
    matches = [TIME.fullmatch(text) for text in texts]
    if not all(matches) or len({m[4] is None for m in matches}) > 1:
        return None
    for form in FORMS:
        values = [hours(text, form) for text in texts]
        if texts and None not in values:
            return form, values
    return None


def text(value: float, form: str) -> str:
    """Return hours as a text in a form."""
    seconds = round(value * 3600)
    shown = f"{seconds // 3600}:{seconds // 60 % 60:02}"
    return f"{shown}:{seconds % 60:02}" if form == LONG else shown
